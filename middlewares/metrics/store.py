"""Where is counted: plain lists by key, one set of them per thread, added up when somebody asks.

A thread writes to its own shard only, so that nothing is locked while a request is counted, with a global
interpreter lock or without. The shard of a thread that has ended is handed to the next one as it is.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .ledger import Ledger

__all__ = (
    "DIRECTORY_VARIABLE",
    "EXEMPLAR_WIDTH",
    "GAUGES",
    "KINDS",
    "OVERFLOW",
    "Cells",
    "Home",
    "Key",
    "Shard",
    "Snapshot",
)

Key = tuple[Any, ...]
Cells = Any
"""Numbers that are written to by index: a list, or a view of a file that processes share."""
Snapshot = dict[str, dict[Key, list[float]]]
"""By kind and key, the numbers of all threads and processes."""

DIRECTORY_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable that names the directory of files for several processes, as prometheus_client reads it."""
KINDS: Final = ("http", "active", "sockets", "open", "messages", "quotas", "refusals", "internal", "exemplars")
GAUGES: Final = frozenset({"active", "open"})
"""What is true of processes that live, and of nobody else."""
OVERFLOW: Final[Key] = ()
"""The key of all that comes when there are too many series."""

EXEMPLAR_WIDTH: Final = 8
"""Numbers of an exemplar: when it was noted (0: none), the value, and the two ids in parts of 32 bits."""

_homes: Final[weakref.WeakSet[Home]] = weakref.WeakSet()


class Live(Protocol):
    """What goes on and is counted meanwhile."""

    def flush(self) -> None:
        """Count what has come since the last time; any thread may call it."""


class Shortcut(Protocol):
    """What remembers where a thread counts."""

    def forget(self) -> None:
        """Find it anew, in this thread: a process was forked."""


class Shard:
    """What one thread has counted, by kind and key."""

    __slots__ = (*KINDS,)

    http: dict[Key, Cells]
    active: dict[Key, Cells]
    sockets: dict[Key, Cells]
    open: dict[Key, Cells]
    messages: dict[Key, Cells]
    quotas: dict[Key, Cells]
    refusals: dict[Key, Cells]
    internal: dict[Key, Cells]
    exemplars: dict[Key, Cells]

    def __init__(self) -> None:
        for kind in KINDS:
            setattr(self, kind, {})

    def clear(self) -> None:
        """Forget everything."""
        for kind in KINDS:
            getattr(self, kind).clear()


class _Owner:
    """Lives as long as the thread that has a shard."""

    __slots__ = ("__weakref__",)


class _Local(threading.local):
    """The shard of the thread that asks."""

    def __init__(self, home: Home) -> None:
        self.owner = _Owner()
        self.shard = home.join(self.owner)


class Home:
    """What is counted for one registry under one set of names, by however many layers, threads and processes."""

    def __init__(self, name: str, widths: Mapping[str, int], max_series: int, ledger: Ledger | None = None) -> None:
        self.name = name
        """Tells it from others in files that processes share."""
        self.widths = widths
        """How many numbers a key of each kind has."""
        self.max_series = max_series
        self.ledger = ledger
        self.lock = threading.RLock()
        self._known: dict[str, set[Key]] = {kind: set() for kind in KINDS}
        self._shards: list[tuple[weakref.ref[_Owner], Shard]] = []
        self.noted: dict[str, int] = {}
        """How many failures of which observers have been counted."""
        self.live: set[Live] = set()
        """What goes on and is counted meanwhile."""
        self._shortcuts: weakref.WeakSet[Shortcut] = weakref.WeakSet()
        self.local = _Local(self)
        """Its ``shard`` is that of this thread."""
        _homes.add(self)

    @property
    def is_simple(self) -> bool:
        """Whether a snapshot is nothing but a copy."""
        return self.ledger is None and len(self._shards) <= 1

    def join(self, owner: _Owner) -> Shard:
        """Return the shard of a thread that is new here."""
        with self.lock:
            entry = next((entry for entry in self._shards if entry[0]() is None), None)
            if entry is not None:
                self._shards.remove(entry)
            shard = Shard() if entry is None else entry[1]
            self._shards.append((weakref.ref(owner), shard))
        return shard

    def cells(self, kind: str, key: Key) -> Cells:
        """Return the numbers of a key in this thread, which are new; or those of the overflow."""
        table: dict[Key, Cells] = getattr(self.local.shard, kind)
        known = self._known[kind]
        with self.lock:
            if key not in known:
                if len(known) + 1 < self.max_series:
                    known.add(key)
                else:
                    key = OVERFLOW
            cells = table.get(key)
            if cells is None:
                cells = table[key] = self._new(kind, key)
        return cells

    def add(self, kind: str, key: Key, count: float = 1) -> None:
        """Add to a plain number."""
        cells = getattr(self.local.shard, kind).get(key)
        if cells is None:
            cells = self.cells(kind, key)
        cells[0] += count

    def keep(self, shortcut: Shortcut) -> None:
        """Tell a shortcut when what it remembers is no more, as long as there is one."""
        with self.lock:
            self._shortcuts.add(shortcut)

    def catch_up(self) -> None:
        """Count what has come of all that goes on."""
        for live in list(self.live):
            live.flush()

    def snapshot(self) -> Snapshot:
        """Return what all threads, and the other processes, have counted. It may wait for files."""
        found: Snapshot = {kind: {} for kind in KINDS}
        with self.lock:
            shards = [shard for _, shard in self._shards]
        for shard in shards:
            for kind in KINDS:
                self._add(found[kind], kind, list(getattr(shard, kind).items()))
        if self.ledger is not None:
            for kind, key, cells in self.ledger.read(self.name):
                if kind in found and len(cells) == self.widths[kind]:
                    self._add(found[kind], kind, [(key, cells)])
        return found

    def reborn(self) -> None:
        """Begin anew in a process that was forked: what its parent counted is the parent's."""
        self.lock = threading.RLock()
        if self.ledger is not None:
            self._known = {kind: set() for kind in KINDS}
            for _, shard in self._shards:
                shard.clear()
            for shortcut in list(self._shortcuts):
                shortcut.forget()

    def _new(self, kind: str, key: Key) -> Cells:
        width = self.widths[kind]
        if self.ledger is not None:
            cells = self.ledger.new(self.name, kind, key, width)
            if cells is not None:
                return cells
        return [0] * width

    def _add(self, found: dict[Key, list[float]], kind: str, items: Iterable[tuple[Key, Cells]]) -> None:
        merge = _newest if kind == "exemplars" else _sum
        for key, cells in items:
            place = key if key in found or len(found) + 1 < self.max_series else OVERFLOW
            there = found.get(place)
            found[place] = list(cells) if there is None else merge(there, cells)


def _sum(first: list[float], second: Cells) -> list[float]:
    return [one + other for one, other in zip(first, second, strict=True)]


def _newest(first: list[float], second: Cells) -> list[float]:
    """Return, of each bucket, the exemplar that was noted last."""
    merged = first[:]
    for at in range(0, len(first), EXEMPLAR_WIDTH):
        if second[at] > first[at]:
            merged[at : at + EXEMPLAR_WIDTH] = second[at : at + EXEMPLAR_WIDTH]
    return merged


def _after_fork() -> None:
    for home in list(_homes):
        home.reborn()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
