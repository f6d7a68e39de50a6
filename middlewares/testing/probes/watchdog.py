"""Interrupt an application that blocks the event loop: no deadline of asyncio can, since none of its timers runs then.

A signal can, in the main thread of a Unix process; elsewhere nothing is watched.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

__all__ = ("Blocked", "Watchdog")

_LOOKS = 4
"""How many times within the limit the loop shows that it runs, and the timer rings."""


class Blocked(Exception):
    """Raised inside the code that blocks."""


class Watchdog:
    """While the block runs, raise `Blocked` in whatever holds the running event loop for longer than ``limit`` seconds.

    A timer that somebody else has set goes on when the block is left.
    """

    def __init__(self, limit: float, report: Callable[[str], object]) -> None:
        self.limit = limit
        self.report = report
        self._rings = 0
        self._loop = asyncio.get_running_loop()
        self._beat: asyncio.TimerHandle | None = None
        self._watches = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
        self._before: tuple[Any, tuple[float, float], float] | None = None

    def __enter__(self) -> Self:
        if self._watches:
            self._show_life()
            handler = signal.signal(signal.SIGALRM, self._ring)
            timer = signal.setitimer(signal.ITIMER_REAL, self._pause, self._pause)
            self._before = handler, timer, monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is None:
            return
        handler, (remaining, interval), since = self._before
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if remaining:
            signal.setitimer(signal.ITIMER_REAL, max(remaining - (monotonic() - since), 0.001), interval)
        if self._beat is not None:
            self._beat.cancel()

    @property
    def _pause(self) -> float:
        return self.limit / _LOOKS

    def _show_life(self) -> None:
        self._rings = 0
        self._beat = self._loop.call_later(self._pause, self._show_life)

    def _ring(self, _number: int, frame: FrameType | None) -> None:
        # Rings are counted instead of seconds: a process that was not given any time has heard one of them at most.
        self._rings += 1
        if self._rings <= _LOOKS or asyncio.current_task(self._loop) is None:
            return
        self._rings = 0
        place = f"{frame.f_code.co_filename}, line {frame.f_lineno}" if frame is not None else "code in C"
        detail = f"the event loop was blocked for {self.limit:g} s ({place})"
        self.report(detail)
        raise Blocked(detail)
