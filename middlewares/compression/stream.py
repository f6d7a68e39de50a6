"""Encode the body of a response chunk by chunk, each flushed before the next is produced."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from anyio import Event, Lock
from anyio.lowlevel import checkpoint

from . import facts
from .breach import padding_for
from .codecs import NoBody
from .offload import LOOP_SECONDS, is_quick

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from middlewares.asgi import Message, Scope, Send
    from middlewares.core.exchange import Coding

    from .codecs import Codec, Encoder
    from .eligibility import Plan

__all__ = ("EncodedStream", "body_of")

_SURELY_QUICK: Final = 512
"""Bytes up to which a codec is asked but once how long it takes."""
_QUICK_SECONDS: Final = 1e-5
"""What encoding those takes, flushed, but at the slowest levels."""
_TURNS: Final = 2
"""How often the time of a chunk counts: it is followed by another, and a timer that is due may wait for both."""
_HASHED: Final = 65_536
"""Bytes of a stream's first chunk that decide on its padding; this is done on the event loop."""


class EncodedStream:
    """The body messages of one response on their way through an encoder, which is made when the first bytes come."""

    __slots__ = (
        "_codec",
        "_delivered",
        "_encoder",
        "_fact",
        "_is_broken",
        "_is_delivering",
        "_is_head",
        "_is_slow",
        "_plan",
        "_scope",
        "_send",
        "_sending",
        "_spent",
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
        """Whose turn it is, while messages have to wait for one another."""
        self._sending = 0
        """How many messages have, or wait for, a turn."""
        self._spent = 0.0
        """Seconds of encoding on the event loop since it was last known to turn."""
        self._is_slow = False
        """Whether even the smallest chunks take long."""
        self._is_delivering = False
        """Whether a message is on its way that no turn was taken for, because nobody else was sending."""
        self._delivered: Event | None = None
        """Who waits for that."""
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
            self._spent += self._seconds(body)
            if is_quick(self._spent) and not self._is_delivering:
                data = encode(body)
                self._is_delivering = True
                if not more:
                    facts.ended(self._scope, self._fact)
                return self._deliver({**message, "body": data})
            self._turn = Lock(fast_acquire=True)
        self._sending += 1
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
        self._is_slow = not is_quick(self._codec.seconds(_SURELY_QUICK))
        padding = padding_for(body[:_HASHED]) if self._plan.pads else 0
        return self._codec.stream(size=self.size, events=self.events, padding=padding)

    def _seconds(self, body: bytes) -> float:
        if self._is_head:
            return 0.0
        is_surely_quick = len(body) <= _SURELY_QUICK and not self._is_slow
        return _TURNS * (_QUICK_SECONDS if is_surely_quick else self._codec.seconds(len(body)))

    async def _deliver(self, message: Message) -> None:
        # What was encoded must arrive in that order, and all of it: each chunk refers to those before.
        try:
            await self._send(message)
        except BaseException as error:
            if not isinstance(error, Exception):  # after those the server will have no more of it anyway
                self._is_broken = True
                self._turn = self._turn or Lock(fast_acquire=True)
            raise
        finally:
            self._is_delivering = False
            if self._delivered is not None:
                self._delivered.set()

    async def _send_in_turn(self, turn: Lock, encode: Callable[[bytes], bytes], message: Message, body: bytes) -> None:
        # While a thread encodes, another task of the application may send: its bytes must not overtake.
        async with turn:
            try:
                if self._is_delivering:
                    self._delivered = Event()
                    await self._delivered.wait()
                data = await self.encode_off_loop(encode, body)
                if not message.get("more_body", False):
                    facts.ended(self._scope, self._fact)
                await self._deliver({**message, "body": data})
            finally:
                self._sending -= 1
                if not self._sending and not self._is_broken:
                    self._turn = None

    async def encode_off_loop(self, encode: Callable[[bytes], bytes], body: bytes) -> bytes:
        """Return ``encode(body)``, made in a worker thread where that would hold up the event loop.

        Many quick ones hold it up just as well: a server that has room for what it is sent takes it without waiting.
        So after each `LOOP_SECONDS` of them all others have their turn.
        """
        if self._is_broken:
            raise RuntimeError("part of this response was lost: its sending was cancelled")
        self._is_broken = True  # if this is cancelled, a thread may go on using the encoder
        seconds = self._seconds(body)
        is_here = is_quick(seconds)
        if is_here and self._spent > LOOP_SECONDS:
            await checkpoint()
        self._spent = seconds if is_here else 0.0
        data = await self._plan.threads.encode(encode, body, seconds)
        self._is_broken = False
        return data


def body_of(message: Message) -> bytes:
    """Return the bytes of a body message, which may hold a ``memoryview``, or nothing."""
    body = message.get("body", b"")
    return body if isinstance(body, bytes) else bytes(body)
