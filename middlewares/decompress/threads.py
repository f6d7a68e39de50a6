"""The few worker threads in which a layer decodes what would hold up the event loop."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from anyio import CapacityLimiter, to_thread

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("DecodingThreads",)

_MOST_THREADS = 4


class DecodingThreads:
    """The threads of one layer: at most as many as there are processors, and at most four, beside those of others."""

    __slots__ = ("_limiter",)

    def __init__(self) -> None:
        self._limiter: CapacityLimiter | None = None

    async def run(self, step: Callable[[], bytes]) -> bytes:
        """Return ``step()``, called in a thread once one is free."""
        if self._limiter is None:
            self._limiter = CapacityLimiter(min(_MOST_THREADS, os.cpu_count() or 1))
        return await to_thread.run_sync(step, limiter=self._limiter)
