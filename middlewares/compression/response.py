"""One response on its way through a compressing layer, as a small state machine.

::

    start ──▶ held ──first body message──▶ encoding ──last body message──▶ passing
                └──too small, not smaller, no body──▶ passing

Only a start is ever kept back, and only until the first body message tells whether the whole body is in hand. That
of an event stream is not, because its first event may be long in coming. While a start that was kept back is on its
way, what other tasks of the application send waits: nothing may overtake it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from anyio import Event

from middlewares.asgi import mark_coroutine_function
from middlewares.core.exchange import EXCHANGE, Coding
from middlewares.core.headers import find
from middlewares.core.memo import Memo

from .codecs import NoBody
from .eligibility import described_anew, encoded, forbids_transformation, judge, weakened
from .stream import EncodedStream, body_of, encode_off_loop

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from middlewares.asgi import Message, Scope, Send
    from middlewares.core.exchange import Exchange

    from .eligibility import Plan

__all__ = ("CompressedResponse",)

_IS_EVENT_STREAM: Final = Memo(lambda content_type: content_type.lower().startswith(b"text/event-stream"))


class CompressedResponse:
    """A response on its way to a client that takes the coding."""

    __slots__ = ("_is_encoded", "_plan", "_scope", "_send", "_stream", "_waiting", "held")

    def __init__(self, plan: Plan, scope: Scope, send: Send) -> None:
        self._plan = plan
        self._scope = scope
        self._send = send
        self._stream: EncodedStream | None = None
        self._is_encoded = False
        self._waiting: list[Event] | None = None
        """Who waits for the start, while one that was kept back is on its way."""
        self.held: Message | None = None
        """The start, while it is kept back."""

    @mark_coroutine_function
    def send(self, message: Message) -> Awaitable[None]:
        """Take a message of the application."""
        kind = message["type"]
        if self.held is not None:
            if kind == "http.response.body":
                return self._first_body(self.held, message)
            # Something else comes before any body, such as a file sent by path: it goes out as it is, in its turn.
            return self._unchanged(self.held, message, "not a body")
        if self._waiting is not None:
            return self._send_after_start(self._waiting, message)
        if kind == "http.response.start":
            headers = [*message.get("headers", ())]
            verdict = judge(message["status"], headers, self._plan)
            message = {**message}
            message["headers"] = headers
            if verdict == "compress":
                return self._begin(message)
            if verdict == "revalidate":
                message["headers"] = weakened(headers)
        elif self._stream is not None and kind == "http.response.body":
            return self._stream.send(message)
        elif self._is_encoded and kind == "http.response.trailers":
            message = {**message, "headers": described_anew(message.get("headers", ()))}
        return self._send(message)

    async def release(self, start: Message) -> None:
        """Let go of the start that is held, which no body followed: what comes of it is the server's business."""
        self.held = None
        await self._send(start)

    def _begin(self, start: Message) -> Awaitable[None]:
        if forbids_transformation(self._scope["headers"]):
            return self._send(start)
        if _is_event_stream(start):
            self._stream = self._new_stream()
            return self._send(self._encoded(start, None))
        self.held = start
        return _held()

    def _first_body(self, start: Message, message: Message) -> Awaitable[None]:
        body, more = body_of(message), message.get("more_body", False)
        is_whole = not more
        if is_whole and not body and self._is_head:
            # The fields are those of a GET but for the length, which only encoding the body would tell (9.3.2).
            # Where the application says nothing of a body, there may be none.
            if find(start["headers"], b"content-length") is None:
                return self._unchanged(start, message, "no body")
            is_whole = False
        elif is_whole and len(body) < self._plan.minimum_size:
            return self._unchanged(start, message, "small")
        self.held = None
        if is_whole:
            return self._whole(start, message, body)
        self._stream = self._new_stream()
        return self._both(self._encoded(start, None), message, self._stream.send)

    async def _whole(self, start: Message, message: Message, body: bytes) -> None:
        data = await encode_off_loop(self._plan.codec.whole, body)
        if len(data) >= len(body):
            return await self._unchanged(start, message, "not smaller")
        # Trailers need a body that ends by its framing, not by a length (RFC 9112, 7.1.2); where the application
        # names a framing itself, there must be no length (6.2).
        is_framed = start.get("trailers") or find(start["headers"], b"transfer-encoding") is not None
        start = self._encoded(start, None if is_framed else len(data))
        await self._both(start, {**message, "body": b"" if self._is_head else data})

    @property
    def _is_head(self) -> bool:
        return bool(self._scope["method"] == "HEAD")

    def _new_stream(self) -> EncodedStream:
        return EncodedStream(NoBody() if self._is_head else self._plan.codec.stream(), self._send)

    def _unchanged(self, start: Message, message: Message, reason: str) -> Awaitable[None]:
        self.held = None
        self._record(None, reason)
        return self._both(start, message)

    async def _both(self, start: Message, message: Message, send: Send | None = None) -> None:
        waiting: list[Event] = []
        self._waiting = waiting
        try:
            await self._send(start)
        finally:
            self._waiting = None
            for turn in waiting:
                turn.set()
        # Those who waited run when this task waits: by then the first body message has been handed on.
        await (send or self._send)(message)

    async def _send_after_start(self, waiting: list[Event], message: Message) -> None:
        turn = Event()
        waiting.append(turn)
        await turn.wait()
        await self.send(message)

    def _encoded(self, start: Message, length: int | None) -> Message:
        self._is_encoded = True
        self._record(self._plan.codec.name)
        return {**start, "headers": encoded(start["headers"], self._plan.codec.name, length)}

    def _record(self, coding: bytes | None, reason: str | None = None) -> None:
        exchange: Exchange | None = self._scope.get(EXCHANGE)
        if exchange is not None:
            exchange.codings.append(Coding(coding, reason))


async def _held() -> None:
    """Stand for the sending of a message that is kept back."""


def _is_event_stream(start: Message) -> bool:
    """Return whether events will follow one by one; what has a length is a recording, perhaps sent by its path."""
    content_type = find(start["headers"], b"content-type")
    return (
        content_type is not None
        and _IS_EVENT_STREAM[content_type]
        and find(start["headers"], b"content-length") is None
    )
