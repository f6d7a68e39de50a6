"""Count in files that processes share, exactly, however a process ends.

Each process writes its numbers straight into a file of its own that is mapped into memory: they outlive it, and
nobody has to be told. Whoever reads adds up the files of all. What a process that has died left behind goes into one
file with all who died before, but not its gauges.

A process shows that it lives by a lock on one byte of a file, at a place that the name of its own file tells; the
operating system lets go of it in whatever way the process ends.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import secrets
import struct
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .store import GAUGES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .store import Cells, Key

__all__ = ("Ledger", "ledger_of")

_LOCK_FILE: Final = "middlewares_metrics.lock"
_MERGED: Final = "middlewares_merged.metrics"
_MAGIC: Final = b"MWMETRIC"
_HEAD: Final = struct.Struct("=8sQ")  # the magic, and how many bytes are in use
_RECORD: Final = struct.Struct("=II")  # bytes of the description with its padding, and how many numbers follow
_FIRST_SIZE: Final = 1 << 16
_ABSORBED: Final = "absorbed"

Record = tuple[str, str, "Key", "Cells"]
"""Home, kind, key and numbers."""

_ledgers: dict[str, Ledger] = {}
_ledgers_lock = threading.Lock()


class Ledger:
    """The files of one directory, as one process reads and writes them."""

    def __init__(self, directory: str) -> None:
        self.directory = Path(directory)
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        # Open as long as the process lives: closing any descriptor of a file lets go of all locks on it.
        self._locks = os.open(self.directory / _LOCK_FILE, flags, 0o600)
        self._mutex = threading.Lock()
        self._reading = threading.Lock()
        self._map: mmap.mmap | None = None
        self._file = -1
        self._used = 0
        self._name = ""

    def new(self, home: str, kind: str, key: Key, width: int) -> Cells | None:
        """Return numbers of this process that the others can read; ``None`` if there is no room on the disk."""
        description = _described(home, kind, key)
        size = _RECORD.size + len(description) + 8 * width
        with self._mutex:
            try:
                place = self._reserve(size)
            except OSError:
                return None
            at = self._used
            _RECORD.pack_into(place, at, len(description), width)
            at += _RECORD.size
            place[at : at + len(description)] = description
            at += len(description)
            # The record counts from now on: it is whole, with zeros.
            self._used = at + 8 * width
            self._say_used(place)
            return memoryview(place)[at : self._used].cast("d")

    def read(self, home: str) -> list[tuple[str, Key, Cells]]:
        """Return what other processes have counted, and what those that died have left."""
        with self._directory_lock():
            living, dead = self._others()
            merged = self._absorb(dead)
            records = [*merged, *(record for path in living for record in _records(path))]
        return [(kind, key, cells) for owner, kind, key, cells in records if owner == home]

    def reborn(self) -> None:
        """Begin anew in a process that was forked."""
        self._mutex, self._reading = threading.Lock(), threading.Lock()
        self._map, self._file, self._used, self._name = None, -1, 0, ""

    def _reserve(self, size: int) -> mmap.mmap:
        """Return the file of this process with room for so many bytes more."""
        if self._map is None:
            self._open()
        if self._map is None or self._used + size > len(self._map):
            length = _FIRST_SIZE
            while length < self._used + size:
                length *= 2
            _allocate(self._file, length)
            # Numbers that were handed out stay with the old map, which shows the same file.
            self._map = mmap.mmap(self._file, length)
            self._map[:8] = _MAGIC
            self._say_used(self._map)
        return self._map

    def _say_used(self, place: mmap.mmap) -> None:
        # Through a view, which writes eight bytes at once: `struct.pack_into` writes zeros before, that others may see.
        memoryview(place).cast("Q")[1] = self._used

    def _open(self) -> None:
        token = secrets.randbits(60) + 1
        self._name = f"middlewares_{os.getpid()}_{token:x}.metrics"
        with self._directory_lock():
            fcntl.lockf(self._locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, token)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
            self._file = os.open(self.directory / self._name, flags, 0o600)
        self._used = _HEAD.size

    def _others(self) -> tuple[list[Path], list[Path]]:
        """Return the files of other processes: of those that live, and of those that do not."""
        living: list[Path] = []
        dead: list[Path] = []
        for path in sorted(self.directory.glob("middlewares_*_*.metrics")):
            if path.name != self._name:
                (living if self._is_alive(path) else dead).append(path)
        return living, dead

    def _is_alive(self, path: Path) -> bool:
        token = int(path.stem.rpartition("_")[2], 16)
        try:
            fcntl.lockf(self._locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, token)
        except OSError:
            return True
        fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, token)
        return False

    def _absorb(self, dead: list[Path]) -> list[Record]:
        """Return what the dead have counted, after adding these to those before, in one file in their place."""
        merged_path = self.directory / _MERGED
        sums: dict[bytes, tuple[Record, list[float]]] = {}
        absorbed: set[str] = set()
        for record in _records(merged_path):
            if record[1] == _ABSORBED:
                absorbed.update(record[2])
            else:
                _add(sums, record)
        # Those of which the name is there were added by a process that died before it could remove them.
        for path in dead:
            for record in _records(path) if path.name not in absorbed else ():
                if record[1] not in GAUGES and record[1] != "exemplars":
                    _add(sums, record)
        summed: list[Record] = [(home, kind, key, values) for (home, kind, key, _), values in sums.values()]
        if dead:
            names = tuple(path.name for path in dead)
            _write(merged_path, [("", _ABSORBED, names, []), *summed])
            for path in dead:
                path.unlink(missing_ok=True)
                _bury(path)
        return summed

    @contextmanager
    def _directory_lock(self) -> Iterator[None]:
        """Keep out other processes, and other threads, which that lock does not know."""
        with self._reading:
            fcntl.lockf(self._locks, fcntl.LOCK_EX, 1, 0)
            try:
                yield
            finally:
                fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, 0)


def ledger_of(directory: str) -> Ledger:
    """Return the ledger of a directory, of which a process has one."""
    with _ledgers_lock:
        path = os.path.realpath(directory)
        if path not in _ledgers:
            _ledgers[path] = Ledger(path)
        return _ledgers[path]


def _described(home: str, kind: str, key: Key) -> bytes:
    text = json.dumps([home, kind, key], separators=(",", ":")).encode()
    return text + b" " * (-len(text) % 8)


def _records(path: Path) -> Iterator[Record]:
    """Yield what is in a file, of which another process may write the numbers meanwhile."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    if len(data) < _HEAD.size or data[:8] != _MAGIC:
        return
    end = min(_HEAD.unpack_from(data)[1], len(data))
    at = _HEAD.size
    while at + _RECORD.size <= end:
        length, width = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        home, kind, key = json.loads(data[at : at + length])
        at += length
        yield home, kind, _tuples(key), struct.unpack_from(f"={width}d", data, at)
        at += 8 * width


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _add(sums: dict[bytes, tuple[Record, list[float]]], record: Record) -> None:
    home, kind, key, cells = record
    # One of other width is of another version, and is not added up.
    place = b"%d %b" % (len(cells), _described(home, kind, key))
    there = sums.get(place)
    if there is None:
        sums[place] = (record, list(cells))
    else:
        values = there[1]
        for index, value in enumerate(cells):
            values[index] += value


def _write(path: Path, records: list[Record]) -> None:
    """Write a whole file in the place of the one before."""
    parts: list[bytes] = []
    for home, kind, key, cells in records:
        description = _described(home, kind, key)
        parts += _RECORD.pack(len(description), len(cells)), description, struct.pack(f"={len(cells)}d", *cells)
    body = b"".join(parts)
    draft = path.with_suffix(".draft")
    draft.write_bytes(_HEAD.pack(_MAGIC, _HEAD.size + len(body)) + body)
    draft.replace(path)


def _bury(path: Path) -> None:
    """Have prometheus_client forget the gauges of a process that has died."""
    from prometheus_client.multiprocess import mark_process_dead  # only here

    mark_process_dead(  # type: ignore[no-untyped-call] # it has no annotations
        int(path.name.split("_")[1]), str(path.parent)
    )


def _allocate(file: int, length: int) -> None:
    """Make a file so long; the room is really there then, as writing to a map where there is none ends a process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, length)
    else:  # pragma: no cover - macOS
        os.ftruncate(file, length)


def _after_fork() -> None:
    global _ledgers_lock
    _ledgers_lock = threading.Lock()
    for ledger in _ledgers.values():
        ledger.reborn()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
