"""Records in an SQLite file, shared by all processes of one machine."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final

from .base import DEADLINE, Item
from .database import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

__all__ = ("SQLiteStore",)

_CREATES_PER_SWEEP: Final = 64
_SWEPT_AT_ONCE: Final = 128
_LISTED_AT_ONCE: Final = 500

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS {0} (key TEXT PRIMARY KEY, value BLOB NOT NULL, ends REAL NOT NULL, owner TEXT)",
    "CREATE INDEX IF NOT EXISTS {0}_ends ON {0} (ends)",
    "CREATE INDEX IF NOT EXISTS {0}_owner ON {0} (owner) WHERE owner IS NOT NULL",
)
_GET = "SELECT value FROM {0} WHERE key = ? AND ends > ?"
# A record whose time is over, but which was not removed yet, is overwritten as if it were not there.
_CREATE = """
INSERT INTO {0} (key, value, ends, owner) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (key) DO UPDATE SET value = ?2, ends = ?3, owner = ?4 WHERE ends <= ?5 OR value = ?2 RETURNING 1
"""
_REPLACE = """
UPDATE {0} SET
  ends = CASE WHEN ?2 IS NULL OR value = ?2 THEN ?4 ELSE ends END,
  owner = CASE WHEN ?2 IS NULL OR value = ?2 THEN ?5 ELSE owner END,
  value = CASE WHEN ?2 IS NULL OR value = ?2 THEN ?3 ELSE value END
WHERE key = ?1 AND ends > ?6 RETURNING value
"""
_TOUCH = "UPDATE {0} SET ends = ?2 WHERE key = ?1 AND ends > ?3 RETURNING 1"
_DELETE = "DELETE FROM {0} WHERE key = ?1 RETURNING ends > ?2"
_OWNED = "SELECT key, value, ends, owner FROM {0} WHERE owner = ?1 AND ends > ?2"
_ITEMS = "SELECT key, value, ends, owner FROM {0} WHERE key > ?1 AND ends > ?2 ORDER BY key LIMIT ?3"
_SWEEP = "DELETE FROM {0} WHERE key IN (SELECT key FROM {0} WHERE ends <= ?1 LIMIT ?2) RETURNING 1"


class SQLiteStore:
    """Records in a table of an SQLite file.

    Deleting waits for the disk, so that what was deleted stays so when the power fails; other writes do not, and the
    last of them may be lost then.
    """

    def __init__(
        self,
        path: str,
        *,
        table: str = "records",
        deadline: float = DEADLINE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not re.fullmatch(r"[a-z_][a-z0-9_]*", table):
            raise ValueError(f"SQLiteStore: table must be a lower-case identifier; got {table!r}")
        self._database = Database(path, [statement.format(table) for statement in _SCHEMA], deadline=deadline)
        self._table = table
        self._clock = clock
        self._creates = 0

    async def get(self, key: str) -> bytes | None:
        """Return the value of a record."""
        rows = await self._run(_GET, key, self._clock())
        return rows[0][0] if rows else None

    def get_now(self, key: str) -> bytes | None:
        """Return the value of a record, read in the event loop; raises `StoreUnavailable` where that must wait."""
        rows = self._database.run_now(_GET.format(self._table), key, self._clock())
        return rows[0][0] if rows else None

    async def create(self, key: str, value: bytes, ttl: float, owner: str | None = None) -> bool:
        """Store a new record."""
        now = self._clock()
        self._creates += 1
        if self._creates % _CREATES_PER_SWEEP == 0:
            await self._run(_SWEEP, now, _SWEPT_AT_ONCE)
        return bool(await self._run(_CREATE, key, value, now + ttl, owner, now))

    async def replace(
        self, key: str, old: bytes | None, new: bytes, ttl: float, owner: str | None = None
    ) -> bytes | None:
        """Store ``new`` if the value is still ``old``."""
        now = self._clock()
        rows = await self._run(_REPLACE, key, old, new, now + ttl, owner, now)
        return rows[0][0] if rows else None

    async def touch(self, key: str, ttl: float, owner: str | None = None) -> bool:
        """Give a record a new time to live."""
        now = self._clock()
        return bool(await self._run(_TOUCH, key, now + ttl, now))

    async def delete(self, key: str, owner: str | None = None) -> bool:
        """Delete a record, on the disk too."""
        rows = await self._run(_DELETE, key, self._clock(), durable=True)
        return bool(rows and rows[0][0])

    async def owned(self, owner: str) -> list[Item]:
        """Return the records of an owner."""
        now = self._clock()
        return [_item(row, now) for row in await self._run(_OWNED, owner, now)]

    async def items(self) -> AsyncIterator[Item]:
        """Go through all records, in the order of their keys."""
        last = ""
        while True:
            now = self._clock()
            rows = await self._run(_ITEMS, last, now, _LISTED_AT_ONCE)
            for row in rows:
                yield _item(row, now)
            if len(rows) < _LISTED_AT_ONCE:
                return
            last = rows[-1][0]

    async def collect(self) -> int:
        """Remove records whose time is over."""
        total = 0
        while count := len(await self._run(_SWEEP, self._clock(), _SWEPT_AT_ONCE)):
            total += count
        return total

    async def aclose(self) -> None:
        """Close the file."""
        self._database.close()

    async def _run(self, statement: str, *values: Any, durable: bool = False) -> list[Any]:
        return await self._database.run(statement.format(self._table), *values, durable=durable)


def _item(row: Any, now: float) -> Item:
    key, value, ends, owner = row
    return Item(key, value, ends - now, owner)
