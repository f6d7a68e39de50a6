"""What all requests of a layer share: how a session is found for a request, and what becomes of it at its end."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Literal

from middlewares.stores import StoreUnavailable
from middlewares.stores.memory import MemoryStore

from .errors import SessionNotLoaded
from .homes import epoch_key, read, read_now
from .in_cookie import InCookie
from .in_store import InStore, session_record
from .patience import Patience, waited
from .records import LONGEST, decode, encode, epoch_of
from .state import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares.core.headers import HeaderList, Headers
    from middlewares.stores import Item, Store

    from .homes import Home, Rules
    from .jar import Jar
    from .migration import OldCookies

__all__ = ("Keeper", "WhenDown")

_log = logging.getLogger("middlewares")

WhenDown = Literal["503", "anonymous"]

EXPIRED: Final = ""
"""In the place of a cookie: the browser is to forget it."""


class Keeper:
    """Loads and saves the sessions of one layer."""

    def __init__(
        self,
        jar: Jar,
        rules: Rules,
        homes: dict[str, Home],
        *,
        clock: Callable[[], float],
        when_down: WhenDown,
        store_deadline: float,
        old: OldCookies | None,
        identity: tuple[object, ...] = (),
    ) -> None:
        self.jar = jar
        self.rules = rules
        self.clock = clock
        self.when_down = when_down
        self._homes = homes
        """By the first character of their cookies; the first keeps new sessions."""
        self._home = next(iter(homes.values()))
        self._old = old
        self._identity = identity
        self.in_store = next((home for home in homes.values() if isinstance(home, InStore)), None)
        """The home in a store, if there is one."""
        self._spill = None if self._home is self.in_store else self.in_store
        stores = self.stores()
        self.store: Store | None = next(iter(stores), None)
        """Where sessions, or what was revoked, are kept."""
        self.can_revoke = len(stores) == len(homes)
        """Whether every session can be ended before its time."""
        self.is_in_store = all(isinstance(home, InStore) for home in homes.values())
        self.waits = any(home.store is not None and home.quick is None for home in homes.values())
        """Whether loading may have to wait for a store on the network."""
        self._patience = None if all(isinstance(store, MemoryStore) for store in stores) else store_deadline
        """Seconds that a request may wait; ``None`` where everything is in this process."""

    def stores(self) -> list[Store]:
        """Return the stores of all homes."""
        return [home.store for home in self._homes.values() if home.store is not None]

    def is_like(self, other: Keeper) -> bool:
        """Return whether another one reads and writes the same cookie in the same way."""
        return self._identity == other._identity

    def patience(self) -> Patience | None:
        """Return how long a new request may wait for its stores."""
        return None if self._patience is None else Patience(self._patience)

    # -- loading

    def load_now(self, headers: Headers) -> State:
        """Return the session of a request at once. Raises `SessionNotLoaded` and `StoreUnavailable`."""
        state = self._find(headers)
        if state is None or state.home.store is None:
            return state or self._without(headers)
        quick = state.home.quick
        if quick is None:
            raise SessionNotLoaded(
                "Sessions: this session is in a store on the network: `await request.session.load()` first, "
                "or leave preload at true"
            )
        try:
            return read_now(state.home.load(state, self.clock()), quick) or self._without(headers)
        except StoreUnavailable as error:
            return self.unavailable(error)

    async def load(self, headers: Headers, patience: Patience | None) -> State:
        """Return the session of a request. Raises `StoreUnavailable`."""
        state = self._find(headers)
        if state is None or state.home.store is None:
            return state or self._without(headers)
        try:
            reading = read(state.home.load(state, self.clock()), state.home.store)
            return await waited(reading, patience) or self._without(headers)
        except StoreUnavailable as error:
            return self.unavailable(error)

    def _find(self, headers: Headers) -> State | None:
        """Return the session of the one genuine cookie of a request, as far as the cookie tells."""
        values = self.jar.values(headers)
        if not values:
            return None
        now = self.clock()
        if len(values) == 1:
            return self._open(values[0], now)
        found = [one for value in values if (one := self._open(value, now)) is not None]
        if len(found) > 1:
            # Browsers send the cookie with the longer path first, so neither place tells which is ours
            # (RFC 6265, 4.2.2 and 8.6): a neighbour has planted one of them.
            _log.warning("sessions: %d genuine cookies %r in one request; none is used", len(found), self.jar.name)
            return None
        return found[0] if found else None

    def unavailable(self, error: StoreUnavailable) -> State:
        """Return an empty session where that is what to do without the store; raises the error elsewhere."""
        if self.when_down != "anonymous":
            raise error
        _log.warning("sessions: treated as anonymous: %s", error)
        state = State(self._home, {})
        state.unavailable = True
        return state

    def _open(self, value: str, now: float) -> State | None:
        home = self._homes.get(value[:1])
        return None if home is None else home.open(value, now)

    def _without(self, headers: Headers) -> State:
        old = None if self._old is None else self._old.read(headers, self.clock())
        state = State(self._home, old or {})
        state.changed = state.migrated = bool(old)
        return state

    # -- saving

    def is_settled(self, state: State) -> bool:
        """Return whether there is nothing to keep and nothing to send: the session was at most looked at."""
        if state.changed or state.exposed or state.typed:
            return False
        kept = state.kept
        if kept is None:
            return True
        now, lifetimes = self.clock(), self.rules.lifetimes
        is_due = lifetimes.is_due(kept.record, now) or lifetimes.needs_new_id(kept.record, now)
        return state.is_current and not is_due

    async def settle(self, state: State, headers: Headers, *, late: bool = False) -> HeaderList:
        """Keep what became of a session; return the ``Set-Cookie`` fields for it.

        ``late``: they cannot be sent any more, so that the session must keep its id.

        Raises `StoreUnavailable`, `SessionTooLarge` and `SessionError`; nothing is kept then.
        """
        now = self.clock()
        data = state.encoded()
        if state.is_lost:
            return []
        if state.unavailable:
            if data is not None or state.changed:
                raise StoreUnavailable("sessions: a change cannot be kept, because the store could not be asked")
            return []
        value = await self._settled(state, data, now, late=late)
        if state.is_lost:
            return []
        if value is not None and self._spill is not None and value != EXPIRED and not self.jar.fits(value):
            value = await self._spilled(state, self._spill, now)
        if data is not None:
            state.user = self.rules.user(state.data)
        state.settle()
        state.migrated = False
        return [] if value is None else self._lines(state, value, now, headers)

    async def _settled(self, state: State, data: bytes | None, now: float, *, late: bool) -> str | None:
        """Return the cookie to send, `EXPIRED`, or ``None`` to send none."""
        home: Home = state.home
        if state.successor and (state.ended or (state.changed and not state.data)):
            await home.kill_successor(state, now)
        if state.kept is not None and (state.ended or not state.data):
            await home.kill(state, state.kept, now)
            state.forget()
            if not state.data:
                return EXPIRED
            data = encode(state.data)
        kept = state.kept
        if kept is None:
            if data is None or not state.data:
                return EXPIRED if state.migrated else None
            return await home.create(state, data, now)
        is_login = data is not None and self.rules.user(state.data) != state.user
        gently = (
            home.can_save_late
            and not late
            and not state.regenerate
            and self.rules.lifetimes.needs_new_id(kept.record, now)
        )
        if is_login or state.regenerate or gently:
            try:
                return await home.rotate(state, kept, data or state.base, now, is_login=is_login, gently=gently)
            except BaseException:  # somebody may have given up waiting, too
                state.keep(kept)  # it is the old id that must not live on
                raise
        if data is not None or not state.is_current or self.rules.lifetimes.is_due(kept.record, now):
            return await home.save(state, kept, data or state.base, now)
        return None

    async def end_pending(self, state: State) -> None:
        """End a session that was to end or to get a new id, where nothing else of this request is kept.

        Raises `StoreUnavailable`.
        """
        kept = state.kept
        if state.successor and (state.ended or (state.changed and not state.data)):
            await state.home.kill_successor(state, self.clock())
        if kept is not None and (state.ended or state.regenerate or (state.changed and not state.data)):
            await state.home.kill(state, kept, self.clock())
            state.forget()

    async def _spilled(self, state: State, store: InStore, now: float) -> str | None:
        """Move what is too large for a cookie into the store, unless somebody has ended it."""
        cookie, kept = state.home, state.kept
        if not isinstance(cookie, InCookie) or kept is None:
            return None
        value, name = await store.adopt(state, kept, now)
        if not await cookie.hand_over(state, kept, name, now):
            await store.end_named(name)
            state.lose()
            return None
        state.home = store
        return value

    def _lines(self, state: State, value: str, now: float, headers: Headers) -> HeaderList:
        if value == EXPIRED:
            lines = self.jar.deletion(headers)
        else:
            created = now if state.kept is None else state.kept.record.created
            lines = self.jar.lines(value, self.rules.lifetimes.left(created, now), headers)
        if self._old is not None and self._old.cookie != self.jar.name and self._old.is_in(headers):
            # It would bring the user back after a logout.
            lines.append(self.jar.deleted(self._old.cookie))
        return lines

    # -- all sessions of a user

    async def owned(self, user: Any) -> list[tuple[Item, dict[str, Any], float, float]]:
        """Return the sessions of a user: item, data, and when they began and were used last."""
        home, owner = self.in_store, self.rules.owner(user)
        found = []
        for item in await home.store.owned(owner) if home is not None and owner is not None else ():
            record = session_record(item.value)
            if record is not None and not self.rules.lifetimes.is_over(record, self.clock()):
                found.append((item, decode(record.data) or {}, record.created, record.renewed))
        return found

    async def revoke(self, user: Any, key: str) -> bool:
        """End one session of a user in the store; return whether there was one."""
        for item, *_ in await self.owned(user):
            if item.key == key and self.in_store is not None:
                await self.in_store.end(key, item.value, item.owner)
                return True
        return False

    async def revoke_all(self, user: Any, but: str | None = None) -> int:
        """End all sessions of a user; return how many were found in the store."""
        owner = self.rules.owner(user)
        count = 0
        for home in self._homes.values() if owner is not None else ():
            if isinstance(home, InStore):
                # One that gets a new id meanwhile is followed to that.
                for item in await home.store.owned(str(owner)):
                    if item.key != but:
                        count += session_record(item.value) is not None
                        await home.end(item.key, item.value, item.owner)
            elif home.store is not None:
                # All cookies from before now are void.
                key, value = epoch_key(str(owner)), epoch_of(self.clock())
                if not await home.store.create(key, value, LONGEST):
                    await home.store.replace(key, None, value, LONGEST)
        return count
