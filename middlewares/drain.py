"""Let requests in flight finish before the application shuts down; refuse those that still come.

::

    app = Drain(app, grace=20)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import anyio

from middlewares.asgi import ASGIApp, Receive, Scope, Send
from middlewares.core.cross_origin import InnerPolicy
from middlewares.core.exchange import EXCHANGE, publish_scope
from middlewares.core.layer import Layer, freeze, is_foreign, is_innermost
from middlewares.core.lifetime import Lifetime
from middlewares.core.options import check_types
from middlewares.core.refusals import Refusal, refuse
from middlewares.errors import OptionErrors

if TYPE_CHECKING:
    from middlewares.asgi import Message

__all__ = ("Drain",)


class _Flights:
    """The requests in flight of one application, and whether it is shutting down."""

    __slots__ = ("_landed", "count", "is_closing", "lifetime")

    def __init__(self) -> None:
        self.lifetime = Lifetime()
        self.count = 0
        self.is_closing = False
        self._landed: anyio.Event | None = None

    def land(self) -> None:
        self.count -= 1
        if not self.count and self._landed is not None:
            self._landed.set()

    async def close(self, grace: float) -> None:
        """Take no more, and wait until the last has landed, but no longer than ``grace``."""
        self.is_closing = True
        if self.count:
            self._landed = anyio.Event()
            with anyio.move_on_after(grace):
                await self._landed.wait()


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class Drain(Layer):
    """Hold back the shutdown of the application until its requests are done; meanwhile answer 503 to new ones.

    Servers wait for requests before they tell an application to shut down, but not all of them, not always for all
    requests, and not where the application stops for another reason. What the application closes at its shutdown,
    such as a database, then still serves those that are under way. Refusals carry ``Connection: close``, so that
    the client connects anew, elsewhere.

    WebSockets count until they are closed.

    Order: outside whatever opens something for requests and closes it at shutdown.
    Standard: RFC 9110, 15.6.4 (503); RFC 9112, 9.6 (``Connection: close``); ASGI lifespan.
    """

    publishes_scope: ClassVar[bool] = True

    app: ASGIApp = field(kw_only=False)
    grace: float = 20.0
    """Seconds for which the shutdown is held back at most."""
    retry_after: int = 1
    """Seconds after which a refused client is asked to come back."""
    _flights: _Flights = field(init=False, repr=False)
    _refusals: dict[bool, Refusal] = field(init=False, repr=False)
    _inner: InnerPolicy = field(init=False, repr=False)
    _innermost: bool = field(init=False, repr=False)

    kept: ClassVar = ("_flights",)

    def __post_init__(self) -> None:
        problems = OptionErrors(self)
        check_types(problems, self)
        problems.raise_if_any()
        in_range = 0 <= self.grace < float("inf")
        problems.check(in_range, "grace", "must be a number of seconds that is not negative", self.grace)
        problems.check(self.retry_after >= 1, "retry_after", "must be at least 1", self.retry_after)
        problems.raise_if_any()
        refusals = {closes: self._refusal(closes=closes) for closes in (False, True)}
        freeze(self, _flights=_Flights(), _refusals=refusals, _inner=InnerPolicy(self.app))
        freeze(self, _innermost=is_innermost(self.app))

    @property
    def in_flight(self) -> int:
        """How many requests and WebSockets are under way."""
        return self._flights.count

    def hands_on_send(self) -> bool:
        """Return whether the application inside, which is handed the very ``send``, is not ours."""
        return is_foreign(self.app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            return await self._live(scope, receive, send)
        if kind not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        flights = self._flights
        if flights.is_closing:
            # RFC 9113, 8.2.2: there is no Connection field in HTTP/2 and later.
            refusal = self._refusals[kind == "http" and scope.get("http_version", "1.1") in ("1.0", "1.1")]
            return await refuse(scope, receive, send, refusal, inner=self._inner)
        if self._innermost and EXCHANGE in scope:
            publish_scope(scope)
        flights.count += 1
        try:
            await self.app(scope, receive, send)
        finally:
            flights.land()

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        flights = self._flights
        is_open = False

        async def receive_late() -> Message:
            nonlocal is_open
            event = await receive()
            if event["type"] == "lifespan.startup" and not is_open:
                is_open = True
                flights.lifetime.enter()
                flights.is_closing = False  # as tests and reloaders do, it may begin anew
            elif event["type"] == "lifespan.shutdown" and is_open:
                is_open = False
                if flights.lifetime.leave():
                    await flights.close(self.grace)
            return event

        try:
            await self.app(scope, receive_late, send)
        finally:
            if is_open:  # the startup failed, or was given up
                flights.lifetime.leave()

    def _refusal(self, *, closes: bool) -> Refusal:
        headers = ((b"retry-after", b"%d" % self.retry_after),)
        return Refusal(
            status=503,
            code="drain.closing",
            detail="The service is restarting. Please try again shortly.",
            headers=(*headers, (b"connection", b"close")) if closes else headers,
            close_code=1012,
        )
