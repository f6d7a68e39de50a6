"""Measure how long other work on the event loop waits, by the gaps between the ticks of a timer.

On a busy machine most of a gap is not the doing of the code that runs here. So what the kernel kept the thread of the
loop waiting for a processor is taken off each; and the bare application, with which all is compared, answers beside a
thread that works without the interpreter, as an encoding thread does: either may lose its processor while the
interpreter is its own.
"""

from __future__ import annotations

import asyncio
import gc
import os
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from threading import Event, Thread
from time import perf_counter
from typing import TYPE_CHECKING

from middlewares.testing import http_scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from middlewares.asgi import ASGIApp, Message

__all__ = ("least_delay",)

_TICK = 0.001
_SHARE = 0.999


async def least_delay(
    bare: ASGIApp, layered: ASGIApp, headers: Mapping[str, str], *, ticks: int, enough: float, attempts: int = 20
) -> float:
    """Return by how many milliseconds the layer raises the p99.9 gap, while one response follows the other.

    Of some attempts the least counts, and there are no more once it is ``enough``: what a layer does to the loop it
    does each time.
    """
    least = float("inf")
    gc.collect()
    gc.freeze()  # what the tests before have left is not to be searched meanwhile
    try:
        for _ in range(attempts):
            with _busy_thread():
                control = await _round(bare, headers, ticks)
            least = min(least, await _round(layered, headers, ticks) - control)
            if least <= enough:
                break
    finally:
        gc.unfreeze()
    return least


async def _round(app: ASGIApp, headers: Mapping[str, str], ticks: int) -> float:
    """Return the p99.9 gap of so many ticks while an application answers; at least one answer is completed."""
    gaps: list[float] = []
    first = asyncio.Event()
    answering = asyncio.create_task(_answer_on_and_on(app, headers, first))
    waited = _WaitedFor()
    try:
        last = perf_counter() - waited.seconds()
        while len(gaps) < ticks or not first.is_set():
            await asyncio.sleep(_TICK)
            now = perf_counter() - waited.seconds()
            gaps.append((now - last) * 1000)
            last = now
    finally:
        waited.close()
        answering.cancel()
        with suppress(asyncio.CancelledError):
            await answering
    gaps.sort()
    return gaps[min(len(gaps) - 1, int(_SHARE * len(gaps)))]


async def _answer_on_and_on(app: ASGIApp, headers: Mapping[str, str], first: asyncio.Event) -> None:
    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        """Take it at once, as a server does whose client is quick."""

    while True:
        await app(http_scope(headers=headers), receive, send)
        first.set()
        await asyncio.sleep(0)


@contextmanager
def _busy_thread() -> Iterator[None]:
    is_over, data = Event(), bytes(1 << 20)

    def work() -> None:
        while not is_over.is_set():
            sha256(data)

    thread = Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


class _WaitedFor:
    """How long this thread has waited for a processor, where Linux tells; elsewhere 0."""

    def __init__(self) -> None:
        path = Path("/proc/thread-self/schedstat")
        self._file = os.open(path, os.O_RDONLY) if path.exists() else None

    def seconds(self) -> float:
        """Return the seconds since the thread began."""
        return 0.0 if self._file is None else int(os.pread(self._file, 100, 0).split()[1]) * 1e-9

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
