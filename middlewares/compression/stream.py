"""Encode the body of a response chunk by chunk, each flushed before the next is produced."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from anyio import Lock

from . import facts
from .breach import padding_for
from .codecs import NoBody
from .offload import is_quick

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from middlewares.asgi import Message, Scope, Send
    from middlewares.core.exchange import Coding

    from .codecs import Codec, Encoder
    from .eligibility import Plan

__all__ = ("EncodedStream", "body_of")

_SURELY_QUICK: Final = 512
"""Bytes up to which no codec need be asked how long it takes."""
_HASHED: Final = 65_536
"""Bytes of a stream's first chunk that decide on its padding; this is done on the event loop."""


class EncodedStream:
    """The body messages of one response on their way through an encoder, which is made when the first bytes come."""

    __slots__ = (
        "_codec",
        "_encoder",
        "_fact",
        "_is_broken",
        "_is_head",
        "_plan",
        "_scope",
        "_send",
        "_taken",
        "_turn",
        "events",
        "is_finished",
        "size",
    )

    def __init__(self, plan: Plan, codec: Codec, scope: Scope, send: Send) -> None:
        self._plan = plan
        self._codec = codec
        self._scope = scope
        self._send = send
        self._is_head = scope["method"] == "HEAD"
        self._encoder: Encoder | None = None
        self._fact: Coding | None = facts.begun(scope, codec.name)
        self._turn: Lock | None = None
        self._taken = 0
        self._is_broken = False
        self.is_finished = False
        """Whether all of the body was taken: what comes now is not encoded."""
        self.size: int | None = None
        """How many bytes are to come, if that is known."""
        self.events = False
        """Whether these are records that come one by one, perhaps for hours."""

    def send(self, message: Message) -> Awaitable[None]:
        """Take a body message of the application."""
        body, more = body_of(message), message.get("more_body", False)
        if self.is_finished or (more and not body):
            return self._send(message)
        encode = self.encoding(body, flush=self.events or self._plan.flushes_all, finish=not more)
        if self._turn is None:
            seconds = self._seconds(body)
            if is_quick(seconds):
                data = encode(body)
                if not more:
                    facts.ended(self._scope, self._fact)
                return self._send({**message, "body": data})
            self._turn = Lock()
        return self._send_in_turn(self._turn, encode, message, body)

    def encoding(self, body: bytes, *, flush: bool, finish: bool) -> Callable[[bytes], bytes]:
        """Return what encodes the next bytes; ``body`` holds them, and decides on padding if it is the first.

        Raises `RuntimeError` instead of making an end where less has come than was announced: the body would look
        whole, and the server cannot tell any more.
        """
        self._taken += len(body)
        if finish and self.size is not None and self._taken < self.size and not self._is_head:
            raise RuntimeError(f"a body of {self.size} bytes was announced, and ended after {self._taken}")
        encoder = self._encoder
        if encoder is None:
            encoder = self._encoder = self._begin(body)
        if finish:
            self.is_finished, self._encoder = True, None  # whose memory background work need not keep
        encode = encoder.finish if finish else encoder.chunk if flush else encoder.write
        return encode if self._fact is None else partial(facts.timed, encode, fact=self._fact)

    def _begin(self, body: bytes) -> Encoder:
        if self._is_head:
            return NoBody()
        padding = padding_for(body[:_HASHED]) if self._plan.pads else 0
        return self._codec.stream(size=self.size, events=self.events, padding=padding)

    def _seconds(self, body: bytes) -> float:
        return 0.0 if len(body) <= _SURELY_QUICK or self._is_head else self._codec.seconds(len(body))

    async def _send_in_turn(self, turn: Lock, encode: Callable[[bytes], bytes], message: Message, body: bytes) -> None:
        # While a thread encodes, another task of the application may send: its bytes must not overtake.
        async with turn:
            data = await self.encode_off_loop(encode, body)
            if not message.get("more_body", False):
                facts.ended(self._scope, self._fact)
            await self._send({**message, "body": data})

    async def encode_off_loop(
        self, encode: Callable[[bytes], bytes], body: bytes, seconds: float | None = None
    ) -> bytes:
        """Return ``encode(body)``, made in a worker thread where that would hold up the event loop."""
        if self._is_broken:
            raise RuntimeError("part of this response was lost: its sending was cancelled while it was being encoded")
        self._is_broken = True  # if this is cancelled, a thread may go on using the encoder
        data = await self._plan.threads.encode(encode, body, self._seconds(body))
        self._is_broken = False
        return data


def body_of(message: Message) -> bytes:
    """Return the bytes of a body message, which may hold a ``memoryview``, or nothing."""
    body = message.get("body", b"")
    return body if isinstance(body, bytes) else bytes(body)
