"""The layer: it lets requests in, makes them wait, or refuses them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, ClassVar, Final, Literal

from middlewares.asgi import ASGIApp, Receive, Scope, Send
from middlewares.core.cross_origin import InnerPolicy
from middlewares.core.exchange import EXCHANGE, publish_scope
from middlewares.core.layer import Layer, freeze, is_foreign, is_innermost
from middlewares.core.matching import ask
from middlewares.core.options import check_types
from middlewares.core.paths import HEALTH_PATHS, compile_paths, path_problem, route_path
from middlewares.core.refusals import Refusal, refuse
from middlewares.errors import OptionErrors

from .estimate import Estimate
from .gate import Gate, Load, Permit

__all__ = ("ConcurrencyLimit",)

_FIRST_LIMIT: Final = 20
_PROBLEM: Final = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class ConcurrencyLimit(Layer):
    """Let only so many requests into the application at once; let a few wait for a moment, and refuse the rest.

    An application that takes in more than it can do serves nobody in time. With ``limit="auto"`` the layer finds out
    how much it can do, from how long responses take to begin. Who is refused gets 503 at once, with ``Retry-After``.

    Waiting requests are served in order while the line is short and soon empty again. Under load the newest goes
    first, since the oldest would be too late in any case. One whose client leaves gives up its place.

    Order: inside rate limits and metrics, outside whatever does the work.
    Standard: RFC 9110, 15.6.4 (503) and 10.2.3 (``Retry-After``); draft-ietf-httpapi-ratelimit-headers-10 (the problem
    type ``temporary-reduced-capacity``).
    """

    publishes_scope: ClassVar[bool] = True

    app: ASGIApp = field(kw_only=False)
    limit: int | Literal["auto"] = "auto"
    """How many requests may be in the application at once; ``"auto"``: found by the layer."""
    min_limit: int = 1
    """The lowest limit that ``"auto"`` may find."""
    max_limit: int = 1000
    """The highest limit that ``"auto"`` may find."""
    max_queue: int = 100
    """How many requests may wait; 0: none."""
    max_wait: float | Literal["auto"] = "auto"
    """Seconds for which one may wait; ``"auto"``: twice as long as a response takes to begin without load."""
    hold: Literal["first_byte", "end"] = "first_byte"
    """Until when a request counts: until its response begins, or until it ends. Event streams and WebSockets count
    until they begin in any case."""
    priority: Callable[..., Any] | None = None
    """A function, sync or async, that is given the ``HTTPConnection`` of a request that has to wait, and returns an
    integer: the higher, the sooner it is let in, and the later refused."""
    exempt_paths: Collection[str] = HEALTH_PATHS
    """Path patterns of requests that are not counted, nor ever refused."""
    retry_after: int = 1
    """Seconds after which a refused client is asked to come back."""
    clock: Callable[[], float] = field(default=perf_counter, repr=False)
    """What tells the time, in seconds."""
    _gate: Gate = field(init=False, repr=False)
    _is_exempt: Callable[[str], object] = field(init=False, repr=False)
    _inner: InnerPolicy = field(init=False, repr=False)
    _innermost: bool = field(init=False, repr=False)
    _refusals: tuple[Refusal, Refusal] = field(init=False, repr=False)

    kept: ClassVar = ("_gate",)

    def __post_init__(self) -> None:
        problems = OptionErrors(self)
        check_types(problems, self)
        problems.raise_if_any()
        self._check(problems)
        problems.raise_if_any()
        auto = self.limit == "auto"
        first = _FIRST_LIMIT if isinstance(self.limit, str) else self.limit
        if auto:
            first = min(max(first, self.min_limit), self.max_limit)
        estimate = Estimate(first, self.min_limit, self.max_limit, is_adaptive=auto)
        max_wait = None if isinstance(self.max_wait, str) else float(self.max_wait)
        freeze(
            self,
            _gate=Gate(estimate, self.max_queue, max_wait, self.clock, holds_on=self.hold == "end"),
            _is_exempt=compile_paths(self.exempt_paths),
            _inner=InnerPolicy(self.app),
            _innermost=is_innermost(self.app),
            _refusals=tuple(self._refusal(code) for code in ("full", "wait")),
        )

    @property
    def load(self) -> Load:
        """The limit as it is now, how many requests are in the application, and how many wait."""
        gate = self._gate
        return Load(gate.estimate.limit, gate.in_flight, gate.line.count)

    def hands_on_send(self) -> bool:
        """Return whether an exempt request is handed on to an application that is not ours."""
        return is_foreign(self.app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        if self._innermost and EXCHANGE in scope:
            publish_scope(scope)
        if self._is_exempt(route_path(scope) if scope.get("root_path") else scope["path"]):
            return await self.app(scope, receive, send)
        gate = self._gate
        # What `Gate.enter` does, without the call: most requests go this way.
        if gate.in_flight < gate.estimate.limit and not gate.line.count:
            gate.in_flight += 1
        else:
            if await self._inner.answer(scope, receive, send):
                return
            admitted = await self._wait(scope, receive, send)
            if admitted is None:
                return
            receive = admitted
        permit = Permit(gate, send)
        try:
            await self.app(scope, receive, permit.send)
        finally:
            if permit.is_held:
                permit.close()

    async def _wait(self, scope: Scope, receive: Receive, send: Send) -> Receive | None:
        """Return what the application receives by, once a permit is held; ``None`` if all has been said and done."""
        gate = self._gate
        priority = 0 if self.priority is None else int(await ask(self.priority, scope))
        if gate.enter():
            return receive
        waiter = gate.join(priority, receive)
        if waiter is None:
            await refuse(scope, receive, send, self._refusals[0], inner=self._inner)
            return None
        try:
            await waiter.wait(gate.max_wait)
        except BaseException:
            gate.give_up(waiter)
            raise
        if waiter.is_gone:
            gate.give_up(waiter)
            return None
        if waiter.is_admitted:
            return waiter.receive
        gate.give_up(waiter)
        await refuse(scope, waiter.receive, send, self._refusals[not waiter.is_refused], inner=self._inner)
        return None

    def _refusal(self, code: str) -> Refusal:
        return Refusal(
            status=503,
            code=f"concurrency_limit.{code}",
            detail="The service is busy. Please try again shortly.",
            type=_PROBLEM,
            headers=((b"retry-after", b"%d" % self.retry_after),),
            close_code=1013,
        )

    def _check(self, problems: OptionErrors) -> None:
        limit, wait = self.limit, self.max_wait
        problems.check(isinstance(limit, str) or limit >= 1, "limit", 'must be at least 1, or "auto"', limit)
        problems.check(self.min_limit >= 1, "min_limit", "must be at least 1", self.min_limit)
        problems.check(self.max_limit >= self.min_limit, "max_limit", "must be at least min_limit", self.max_limit)
        problems.check(self.max_queue >= 0, "max_queue", "must not be negative", self.max_queue)
        in_range = isinstance(wait, str) or 0 < wait < float("inf")
        problems.check(in_range, "max_wait", 'must be a positive number of seconds, or "auto"', wait)
        problems.check(self.retry_after >= 1, "retry_after", "must be at least 1", self.retry_after)
        for pattern in self.exempt_paths:
            wrong = path_problem(pattern)
            problems.check(wrong is None, "exempt_paths", wrong or "", pattern)
