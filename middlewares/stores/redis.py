"""Records in Redis or Valkey, shared by any number of machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .base import DEADLINE, Item
from .redis_client import RedisClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ("RedisStore",)

# A record is a hash of its value and its owner, so that one script over one key does everything: in a cluster as well.
# Each script may be repeated: see `Store`.
_CREATE: Final = """
local held = redis.call('HGET', KEYS[1], 'v')
if held and held ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'v', ARGV[1], 'o', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""
_REPLACE: Final = """
local held = redis.call('HGET', KEYS[1], 'v')
if not held then return false end
if ARGV[5] == '1' or held == ARGV[1] or held == ARGV[2] then
  redis.call('HSET', KEYS[1], 'v', ARGV[2], 'o', ARGV[4])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return ARGV[2]
end
return held
"""
# The set of an owner's keys lives as long as the longest of its records.
_OWN: Final = """
redis.call('SADD', KEYS[1], ARGV[1])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
"""


class RedisStore:
    """Records in Redis or Valkey, under keys that begin with ``prefix``.

    An owner's keys are named in a set before the record itself is written, so that none can be missing there; what
    the set names too many of is passed over.
    """

    needs_asyncio = True

    def __init__(self, url: str, *, prefix: str = "middlewares:", deadline: float = DEADLINE) -> None:
        self._client = RedisClient(url, deadline=deadline)
        self._prefix = prefix

    async def get(self, key: str) -> bytes | None:
        """Return the value of a record."""
        value: bytes | None = await self._client.call(lambda client: client.hget(self._record(key), "v"))
        return value

    async def create(self, key: str, value: bytes, ttl: float, owner: str | None = None) -> bool:
        """Store a new record."""
        arguments = [value, _milliseconds(ttl), owner or ""]
        return bool(await self._client.scripts(*self._own(key, ttl, owner), (_CREATE, [self._record(key)], arguments)))

    async def replace(
        self, key: str, old: bytes | None, new: bytes, ttl: float, owner: str | None = None
    ) -> bytes | None:
        """Store ``new`` if the value is still ``old``."""
        arguments = [old or b"", new, _milliseconds(ttl), owner or "", int(old is None)]
        replacing = (_REPLACE, [self._record(key)], arguments)
        held: bytes | None = await self._client.scripts(*self._own(key, ttl, owner), replacing)
        return held

    async def touch(self, key: str, ttl: float, owner: str | None = None) -> bool:
        """Give a record a new time to live."""
        for owning in self._own(key, ttl, owner):
            await self._client.script(*owning)
        return bool(await self._client.call(lambda client: client.pexpire(self._record(key), _milliseconds(ttl))))

    async def delete(self, key: str, owner: str | None = None) -> bool:
        """Delete a record."""
        was_there = bool(await self._client.call(lambda client: client.delete(self._record(key))))
        if owner is not None:
            await self._client.call(lambda client: client.srem(self._owner(owner), key))
        return was_there

    async def owned(self, owner: str) -> list[Item]:
        """Return the records of an owner."""
        keys: set[bytes] = await self._client.call(lambda client: client.smembers(self._owner(owner)))
        found = [await self._item(key.decode()) for key in sorted(keys)]
        return [item for item in found if item is not None and item.owner == owner]

    async def items(self) -> AsyncIterator[Item]:
        """Go through all records."""
        start = self._record("")
        cursor: Any = 0
        while True:
            cursor, names = await self._client.call(_scan(cursor, f"{_escaped(start)}*"))
            for name in names:
                item = await self._item(name.decode().removeprefix(start))
                if item is not None:
                    yield item
            if not _goes_on(cursor):
                return

    async def collect(self) -> int:
        """Leave it to the server, which removes records by itself."""
        return 0

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        await self._client.aclose()

    async def _item(self, key: str) -> Item | None:
        value, owner = await self._client.call(lambda client: client.hmget(self._record(key), "v", "o"))
        ttl = await self._client.call(lambda client: client.pttl(self._record(key)))
        if value is None or ttl < 0:
            return None
        return Item(key, value, ttl / 1000, owner.decode() or None)

    def _own(self, key: str, ttl: float, owner: str | None) -> list[tuple[str, list[str], list[Any]]]:
        """Return the script that names a record among its owner's, if it has one."""
        return [] if owner is None else [(_OWN, [self._owner(owner)], [key, _milliseconds(ttl)])]

    def _record(self, key: str) -> str:
        return f"{self._prefix}r:{key}"

    def _owner(self, owner: str) -> str:
        return f"{self._prefix}o:{owner}"


def _milliseconds(ttl: float) -> int:
    return max(1, round(ttl * 1000))


def _escaped(pattern: str) -> str:
    return "".join(f"\\{letter}" if letter in "\\*?[]^-" else letter for letter in pattern)


def _scan(cursor: Any, pattern: str) -> Any:
    return lambda client: client.scan(cursor, match=pattern, count=500)


def _goes_on(cursor: Any) -> bool:
    """Return whether a scan is not at its end; that of a cluster has a cursor for every node."""
    return any(cursor.values()) if isinstance(cursor, dict) else cursor != 0
