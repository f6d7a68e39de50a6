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
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from anyio import CapacityLimiter, fail_after, to_thread

from .base import DEADLINE, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ("Database",)

_T = TypeVar("_T")

_WRITES_PER_CHECKPOINT: Final = 1000
_BUSY: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class Database:
    """Connections to one SQLite file: one for the event loop, one for a worker thread.

    Opened at the first call, and anew after a fork. ``schema`` are statements that may be repeated
    (``CREATE TABLE IF NOT EXISTS …``). The file is created for its user alone.
    """

    def __init__(self, path: str, schema: Sequence[str], *, deadline: float = DEADLINE) -> None:
        self._path = path
        self._schema = tuple(schema)
        self._deadline = deadline
        self._process: int | None = None
        self._quick: sqlite3.Connection | None = None
        self._patient: sqlite3.Connection | None = None
        self._patience = threading.Lock()
        self._limiter: CapacityLimiter | None = None
        self._writes = 0
        self._abandoned: list[object] = []
        """Connections of a parent process, kept from being closed."""

    async def run(self, statement: str, *values: Any, durable: bool = False) -> list[Any]:
        """Run one statement, and return its rows. Raises `StoreUnavailable`."""
        return await self.do(lambda connection: connection.execute(statement, values).fetchall(), durable=durable)

    def run_now(self, statement: str, *values: Any) -> list[Any]:
        """Run one statement that only reads, and return its rows. Raises `StoreUnavailable`, also where it must wait.

        In a file with a write-ahead log nobody who reads waits for who writes; only its opening may be in the way.
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
            with fail_after(self._deadline):
                return await to_thread.run_sync(
                    self._in_thread, work, abandon_on_cancel=True, limiter=self._thread_limiter()
                )
        except TimeoutError as error:
            raise StoreUnavailable(f"{self._path}: no answer within {self._deadline:g} s") from error
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(f"{self._path}: {error}") from error

    def close(self) -> None:
        """Close the file. The next call opens it again."""
        if self._quick is not None and self._process == os.getpid():
            self._quick.close()
        self._quick = None
        with self._patience:
            if self._patient is not None and self._process == os.getpid():
                self._patient.close()
            self._patient = None
        self._process = None

    def _in_loop(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        self._renew_after_fork()
        if self._quick is None:
            self._quick = self._open(timeout=0, synchronous="NORMAL")
        connection = self._quick
        before = connection.total_changes
        try:
            result = work(connection)
        except BaseException:
            connection.rollback()
            raise
        self._writes += connection.total_changes - before
        if self._writes >= _WRITES_PER_CHECKPOINT:
            self._writes = 0
            threading.Thread(target=self._checkpoint, daemon=True).start()
        return result

    def _in_thread(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        with self._patience:
            self._renew_after_fork()
            if self._patient is None:
                self._patient = self._open(timeout=self._deadline, synchronous="FULL")
            try:
                return work(self._patient)
            except BaseException:
                self._patient.rollback()
                raise

    def _open(self, *, timeout: float, synchronous: str) -> sqlite3.Connection:
        # SQLite gives its further files the permissions of this one.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(self._path, timeout=self._deadline, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            # Copying the log back into the file may take long: a thread does it.
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            for statement in self._schema:
                connection.execute(statement)
            connection.execute(f"PRAGMA busy_timeout = {round(timeout * 1000)}")
        except BaseException:
            connection.close()
            raise
        self._process = os.getpid()
        return connection

    def _renew_after_fork(self) -> None:
        if self._process is not None and self._process != os.getpid():
            # SQLite forbids to carry a connection across a fork, even to close it: it is let go of.
            self._process = None
            self._abandoned.append((self._quick, self._patient))
            self._quick = self._patient = None

    def _thread_limiter(self) -> CapacityLimiter:
        if self._limiter is None:
            self._limiter = CapacityLimiter(4)
        return self._limiter

    def _checkpoint(self) -> None:
        with suppress(sqlite3.Error), closing(sqlite3.connect(self._path, timeout=0)) as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")  # what is busy now is for the next time
