"""Write lines to a file descriptor from a thread of their own, so that no reader who stops reading stops a request.

A line is put into a queue, and that is all a request waits for. Where the queue is full the line is dropped and
counted, and the next one that is written says so.
"""

from __future__ import annotations

import atexit
import os
import select
import stat
import threading
import time
import weakref
from collections import deque
from pathlib import Path
from typing import Final

__all__ = ("Writer",)

_CHUNK: Final = 4096
"""Bytes that are written at once: a pipe that can be written to takes as many (POSIX, ``PIPE_BUF``) without waiting."""


_FILE_CHUNK: Final = 1 << 20
"""The same for what never makes its writer wait: every call gives the event loop's thread away, and takes it back."""
_LINES: Final = 256
"""Lines that are put together at once."""


class Writer:
    """A queue of lines, and the thread that writes them; the thread starts with the first line."""

    def __init__(self, descriptor: int, *, capacity: int = 10_000, interval: float = 0.2) -> None:
        """``capacity`` is in lines; ``interval`` in seconds between two writes."""
        self.descriptor = descriptor
        self.capacity = capacity
        self.interval = interval
        self.dropped = 0
        """Lines that were lost for want of room, or because the descriptor is closed."""
        self._lines: deque[str] = deque()
        self._told = 0
        self._rest = b""
        self._thread: threading.Thread | None = None
        self._process = 0
        self._wake = threading.Event()
        self._writing = threading.Lock()
        self._chunk = _FILE_CHUNK if _is_file(descriptor) else _CHUNK
        atexit.register(_flush_at_exit, weakref.ref(self))

    def put(self, line: str) -> None:
        """Put a line into the queue; it never waits."""
        if len(self._lines) >= self.capacity:
            self.dropped += 1
            return
        self._lines.append(line)
        if self._process != os.getpid():  # threads do not follow into a process that was forked
            self._start()

    def flush(self, timeout: float = 1.0) -> bool:
        """Write what is queued, for ``timeout`` seconds at most; return whether all of it was written."""
        deadline = time.monotonic() + timeout
        if not self._writing.acquire(timeout=timeout):
            return False
        try:
            while self._rest or self._lines:
                if not self._write(max(0.0, deadline - time.monotonic())):
                    return False
            return True
        finally:
            self._writing.release()

    def _start(self) -> None:
        self._process = os.getpid()
        self._writing = threading.Lock()
        self._wake = threading.Event()
        self._thread = threading.Thread(
            target=_run, args=(weakref.ref(self), self._wake), name="access-log", daemon=True
        )
        self._thread.start()

    def _write(self, timeout: float) -> bool:
        """Write one chunk if the descriptor takes it in time; return whether there may be more to write."""
        try:
            if not self._rest:
                self._rest = self._taken()
            ready = select.select((), (self.descriptor,), (), timeout)[1]
            if not ready:
                return False
            self._rest = self._rest[os.write(self.descriptor, self._rest[: self._chunk]) :]
        except (OSError, ValueError):  # closed, or nobody reads it any more
            self.dropped += self._rest.count(b"\n") + len(self._lines)
            self._rest = b""
            self._lines.clear()
            return False
        return True

    def _taken(self) -> bytes:
        lines: list[str] = []
        if self.dropped > self._told:
            lines.append(f"access_log: {self.dropped - self._told} lines dropped")
            self._told = self.dropped
        while self._lines and len(lines) < _LINES:
            lines.append(self._lines.popleft())
        lines.append("")
        return "\n".join(lines).encode(errors="backslashreplace")


def _run(writer: weakref.ref[Writer], wake: threading.Event) -> None:
    """Write from time to time, as long as anybody can put lines."""
    while (found := writer()) is not None:
        interval = found.interval
        found.flush(interval)
        del found
        wake.wait(interval)


def _is_file(descriptor: int) -> bool:
    """Return whether it is a file, or the null device: neither a pipe, nor a terminal."""
    try:
        found = os.stat(descriptor)
        return stat.S_ISREG(found.st_mode) or os.path.samestat(found, Path(os.devnull).stat())
    except (OSError, ValueError, OverflowError):
        return False


def _flush_at_exit(writer: weakref.ref[Writer]) -> None:
    found = writer()
    if found is not None:
        found.flush()
