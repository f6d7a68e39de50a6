"""Records in the memory of this process."""

from __future__ import annotations

import time
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from .base import Item

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

__all__ = ("MemoryStore",)

_FEWEST_TO_SWEEP = 64


class _Record:
    __slots__ = ("ends", "owner", "value")

    def __init__(self, value: bytes, ends: float, owner: str | None) -> None:
        self.value = value
        self.ends = ends
        self.owner = owner


class MemoryStore:
    """Records in memory: for one process, and gone when it ends.

    At most ``max_records`` are kept: a new one then takes the place of that whose time would be over first.
    """

    def __init__(self, *, max_records: int = 100_000, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_records = max_records
        self._clock = clock
        self._records: dict[str, _Record] = {}
        self._owned: dict[str, set[str]] = {}
        self._ends: list[tuple[float, str]] = []
        """A heap of when records end; entries of records that were prolonged or deleted since are stale."""

    async def get(self, key: str) -> bytes | None:
        """Return the value of a record."""
        return self.get_now(key)

    def get_now(self, key: str) -> bytes | None:
        """Return the value of a record."""
        record = self._live(key)
        return None if record is None else record.value

    async def create(self, key: str, value: bytes, ttl: float, owner: str | None = None) -> bool:
        """Store a new record."""
        record = self._live(key)
        if record is not None:
            return record.value == value
        self._drop(key)
        if len(self._records) >= self._max_records:
            self._make_room()
        self._records[key] = _Record(value, 0, owner)
        if owner is not None:
            self._owned.setdefault(owner, set()).add(key)
        self._prolong(key, self._records[key], ttl)
        return True

    async def replace(
        self, key: str, old: bytes | None, new: bytes, ttl: float, owner: str | None = None
    ) -> bytes | None:
        """Store ``new`` if the value is still ``old``."""
        record = self._live(key)
        if record is None:
            return None
        if old is None or record.value in (old, new):
            record.value = new
            self._prolong(key, record, ttl)
            self._give(key, record, owner)
        return record.value

    async def touch(self, key: str, ttl: float, owner: str | None = None) -> bool:
        """Give a record a new time to live."""
        record = self._live(key)
        if record is not None:
            self._prolong(key, record, ttl)
        return record is not None

    async def delete(self, key: str, owner: str | None = None) -> bool:
        """Delete a record."""
        was_there = self._live(key) is not None
        self._drop(key)
        return was_there

    async def owned(self, owner: str) -> list[Item]:
        """Return the records of an owner."""
        return [self._item(key, record) for key in self._owned.get(owner, ()) if (record := self._live(key))]

    async def items(self) -> AsyncIterator[Item]:
        """Go through all records."""
        for key in list(self._records):
            record = self._live(key)
            if record is not None:
                yield self._item(key, record)

    async def collect(self) -> int:
        """Remove records whose time is over."""
        before = len(self._records)
        self._sweep(len(self._ends))
        return before - len(self._records)

    async def aclose(self) -> None:
        """Keep everything: there is nothing to release but the records themselves."""

    def __len__(self) -> int:
        """Return how many records are held, with those whose time is over but that were not collected yet."""
        return len(self._records)

    def _live(self, key: str) -> _Record | None:
        record = self._records.get(key)
        return record if record is not None and record.ends > self._clock() else None

    def _item(self, key: str, record: _Record) -> Item:
        return Item(key, record.value, record.ends - self._clock(), record.owner)

    def _prolong(self, key: str, record: _Record, ttl: float) -> None:
        record.ends = self._clock() + ttl
        heappush(self._ends, (record.ends, key))
        self._sweep(2)
        if len(self._ends) > 2 * len(self._records) + _FEWEST_TO_SWEEP:
            # Most entries are stale. Their number doubled since the last time, so that this costs little per write.
            self._ends = [(record.ends, key) for key, record in self._records.items()]
            heapify(self._ends)

    def _give(self, key: str, record: _Record, owner: str | None) -> None:
        if record.owner != owner:
            self._disown(key, record)
            record.owner = owner
            if owner is not None:
                self._owned.setdefault(owner, set()).add(key)

    def _disown(self, key: str, record: _Record) -> None:
        keys = self._owned.get(record.owner) if record.owner is not None else None
        if keys is not None:
            keys.discard(key)
            if not keys:
                del self._owned[record.owner or ""]

    def _drop(self, key: str) -> None:
        record = self._records.pop(key, None)
        if record is not None:
            self._disown(key, record)

    def _sweep(self, most: int) -> None:
        """Remove up to ``most`` records or stale entries whose time is over."""
        now = self._clock()
        while most and self._ends and self._ends[0][0] <= now:
            self._drop_if_ends(*heappop(self._ends))
            most -= 1

    def _make_room(self) -> None:
        count = len(self._records)
        while len(self._records) == count:
            self._drop_if_ends(*heappop(self._ends))

    def _drop_if_ends(self, ends: float, key: str) -> None:
        record = self._records.get(key)
        if record is not None and record.ends == ends:
            self._drop(key)
