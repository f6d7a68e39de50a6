"""Encode on the event loop what is done at once, and all else in a few worker threads.

Codecs let other threads run while they work, so an encoding thread delays the event loop by microseconds; encoding on
the loop delays every other request by all of it. A hop to a thread and back costs some 50 µs. What counts is therefore
how long the codec predicts to take, not the number of bytes.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from anyio import CapacityLimiter, to_thread

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("LOOP_SECONDS", "EncodingThreads", "is_quick")

LOOP_SECONDS: Final = 1.5e-3
"""What one call of a codec may be predicted to take on the event loop, by predictions that are some 40 % too long.

Other requests shall see no delay over 2 ms.
"""

_MOST_THREADS: Final = 4


def is_quick(seconds: float) -> bool:
    """Return whether work that is predicted to take so long may be done on the event loop."""
    return seconds <= LOOP_SECONDS


class EncodingThreads:
    """The worker threads of one layer: at most as many as there are processors, and at most four.

    They start when they are first needed, also anew in a process that was forked, and end with the layer.
    """

    __slots__ = ("_limiter", "_pool", "_process", "limit")

    def __init__(self, threads: int | None = None) -> None:
        self.limit = threads or min(_MOST_THREADS, os.cpu_count() or 1)
        """The most threads that work at the same time."""
        self._pool: ThreadPoolExecutor | None = None
        self._limiter: CapacityLimiter | None = None
        self._process = 0

    async def encode(self, encode: Callable[[bytes], bytes], data: bytes, seconds: float) -> bytes:
        """Return ``encode(data)``, made in a worker thread unless the predicted ``seconds`` are few.

        Calls that exceed the number of threads wait for their turn. When the calling task is cancelled, work that has
        not begun never begins; what has begun ends unheard, in its thread, so its encoder must not be used again.
        Nothing keeps two calls with the same encoder in order: that is the caller's business.
        """
        if seconds <= LOOP_SECONDS:
            return encode(data)
        if _runs_asyncio():
            # asyncio's own cancellation would leave anyio's worker thread behind, no longer counted; here a thread
            # that works on for nobody still takes its place among the few.
            return await asyncio.get_running_loop().run_in_executor(self._executor(), encode, data)
        if self._limiter is None:
            self._limiter = CapacityLimiter(self.limit)
        return await to_thread.run_sync(encode, data, limiter=self._limiter)

    def _executor(self) -> ThreadPoolExecutor:
        if self._pool is None or self._process != os.getpid():
            self._pool = ThreadPoolExecutor(self.limit, thread_name_prefix="middlewares.compression")
            self._process = os.getpid()
        return self._pool


def _runs_asyncio() -> bool:
    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False
