"""Measure how long other work on the event loop waits, by the gaps between the ticks of a timer.

What the kernel kept the thread of the loop waiting for a processor, while others had it, is taken off each gap: it says
nothing about the code that runs here, and on a busy machine it is most of a gap.
"""

from __future__ import annotations

import asyncio
import gc
import os
from contextlib import suppress
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from middlewares.testing import http_scope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from middlewares.asgi import ASGIApp, Message

__all__ = ("compare",)

_TICK = 0.001
_SHARE = 0.999


async def compare(
    bare: ASGIApp, layered: ASGIApp, headers: Mapping[str, str], *, rounds: int, ticks: int
) -> tuple[float, float]:
    """Return the p99.9 gap in milliseconds while each application answers again and again: the median over rounds.

    The rounds of both alternate, so that what else the machine does befalls both.
    """
    found: tuple[list[float], list[float]] = ([], [])
    gc.collect()
    gc.freeze()  # what the tests before have left is not to be searched meanwhile
    try:
        for _ in range(rounds):
            for app, each in zip((bare, layered), found, strict=True):
                gaps = sorted(await _round(app, headers, ticks))
                each.append(gaps[min(len(gaps) - 1, int(_SHARE * len(gaps)))])
    finally:
        gc.unfreeze()
    return median(found[0]), median(found[1])


async def _round(app: ASGIApp, headers: Mapping[str, str], ticks: int) -> list[float]:
    """Return the gaps between so many ticks while an application answers; at least one answer is completed."""
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
    return gaps


async def _answer_on_and_on(app: ASGIApp, headers: Mapping[str, str], first: asyncio.Event) -> None:
    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        """Take it at once, as a server does whose client is quick."""

    while True:
        await app(http_scope(headers=headers), receive, send)
        first.set()
        await asyncio.sleep(0)


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
