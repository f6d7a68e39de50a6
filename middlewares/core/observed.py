"""One request or WebSocket as those who watch it see it: times, status, bytes, and how it ended.

A call is watched by one or several observers (see `observer`) through one pair of channels, so that what a metric, a
span and a line of a log say of a request is the same.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, Literal

from .routes import route_template

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send

    from .exchange import Exchange
    from .headers import HeaderList, Headers
    from .observer import Observer, Plan

__all__ = ("ObservedCall", "Outcome", "error_name", "means_absence")

Outcome = Literal["completed", "raised", "cancelled", "disconnected", "unanswered", "truncated"]
"""How a call ended: the response was complete (or the WebSocket closed); the application raised; it was cancelled; the
client was gone; it returned without an answer; it returned before its response was complete."""

_ERROR_TYPES: Final[dict[str, str]] = {
    "cancelled": "cancelled",
    "disconnected": "client_disconnected",
    "unanswered": "no_response",
    "truncated": "incomplete_response",
}
_SIGNS_OF_ABSENCE: Final = frozenset({"ClientDisconnect", "ClientDisconnected", "WebSocketDisconnect"})
"""Names of what servers and frameworks raise when the client is gone."""
_BODILESS: Final = frozenset({204, 304})  # RFC 9110, 6.4.1
_FAILURE: Final = 500


class ObservedCall:
    """What is known of a call so far; times are of the clock of its plan, in seconds.

    It has no ``__init__``, which would cost as much as all the rest of it: `observed_channels` makes them.
    """

    __slots__ = (
        "_is_route_final",
        "_route",
        "asked_headers",
        "began",
        "ended",
        "error",
        "exchange",
        "first_byte",
        "has_trailers",
        "inner",
        "is_complete",
        "is_disconnected",
        "is_fine",
        "observer",
        "plan",
        "receive",
        "received",
        "response_headers",
        "scope",
        "send",
        "sent",
        "states",
        "status",
        "target",
    )

    # What only a WebSocket has: a request, which has no room for it, says so with its class.
    close_code: int | None
    """The code with which a WebSocket was closed, by whichever side was first."""
    messages_received: int
    messages_sent: int

    plan: Plan
    scope: Scope
    """The scope that the outermost observer was handed."""
    inner: Scope
    """The scope that is handed on. It may be of another layer: `hand_on` changes it."""
    asked_headers: HeaderList
    """Those headers of the request whose names are as long as a name that observers ask for (`header_lengths`)."""
    exchange: Exchange
    receive: Receive
    send: Send
    target: ASGIApp
    """What the call is handed to; an observer may put an application of its own there when the call begins."""
    observer: Observer
    """The outermost of those who watch."""
    states: list[Any]
    """What observers made of it when it began, the outermost first."""
    status: int | None
    """The status that was sent: 101 for a WebSocket that was accepted; ``None`` as long as nothing was, and for a
    500 that was made of an exception once the client had left."""
    response_headers: Headers
    """The headers that the response began with, before observers changed them; to be read more than once."""
    began: float
    """When the call began."""
    first_byte: float | None
    """When the response began."""
    ended: float | None
    """When the last byte had been sent, or the call ended without one."""
    error: BaseException | None
    """What the application raised; also what a framework outside of it made a response with 500 of."""
    sent: int
    """Bytes of body, or of WebSocket messages, that left before the end."""
    received: int
    """The same of those that came and were asked for."""
    has_trailers: bool
    is_disconnected: bool
    """Whether the client left before the end."""
    is_complete: bool
    """Whether the response was sent to its end, or the WebSocket was closed."""
    is_fine: bool
    """Whether a whole response was sent and nothing failed on this side: so it is with nearly all calls. Known once
    the call has ended."""
    _route: str | None
    _is_route_final: bool

    # What observers ask.

    @property
    def observers(self) -> tuple[Observer, ...]:
        """All who watch, the outermost first."""
        return (self.observer, *self.plan.inner)

    @property
    def is_websocket(self) -> bool:
        """Whether this is a WebSocket."""
        return bool(self.scope["type"] == "websocket")

    @property
    def duration(self) -> float:
        """Seconds from the beginning to the last byte, or until now."""
        return (self.plan.clock() if self.ended is None else self.ended) - self.began

    @property
    def outcome(self) -> Outcome:
        """How the call ended."""
        error = self.error
        if self.is_complete and (error is None or not self.is_disconnected):
            return "completed"
        if self.is_disconnected or means_absence(error):
            return "disconnected"
        if error is None:
            return "unanswered" if self.status is None else "truncated"
        return "raised" if isinstance(error, Exception) else "cancelled"

    @property
    def final_status(self) -> int | None:
        """The status that was sent; 500 if the application failed to send one; ``None`` if none will be."""
        if self.status is None and self.outcome in ("raised", "unanswered"):
            return _FAILURE  # what frameworks and servers make of it, outside of here
        return self.status

    @property
    def error_type(self) -> str | None:
        """The low-cardinality name of what went wrong: a class, a status from 500, or how the call ended.

        Standard: OpenTelemetry semantic conventions, ``error.type``.
        """
        outcome = self.outcome
        if outcome != "completed" and outcome != "raised":
            return _ERROR_TYPES[outcome]
        if self.error is not None:
            return error_name(self.error)
        status = self.status
        return str(status) if isinstance(status, int) and status >= _FAILURE else None

    @property
    def route(self) -> str | None:
        """The template of the route that the request matched, if that is known by now."""
        route = self._route
        if route is None and not self._is_route_final:
            self._route = route = route_template(self.inner, self.exchange)
            self._is_route_final = self.ended is not None
        return route

    @property
    def response_size(self) -> int:
        """Bytes of body that the client was sent: none where a response has no body, whatever the application says."""
        bodiless = self.status in _BODILESS or self.scope.get("method") == "HEAD"
        return 0 if bodiless else self.sent

    async def receive_observed(self) -> Message:
        """Receive for the application, and count."""
        raise NotImplementedError

    def send_observed(self, message: Message) -> Awaitable[None]:
        """Send for the application, and watch."""
        raise NotImplementedError

    def hand_on(self, key: str, value: Any) -> None:
        """Hand the application a scope with another value, while the call begins."""
        if self.inner is self.scope:
            self.inner = {**self.inner, key: value}
        else:  # it was made for this call, and nobody has it yet
            self.inner[key] = value

    # How it goes on.

    def begin_response(self, message: Message, status: int | None = None) -> Message:
        """Note how a response begins; return the message as observers want it to."""
        if self.first_byte is not None:
            return message  # it has begun: a server refuses another start
        headers = message.get("headers", ())
        if type(headers) is not list and not isinstance(headers, (list, tuple)):
            headers = [*headers]
            message = {**message, "headers": headers}
        self.response_headers = headers
        plan = self.plan
        self.first_byte = plan.clock()
        self.status = status = message["status"] if status is None else status
        if "trailers" in message:
            self.has_trailers = bool(message["trailers"])
        if isinstance(status, int) and status >= _FAILURE:
            self.error = error = _raised(status) or self.exchange.error
            if error is not None and (self.is_disconnected or means_absence(error)):
                self.is_disconnected, self.status = True, None  # nobody is there for what is made of it
        return plan.start(self, message) if plan.is_started else message

    async def send_last(self, message: Message) -> None:
        """Send what ends a response, and finish."""
        try:
            await self.send(message)
        except OSError:  # ASGI HTTP & WebSocket, 2.4: the client has gone
            self.is_disconnected = True
            raise
        if self.ended is None:
            self.is_complete = True
            self.finish()

    def finish(self) -> None:
        """Tell observers that all is known, the innermost first. To be called once."""
        plan, status = self.plan, self.status
        self.ended = plan.clock()
        self.is_fine = self.is_complete and self.error is None and isinstance(status, int) and 100 <= status < _FAILURE
        plan.finish(self)


def error_name(error: BaseException) -> str:
    """Return the name of the class of an exception, with its module unless that is built in."""
    cls = type(error)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def means_absence(error: BaseException | None) -> bool:
    """Return whether an exception says that the client is gone, as servers and frameworks do."""
    return type(error).__name__ in _SIGNS_OF_ABSENCE


def _raised(status: int) -> BaseException | None:
    """Return the exception of which a framework makes a response, while it does so.

    One that says itself what status it stands for is a way to answer.
    """
    error = sys.exception()
    return None if getattr(error, "status_code", None) == status else error
