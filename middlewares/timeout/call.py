"""One call that is timed: it watches what the application sends, and cancels it when the time is up.

::

    waiting ──start──▶ started ──last part──▶ settled
       └──time is up──────┴──▶ expired: the application is cancelled, and whatever it still sends is refused
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio

from middlewares.asgi import mark_coroutine_function
from middlewares.core.headers import find, with_lasting_headers

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send

    from .watch import Watch

__all__ = ("Limits", "ResponseTimeout", "ScopedCall", "TimedCall", "new_call")

_STARTS: Final = frozenset(
    {"http.response.start", "websocket.accept", "websocket.close", "websocket.http.response.start"}
)
_PARTS: Final = frozenset(
    {"http.response.body", "http.response.zerocopysend", "websocket.http.response.body", "http.response.pathsend"}
)


class ResponseTimeout(TimeoutError):
    """The time for a response is up: sent messages are refused with it, and a response that has begun ends with it.

    It is an `OSError`, as is what sending to a client that has left raises (ASGI HTTP & WebSocket, 2.4).
    """


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that a call may take; 0 is no limit."""

    first_byte: float
    total: float
    idle: float
    spares_event_streams: bool
    """Whether ``total`` does not hold for event streams."""


class TimedCall:
    """One call, in a task of an asyncio loop.

    Cancellation follows `asyncio.timeout`: one that came from outside at the same time wins.
    """

    __slots__ = (
        "_cancelling",
        "_end",
        "_limits",
        "_send",
        "_task",
        "_watch",
        "deadline",
        "expired",
        "is_connected",
        "is_settled",
        "is_started",
        "loop",
        "receive",
        "span",
    )

    def __init__(self, limits: Limits, send: Send, receive: Receive, watch: Watch) -> None:
        self._limits = limits
        self._send = send
        self._watch = watch
        self._end: float | None = None  # when the whole call must be over
        self.loop: asyncio.AbstractEventLoop
        self.receive = receive
        self.deadline: float | None = None
        self.span = 0
        self.expired: str | None = None
        """Which limit was passed: ``first_byte``, ``total`` or ``idle``."""
        self.is_started = False
        self.is_settled = False
        """Whether nothing more of it is limited."""
        self.is_connected = False
        """Whether the application has taken the ``websocket.connect``."""

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive) -> None:
        """Run the application; returns after it was cancelled for its time, as it does when it has ended itself."""
        loop = self.loop
        self._task = task = asyncio.current_task(loop)
        assert task is not None  # noqa: S101 - coroutines of asyncio run in tasks
        self._cancelling = task.cancelling()
        limits = self._limits
        if limits.first_byte and not limits.total:
            # What `_begin` does, without the calls: most requests go this way.
            self._watch.enter(self, loop.time() + limits.first_byte, loop)
        else:
            self._begin(loop.time())
        try:
            await app(scope, receive, self.send)
        except asyncio.CancelledError:
            if not self._is_own_cancellation():
                raise
        except ResponseTimeout:
            if not self._is_own_cancellation():
                raise
        except BaseException:
            self._is_own_cancellation()
            raise
        else:
            if self.expired is not None and not self._is_own_cancellation():
                raise asyncio.CancelledError  # from outside, and swallowed together with ours
        finally:
            if self.deadline is not None:
                self._watch.leave(self)

    @mark_coroutine_function
    def send(self, message: Message) -> Awaitable[None]:
        """Hand on a message of the application, and see which limit holds from now on."""
        if self.expired is not None:
            raise ResponseTimeout(f"Timeout: the time for the response is up ({self.expired})")
        if not self.is_settled:
            if self._end is not None:
                message = with_lasting_headers(message)
            self._note(message)
        return self._send(message)

    async def receive_noted(self) -> Message:
        """Return the next event of a WebSocket, noting the first."""
        event = await self.receive()
        self.is_connected = True
        return event

    async def receive_connect(self) -> Message:
        """Return the event that a handshake begins with, also if the application has taken it already."""
        return {"type": "websocket.connect"} if self.is_connected else await self.receive()

    def ring(self) -> None:
        """Expire: the deadline has passed."""
        self._expire()
        assert self._task is not None  # noqa: S101 - it runs
        self._task.cancel()

    def _note(self, message: Message) -> None:
        kind = message["type"]
        if not self.is_started:
            if kind in _STARTS:
                self.is_started = True
                self._after_start(message, kind)
        elif kind in _PARTS or kind == "websocket.close":
            if message.get("more_body", False):
                self._stay()
            else:
                # What the application does after its response keeps nobody waiting.
                self._settle()
        elif kind == "websocket.send":
            self._stay()

    def _after_start(self, message: Message, kind: str) -> None:
        limits = self._limits
        if self._end is not None and limits.spares_event_streams and kind == "http.response.start":
            # WHATWG HTML, 9.2: an event stream is meant to stay open; it may still not fall silent.
            media_type = find(message.get("headers", ()), b"content-type") or b""
            if media_type[:17].lower() == b"text/event-stream":
                self._end = None
        if kind == "websocket.close" or (self._end is None and not limits.idle):
            self._settle()
        else:
            self._move(self._now() + limits.idle if limits.idle else None)

    def _settle(self) -> None:
        self.is_settled = True
        self._end = None
        if self.deadline is not None:
            self._watch.leave(self)

    def _stay(self) -> None:
        if self._limits.idle:
            self._move(self._now() + self._limits.idle)

    def _begin(self, now: float) -> None:
        limits = self._limits
        if limits.total:
            self._end = now + limits.total
        self._move(now + limits.first_byte if limits.first_byte else None)

    def _move(self, deadline: float | None) -> None:
        """Set the time at which the call expires, but not past the end of the whole."""
        if deadline is None or (self._end is not None and self._end < deadline):
            deadline = self._end
        was = self.deadline
        if deadline is None:
            if was is not None:
                self._watch.leave(self)
        elif was is None:
            self._watch.enter(self, deadline, self.loop)
        elif deadline < was:
            self._watch.leave(self)
            self._watch.enter(self, deadline, self.loop)
        else:
            self.deadline = deadline  # the watch finds that out when the earlier one has come

    def _expire(self) -> None:
        if self.expired is not None:
            return
        if self.deadline == self._end:
            self.expired = "total"
        else:
            self.expired = "idle" if self.is_started else "first_byte"
        self.deadline = None

    def _is_own_cancellation(self) -> bool:
        """Take back the cancellation of an expired call; return whether nobody else asked for one."""
        if self.expired is None or self._task is None:
            return False
        return self._task.uncancel() <= self._cancelling

    def _now(self) -> float:
        return self.loop.time()


class ScopedCall(TimedCall):
    """One call on another event loop than that of asyncio: the deadline is that of a cancel scope of anyio."""

    __slots__ = ("_block",)

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive) -> None:
        with anyio.CancelScope() as block:
            self._block = block
            self._begin(anyio.current_time())
            try:
                await app(scope, receive, self.send)
            except ResponseTimeout:
                if self.expired is None:
                    raise
            finally:
                if block.cancel_called:
                    self._expire()

    @mark_coroutine_function
    def send(self, message: Message) -> Awaitable[None]:
        if self._block.cancel_called:
            self._expire()
        return super().send(message)

    def _move(self, deadline: float | None) -> None:
        if deadline is None or (self._end is not None and self._end < deadline):
            deadline = self._end
        self.deadline = deadline
        self._block.deadline = float("inf") if deadline is None else deadline

    def _settle(self) -> None:
        self.is_settled = True
        self._end = None
        self._move(None)

    def _now(self) -> float:
        return anyio.current_time()


def new_call(limits: Limits, send: Send, receive: Receive, watch: Watch) -> TimedCall:
    """Return a timed call for the event loop that is running."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return ScopedCall(limits, send, receive, watch)
    call = TimedCall(limits, send, receive, watch if watch.loop is loop else watch.of(loop))
    call.loop = loop
    return call
