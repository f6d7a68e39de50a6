"""An asyncio loop whose time is made up: it jumps to the next timer as soon as nothing else is to be done."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ("VirtualLoop", "run_virtually")

_T = TypeVar("_T")


class _Selector(selectors.DefaultSelector):
    """Waits for nothing: what the loop would wait for a timer, its clock is moved on by."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout:
            self.now += timeout
        # Without timers, something outside is to wake the loop: a thread, or nobody.
        return ready or (super().select(5) if timeout is None else ready)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop of asyncio in made-up time, which begins at 0."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


def run_virtually(main: Coroutine[Any, Any, _T], seconds: float = 100_000.0) -> _T:
    """Return what a coroutine returns, run on a loop in made-up time; `TimeoutError` after so much of it."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(asyncio.wait_for(main, seconds))
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
