"""Write lines to a file descriptor from a thread of their own, so that no reader who stops reading stops a request.

A line is put into a queue, and that is all a request waits for. Where the queue is full the line is dropped and
counted, and the next one that is written says so.

Lines of calls that ended well are made some at a time. To make one takes much code, which the processor has at hand
for those that follow at once: that halves what a line costs. They are made by the thread of the application, as long as
that is busy; what then is left is made by the writer's.
"""

from __future__ import annotations

import atexit
import os
import select
import stat
import threading
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable

    from .record import Ended

__all__ = ("Writer", "told_plainly")

_CHUNK: Final = 4096
"""Bytes that are written at once: a pipe that can be written to takes as many (POSIX, ``PIPE_BUF``) without waiting,
and keeps them together, whichever processes write to it."""

_writers: Final[WeakSet[Writer]] = WeakSet()


def told_plainly(dropped: int) -> str:
    """Return the line that says how many were lost."""
    return f"access_log: {dropped} lines dropped"


_FILE_CHUNK: Final = 1 << 20
"""The same for what never makes its writer wait: every call gives the event loop's thread away, and takes it back."""
_LINES: Final = 256
"""Lines that are put together at once."""
_CALLS: Final = 32
"""Calls of which lines are made at once: few, as what they hold is let go of only then."""


class Writer:
    """A queue of lines, and the thread that writes them; the thread starts with the first line."""

    def __init__(
        self,
        descriptor: int,
        *,
        capacity: int = 10_000,
        interval: float = 0.2,
        tell: Callable[[int], str] = told_plainly,
        make: Callable[[Ended], str | None] = lambda ended: None,
    ) -> None:
        """``capacity`` is in lines; ``interval`` in seconds between two writes; ``tell`` makes a line of a loss.

        ``make`` makes that of a call, or returns ``None`` if it fails.
        """
        self.descriptor = descriptor
        self.capacity = capacity
        self.interval = interval
        self._tell = tell
        self._make = make
        self.reborn()
        _writers.add(self)

    def reborn(self) -> None:
        """Begin anew in a process that was forked: threads do not follow it, and lines are its parent's to write."""
        self.dropped = 0
        """Lines that were lost for want of room, or because the descriptor is closed."""
        self._lines: deque[str] = deque()
        self._ended: deque[Ended] = deque()
        self._told = 0
        self._rest = b""
        self._is_open = False
        self._wake = threading.Event()
        self._starting = threading.Lock()
        self._writing = threading.Lock()
        self._chunk = _FILE_CHUNK if _is_file(self.descriptor) else _CHUNK

    def put_ended(self, ended: Ended) -> None:
        """Put the line of a call into the queue, sooner or later; it never waits."""
        self._ended.append(ended)
        if len(self._ended) >= _CALLS:  # asked first: where no thread can start, calls must not pile up
            self._make_lines()
        if not self._is_open:
            self._start()

    def put(self, line: str) -> None:
        """Put a line into the queue, behind those of calls that ended before; it never waits.

        Where the writer's thread is at one of those just now, that comes next.
        """
        if self._ended:
            self._make_lines()
        self._queue(line)
        if not self._is_open:
            self._start()

    def _make_lines(self) -> None:
        for _ in range(len(self._ended)):  # and not those that come meanwhile, or it might never be done
            try:
                ended = self._ended.popleft()  # one step, so threads never take the same
            except IndexError:
                return
            line = self._make(ended)
            if line is not None:
                self._queue(line)

    def _queue(self, line: str) -> None:
        # The thread that ends comes by here as well: it must not start another.
        if len(self._lines) >= self.capacity:
            self.dropped += 1
        else:
            self._lines.append(line)

    def flush(self, timeout: float = 1.0) -> bool:
        """Write what is queued, for ``timeout`` seconds at most; return whether all of it was written."""
        deadline = time.monotonic() + timeout
        if not self._writing.acquire(timeout=timeout):
            return False
        try:
            self._make_lines()  # in here, so that nobody takes for written what the other thread has just taken
            while self._rest or self._lines:
                if not self._write(max(0.0, deadline - time.monotonic())):
                    return False
            return True
        finally:
            self._writing.release()

    def close(self) -> None:
        """Have the thread end when it has written what is queued. A line that comes later starts another."""
        self._is_open = False
        self._wake.set()

    def _start(self) -> None:
        with self._starting:
            if self._is_open:
                return
            self._wake = threading.Event()
            threading.Thread(target=self._run, args=(self._wake,), name="access-log", daemon=True).start()
            self._is_open = not self._wake.is_set()  # a layer that has gone meanwhile has closed it

    def _run(self, wake: threading.Event) -> None:
        while True:
            # Asked first: what was put before it was closed is written by what follows.
            is_closed = wake.is_set()
            self.flush(1.0 if is_closed else self.interval)
            if is_closed:
                return
            wake.wait(self.interval)

    def _write(self, timeout: float) -> bool:
        """Write one chunk if the descriptor takes it in time; return whether there may be more to write."""
        try:
            if not self._rest:
                self._rest = self._taken()
            if not _is_writable(self.descriptor, timeout):
                return False
            # Whole lines, as other processes may write to the same pipe.
            end = self._rest.rfind(b"\n", 0, self._chunk) + 1 or self._chunk
            self._rest = self._rest[os.write(self.descriptor, self._rest[:end]) :]
        except BlockingIOError:
            return False
        except (OSError, ValueError, OverflowError):  # closed, or nobody reads it any more
            self.dropped += self._rest.count(b"\n") + len(self._lines)
            self._rest = b""
            self._lines.clear()
            return False
        return True

    def _taken(self) -> bytes:
        lines: list[str] = []
        if self.dropped > self._told:
            lines.append(self._tell(self.dropped - self._told))
            self._told = self.dropped
        while self._lines and len(lines) < _LINES:
            lines.append(self._lines.popleft())
        lines.append("")
        return "\n".join(lines).encode(errors="backslashreplace")


def _is_writable(descriptor: int, timeout: float) -> bool:
    """Return whether a descriptor takes something within ``timeout`` seconds, or would tell why it does not."""
    if not hasattr(select, "poll"):  # pragma: no cover - Windows, where only sockets can be asked
        return True
    asked = select.poll()
    asked.register(descriptor, select.POLLOUT)
    return bool(asked.poll(timeout * 1000))


def _is_file(descriptor: int) -> bool:
    """Return whether it is a file, or the null device: neither a pipe, nor a terminal."""
    try:
        found = os.stat(descriptor)
        return stat.S_ISREG(found.st_mode) or os.path.samestat(found, Path(os.devnull).stat())
    except (OSError, ValueError, OverflowError):
        return False


def _flush_all() -> None:
    for writer in [*_writers]:
        writer.flush()


def _after_fork() -> None:
    for writer in [*_writers]:
        writer.reborn()


atexit.register(_flush_all)
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)
