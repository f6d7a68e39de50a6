"""Encode the body of a response chunk by chunk, each flushed before the next is produced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from anyio import Lock
from anyio.lowlevel import checkpoint_if_cancelled
from starlette.concurrency import run_in_threadpool

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from middlewares.asgi import Message, Send

    from .codecs import Encoder

__all__ = ("EncodedStream", "body_of", "encode_off_loop")

_THREAD_SIZE: Final = 128 * 1024
"""Bytes from which a body message is encoded in a worker thread: some 2 ms of gzip, against 50 µs for the hop."""


class EncodedStream:
    """The body messages of one response on their way through an encoder."""

    __slots__ = ("_encoder", "_is_finished", "_send", "_turn")

    def __init__(self, encoder: Encoder, send: Send) -> None:
        self._encoder = encoder
        self._send = send
        self._turn: Lock | None = None
        self._is_finished = False

    def send(self, message: Message) -> Awaitable[None]:
        """Take a body message of the application."""
        body, more = body_of(message), message.get("more_body", False)
        if self._is_finished or (more and not body):
            return self._send(message)
        self._is_finished = not more
        encode = self._encoder.chunk if more else self._encoder.finish
        if self._turn is None:
            if len(body) < _THREAD_SIZE:
                return self._send({**message, "body": encode(body)})
            self._turn = Lock()
        return self._send_in_turn(self._turn, encode, message, body)

    async def _send_in_turn(self, turn: Lock, encode: Callable[[bytes], bytes], message: Message, body: bytes) -> None:
        # While a thread encodes, another task of the application may send: its bytes must not overtake.
        async with turn:
            await self._send({**message, "body": await encode_off_loop(encode, body)})


async def encode_off_loop(encode: Callable[[bytes], bytes], body: bytes) -> bytes:
    """Return ``encode(body)``, made in a worker thread where that would hold up the event loop."""
    if len(body) < _THREAD_SIZE:
        return encode(body)
    data = await run_in_threadpool(encode, body)
    # A call in a cancelled scope of anyio waits for its thread, whose result is wanted no more. asyncio's own
    # cancellation does not wait: zlib keeps other threads from the encoder then, and the bytes are lost all the same.
    await checkpoint_if_cancelled()
    return data


def body_of(message: Message) -> bytes:
    """Return the bytes of a body message, which may hold a ``memoryview``, or nothing."""
    body = message.get("body", b"")
    return body if isinstance(body, bytes) else bytes(body)
