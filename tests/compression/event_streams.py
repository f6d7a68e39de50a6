"""Measure what open event streams cost: ``python -m tests.compression.event_streams CODING [STREAMS] [EVENTS]``.

In a process of its own, since what compressors hold is seen only in the memory of the whole process. Half of the
streams end because the client goes, half because the server cancels them.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import sys
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Self

from middlewares import Brotli, GZip, Zstd
from middlewares.compression.response import CompressedResponse
from middlewares.compression.stream import EncodedStream
from middlewares.testing import http_scope
from tests.compression.answers import body, start
from tests.compression.decoding import seeded

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send

LAYERS: dict[str, Callable[[ASGIApp], ASGIApp]] = {"gzip": GZip, "br": Brotli, "zstd": Zstd}
WORDS = ("the", "of", "and", "chair", "table", "lamp", "is", "oak", "was", "for", "with", "price", "which", "or")


def events(count: int, seed: int) -> list[bytes]:
    """Return events like those in which language models send their words, of some 200 bytes."""
    random = seeded(seed)
    stream = f"{random.getrandbits(96):024x}"
    return [
        (
            f'data: {{"id":"chatcmpl-{stream}","object":"chat.completion.chunk","created":1767225600,'
            '"model":"large-2026-01","choices":[{"index":0,"delta":'
            f'{{"content":" {random.choice(WORDS)}"}},"logprobs":null,"finish_reason":null}}]}}\n\n'
        ).encode()
        for _ in range(count)
    ]


class Streams:
    """Streams that an application keeps open after it has sent some events."""

    def __init__(self, app: ASGIApp, coding: str, count: int, each: int) -> None:
        self._app = app
        self._headers = {"accept-encoding": coding}
        self._count, self._each = count, each
        self._are_all_open, self._are_to_end = asyncio.Event(), asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._still_to_open = count
        self.wire_bytes = self.seconds = 0.0

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._one(number)) for number in range(self._count)]
        begin = perf_counter()
        await self._are_all_open.wait()
        self.seconds = perf_counter() - begin
        return self

    async def __aexit__(self, *exception: object) -> None:
        for task in self._tasks[::2]:
            task.cancel()
        self._are_to_end.set()
        await asyncio.wait(self._tasks)
        self._tasks.clear()

    async def _one(self, number: int) -> None:
        async def receive() -> Message:
            await self._are_to_end.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            self.wire_bytes += len(message.get("body", b""))

        scope = {**http_scope(headers=self._headers), "events": (self._each, number), "opened": self._opened}
        await self._app(scope, receive, send)

    def _opened(self) -> None:
        self._still_to_open -= 1
        if not self._still_to_open:
            self._are_all_open.set()


async def endless(scope: Scope, receive: Receive, send: Send) -> None:
    """Send the events that the scope asks for, and then wait for the client to go."""
    await send(start(content_type="text/event-stream"))
    for event in events(*scope["events"]):
        await send(body(event, more=True))
        await asyncio.sleep(0)
    scope["opened"]()
    await receive()


def resident() -> int:
    """Return the bytes of memory that this process takes, after what is free has been given back."""
    gc.collect()
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def measure(coding: str, count: int, each: int) -> dict[str, float]:
    """Return what the streams cost in bytes: by stream, by event, and what of it is left after their end."""
    layer = LAYERS[coding](endless)
    for warmed in (endless, layer):
        async with Streams(warmed, coding, 10, each):
            pass
    bare, _, _ = await _opened_and_closed(endless, coding, count, each)
    taken, left, streams = await _opened_and_closed(layer, coding, count, each)
    return {
        "stream": (taken - bare) / count,
        "bare": bare / count,
        "left": left / count,
        "event": streams.wire_bytes / count / each,
        "raw": len(b"".join(events(each, 0))) / each,
        "microseconds": streams.seconds / count / each * 1e6,
        "alive": sum(isinstance(found, CompressedResponse | EncodedStream) for found in gc.get_objects()),
    }


async def _opened_and_closed(app: ASGIApp, coding: str, count: int, each: int) -> tuple[int, int, Streams]:
    before = resident()
    async with Streams(app, coding, count, each) as streams:
        taken = resident() - before
    return taken, resident() - before, streams


if __name__ == "__main__":
    coding, *numbers = sys.argv[1:]
    count, each = [*map(int, numbers), *(1000, 100)[len(numbers) :]]
    sys.stdout.write(json.dumps(asyncio.run(measure(coding, count, each))))
