"""The contract of stores: records of bytes under a key, each with a time to live and perhaps an owner.

Every operation is one atomic step of the store, so that no order of overlapping calls can lose a write or bring back
what was deleted: `Store.create` never overwrites, `Store.replace` never creates.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from middlewares.errors import MiddlewaresError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ("DEADLINE", "Item", "QuickStore", "Store", "StoreUnavailable", "loop_problem", "running_asyncio")

DEADLINE = 0.25
"""Seconds that one call of a store may take unless it is told otherwise."""


class StoreUnavailable(MiddlewaresError):
    """A store did not answer within its deadline, or could not be reached. Whether a write took effect is unknown."""

    is_answered = False
    """Whether a layer further out makes an answer of it."""


class Item(NamedTuple):
    """A record as an enumeration gives it."""

    key: str
    value: bytes
    ttl: float
    """Seconds that it has left."""
    owner: str | None


@runtime_checkable
class Store(Protocol):
    """Records of bytes with a time to live, in seconds.

    All calls raise `StoreUnavailable` where the store does not answer within its deadline. All writes may be repeated:
    a repetition of a call that took effect says what the first would have said.
    """

    async def get(self, key: str) -> bytes | None:
        """Return the value of a record, or ``None`` if there is none, or no longer."""
        ...

    async def create(self, key: str, value: bytes, ttl: float, owner: str | None = None) -> bool:
        """Store a new record; return whether there was none with another value."""
        ...

    async def replace(
        self, key: str, old: bytes | None, new: bytes, ttl: float, owner: str | None = None
    ) -> bytes | None:
        """Store ``new`` if the value is still ``old`` (``None``: whatever it is), and give the record ``ttl``.

        Return the value that the store then holds: ``new`` if it was stored, another if somebody was faster, and
        ``None`` if there is no such record (any more).
        """
        ...

    async def touch(self, key: str, ttl: float, owner: str | None = None) -> bool:
        """Give a record a new time to live; return whether there is one. ``owner`` must be that of the record."""
        ...

    async def delete(self, key: str, owner: str | None = None) -> bool:
        """Delete a record; return whether there was one. Once this returns, it cannot be read again."""
        ...

    async def owned(self, owner: str) -> list[Item]:
        """Return the records of an owner."""
        ...

    def items(self) -> AsyncIterator[Item]:
        """Go through all records. What is written meanwhile may be missing."""
        ...

    async def collect(self) -> int:
        """Remove records whose time is over; return how many. Stores do so by and by without being told."""
        ...

    async def aclose(self) -> None:
        """Release connections and files. The next call opens them again."""
        ...


@runtime_checkable
class QuickStore(Store, Protocol):
    """A store that answers at once: what it holds is in this process, or in a file of this machine."""

    def get_now(self, key: str) -> bytes | None:
        """Return the value of a record, as `Store.get` does, without waiting."""
        ...


def loop_problem(store: object) -> str | None:
    """Return why a store cannot be asked from the event loop that runs now; ``None`` if it can."""
    if not getattr(store, "needs_asyncio", False):
        return None
    try:
        running_asyncio()
    except RuntimeError as error:
        return str(error)
    return None


def running_asyncio() -> asyncio.AbstractEventLoop:
    """Return the loop of asyncio that runs now. Raises `RuntimeError` where there is none."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError as error:
        raise RuntimeError(
            "a store in Redis or Valkey works under asyncio alone, as redis-py does; under Trio use 'sqlite:///path.db'"
        ) from error
