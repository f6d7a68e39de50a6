"""An SQLite file that several processes share, without holding up the event loop.

Reads and short writes run in the event loop, where they take some ten microseconds, and never wait: where another
process is writing just then, the call moves to a worker thread, which may wait. What must not be lost when the
power fails goes there as well, because the disk is waited for.

Standard: https://sqlite.org/wal.html, 2.2 and https://sqlite.org/pragma.html#pragma_synchronous.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from anyio import CapacityLimiter, fail_after, to_thread
from anyio.lowlevel import RunVar

from .base import DEADLINE, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ("Database",)

_T = TypeVar("_T")

_WRITES_PER_CHECKPOINT: Final = 1000
_MOST_WAITING: Final = 4
"""Calls of one event loop that wait in threads at the same time."""
_LOOK_AGAIN: Final = 1.0
"""Seconds after which it is seen that somebody has deleted the file, or put another in its place."""
_creating: Final = threading.Lock()
_BUSY: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class Database:
    """Connections to one SQLite file: one for the event loop, one for a worker thread.

    Opened at the first call, and anew after a fork, and where another file stands in the place of the first.
    ``schema`` are statements that may be repeated (``CREATE TABLE IF NOT EXISTS …``). The file is created for its user
    alone.
    """

    def __init__(self, path: str, schema: Sequence[str], *, deadline: float = DEADLINE) -> None:
        self._path = path
        self._deadline = deadline
        self._quick = _Line(path, schema, opening=deadline, timeout=0, synchronous="NORMAL")
        self._patient = _Line(path, schema, opening=deadline, timeout=deadline, synchronous="FULL")
        self._limiter: RunVar[CapacityLimiter] = RunVar(f"limiter of {path}")

    async def run(self, statement: str, *values: Any, durable: bool = False) -> list[Any]:
        """Run one statement, and return its rows. Raises `StoreUnavailable`."""
        return await self.do(lambda connection: connection.execute(statement, values).fetchall(), durable=durable)

    def run_now(self, statement: str, *values: Any) -> list[Any]:
        """Run one statement that only reads, and return its rows; any thread may call this.

        Raises `StoreUnavailable`, also where it must wait. In a file with a write-ahead log nobody who reads waits for
        who writes; only its opening may be in the way.
        """
        try:
            return self._in_loop(lambda connection: connection.execute(statement, values).fetchall())
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(f"{self._path}: {error}") from error

    async def do(self, work: Callable[[sqlite3.Connection], _T], *, durable: bool = False) -> _T:
        """Return ``work(connection)``; each statement is a transaction of its own unless ``work`` begins one.

        ``work`` must be short, and may be called twice: again from the beginning where the file was busy. What a
        ``durable`` one changed has reached the disk when this returns.

        Raises `StoreUnavailable`.
        """
        try:
            if not durable:
                try:
                    return self._in_loop(work)
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode & 0xFF not in _BUSY:
                        raise
            # A thread that got its turn too late does nothing: nobody waits for it any more.
            until = time.monotonic() + self._deadline
            with fail_after(self._deadline):
                return await to_thread.run_sync(
                    self._patient.use, work, until, abandon_on_cancel=True, limiter=self._thread_limiter()
                )
        except TimeoutError as error:
            raise StoreUnavailable(f"{self._path}: no answer within {self._deadline:g} s") from error
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(f"{self._path}: {error}") from error

    def close(self) -> None:
        """Close the file. The next call opens it again."""
        self._quick.close()
        self._patient.close()

    def _in_loop(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        result = self._quick.use(work)
        if self._quick.changes >= _WRITES_PER_CHECKPOINT:
            self._quick.changes = 0
            threading.Thread(target=self._checkpoint, daemon=True).start()
        return result

    def _thread_limiter(self) -> CapacityLimiter:
        limiter = self._limiter.get(None)
        if limiter is None:
            limiter = CapacityLimiter(_MOST_WAITING)
            self._limiter.set(limiter)
        return limiter

    def _checkpoint(self) -> None:
        existing = f"{Path(self._path).absolute().as_uri()}?mode=rw"
        with suppress(sqlite3.Error), closing(sqlite3.connect(existing, timeout=0, uri=True)) as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")  # what is busy now is for the next time


class _Line:
    """One connection to the file, for one thread at a time."""

    def __init__(self, path: str, schema: Sequence[str], *, opening: float, timeout: float, synchronous: str) -> None:
        self._path = path
        self._schema = tuple(schema)
        self._opening = opening
        self._timeout = timeout
        self._synchronous = synchronous
        self._locks: dict[int, threading.Lock] = {}
        """By process: another thread may have held the lock at the moment of a fork, and nobody would release it."""
        self._process = 0
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._look = 0.0
        self._abandoned: list[object] = []
        """Connections of a parent process, kept from being closed."""
        self.changes = 0
        """Rows that were changed."""

    def use(self, work: Callable[[sqlite3.Connection], _T], until: float | None = None) -> _T:
        """Return ``work(connection)``; raises `TimeoutError` if others use it until then."""
        lock = self._lock()
        if until is None:
            lock.acquire()
        elif not lock.acquire(timeout=max(0.0, until - time.monotonic())):
            raise TimeoutError
        try:
            connection = self._open()
            before = connection.total_changes
            try:
                result = work(connection)
            except BaseException:
                connection.rollback()
                raise
            self.changes += connection.total_changes - before
            return result
        finally:
            lock.release()

    def close(self) -> None:
        """Close it, once nobody uses it."""
        with self._lock():
            self._let_go()

    def _lock(self) -> threading.Lock:
        process = os.getpid()
        return self._locks.get(process) or self._locks.setdefault(process, threading.Lock())

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None and (self._process != os.getpid() or self._is_elsewhere()):
            self._let_go()
        if self._connection is None:
            self._connection = self._connect()
            self._process = os.getpid()
        return self._connection

    def _let_go(self) -> None:
        if self._process != os.getpid():
            # SQLite forbids to carry a connection across a fork, even to close it.
            self._abandoned.append(self._connection)
        elif self._connection is not None:
            self._connection.close()
        self._connection = None

    def _is_elsewhere(self) -> bool:
        """Return whether the file has another name now, or none: what is written there, nobody else would see."""
        now = time.monotonic()
        if now < self._look:
            return False
        self._look = now + _LOOK_AGAIN
        try:
            return _identity(self._path) != self._file
        except OSError:
            return True

    def _connect(self) -> sqlite3.Connection:
        _create(self._path)
        connection = sqlite3.connect(self._path, timeout=self._opening, isolation_level=None, check_same_thread=False)
        try:
            self._file = _identity(self._path)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            # Copying the log back into the file may take long: a thread does it.
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            for statement in self._schema:
                connection.execute(statement)
            connection.execute(f"PRAGMA busy_timeout = {round(self._timeout * 1000)}")
        except BaseException:
            connection.close()
            raise
        return connection


def _create(path: str) -> None:
    """Create a file for its user alone, if there is none; SQLite gives its further files the same permissions."""
    # A process that closes a file loses all its locks on it (https://sqlite.org/howtocorrupt.html, 2.2): so one that
    # is there already is not opened, and nobody else opens the new one before it is closed.
    with _creating, suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _identity(path: str) -> tuple[int, int]:
    found = Path(path).stat()
    return found.st_dev, found.st_ino
