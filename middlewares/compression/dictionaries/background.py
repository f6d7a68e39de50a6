"""Do small pieces of work one after the other, in a thread that is there only while there is work."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Background",)

_LOG: Final = logging.getLogger("middlewares.compression")
_MOST_TASKS: Final = 64


class Background:
    """A bounded queue of work that nobody waits for: what finds no room is left undone.

    The thread ends with the last piece of work, so nothing need be closed, and a process that forks before the first
    request has no thread to lose. An error of the work is logged, and ends nothing else.
    """

    __slots__ = ("_idle", "_is_running", "_largest", "_tasks", "_waiting")

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._tasks: deque[tuple[Callable[[], None], int]] = deque()
        self._waiting = 0
        self._is_running = False
        self._idle = threading.Condition()

    def submit(self, task: Callable[[], None], size: int = 0) -> bool:
        """Do ``task`` soon, unless too much is waiting; ``size`` is what it keeps in memory, in bytes."""
        with self._idle:
            if len(self._tasks) >= _MOST_TASKS or self._waiting + size > self._largest:
                return False
            self._tasks.append((task, size))
            self._waiting += size
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._run, name="middlewares-dictionaries").start()
        return True

    def join(self, timeout: float) -> bool:
        """Wait at most ``timeout`` seconds until nothing is left to do; return whether this is so."""
        with self._idle:
            return self._idle.wait_for(lambda: not self._is_running, timeout)

    def _run(self) -> None:
        while True:
            with self._idle:
                if not self._tasks:
                    self._is_running = False
                    self._idle.notify_all()
                    return
                task, size = self._tasks.popleft()
            try:
                task()
            except Exception:  # noqa: BLE001 - whatever it is, the next task must have its turn
                _LOG.exception("a dictionary could not be prepared")
            with self._idle:
                self._waiting -= size
