"""Sessions as who runs the site sees them: listed, ended, and cleared away, outside of any request."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import SessionError
from .in_store import session_record
from .records import decode

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from middlewares.stores import Item

    from .middleware import Sessions

__all__ = ("ListedSession", "Overview")


@dataclass(frozen=True, slots=True)
class ListedSession:
    """One session. What it holds is not told, but for whose it is. Times are in seconds since 1970."""

    key: str
    """Names it in the store; the cookie cannot be told from it."""
    user: Any
    """What the session holds under ``user_key``; ``None`` for a visitor who is not logged in."""
    created: float
    """When it began, or the user logged in."""
    renewed: float
    """When it was used last, or not long before."""
    ends: float
    """When it ends unless it is used again."""


class Overview:
    """All sessions of a layer; an async context manager that closes the store in the end.

    A store that was handed to the layer as an object is closed as well; it opens again when it is asked again.
    """

    def __init__(self, layer: Sessions) -> None:
        self._keeper = layer._keeper

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for store in self._keeper.stores():
            await store.aclose()

    @property
    def cookie(self) -> str:
        """The name of their cookie."""
        return self._keeper.jar.name

    async def sessions(self, user: Any = None) -> list[ListedSession]:
        """Return the sessions of a user, or of everybody, those used last first.

        Raises `SessionError` if they are in cookies, and `StoreUnavailable`.
        """
        home = self._keeper.in_store
        if home is None:
            raise SessionError("Sessions: sessions in cookies cannot be listed; the option store is needed")
        if user is not None:
            found = [self._listed(item) for item in await home.store.owned(self._keeper.rules.owner(user) or "")]
        else:
            async with aclosing(home.store.items()) as items:  # type: ignore[type-var]  # stores give generators
                found = [self._listed(item) async for item in items]
        return sorted((one for one in found if one is not None), key=lambda one: (-one.renewed, one.key))

    async def revoke(self, user: Any, key: str) -> bool:
        """End one session of a user, named as in the list; return whether there was one."""
        return await self._keeper.revoke(user, key)

    async def revoke_all(self, user: Any) -> int | None:
        """End all sessions of a user; return how many there were, ``None`` where they are in cookies.

        Raises `SessionError` if there is no store to revoke them in, and `StoreUnavailable`.
        """
        if not self._keeper.can_revoke:
            raise SessionError("Sessions: sessions in cookies cannot be revoked; the option revocations is needed")
        count = await self._keeper.revoke_all(user)
        return count if self._keeper.is_in_store else None

    async def collect(self) -> int:
        """Remove from the stores what is over; return how many records. Raises as `revoke_all` does."""
        stores = self._keeper.stores()
        if not stores:
            raise SessionError("Sessions: sessions in cookies leave nothing to clear away; there is no store")
        return sum([await store.collect() for store in stores])

    def _listed(self, item: Item) -> ListedSession | None:
        """Return the session in a record; others are pointers, and what another cookie's layer keeps there."""
        record, now = session_record(item.value), self._keeper.clock()
        data = None if record is None else decode(record.data)
        if record is None or data is None or self._keeper.rules.lifetimes.is_over(record, now):
            return None
        return ListedSession(item.key, self._keeper.rules.user(data), record.created, record.renewed, now + item.ttl)
