"""Sessions as records of a store, of which the cookie holds nothing but an id.

Creating never overwrites and saving never creates, so that no overlap of requests can bring back what is gone. Where
two requests changed one session, the second to save reads what the first has saved, and changes its own keys in that.

An id gives way to a new one in this order: the new record is made, then the old one becomes a pointer to it, if it is
still there. Whoever ends the session by its old id finds either the session or the pointer, and ends both.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, Final

from middlewares.stores import QuickStore, StoreUnavailable

from .homes import GONE, Reading, Rules, digest, named
from .records import EMPTY, Record, decode, encode
from .state import Kept, State, merged

if TYPE_CHECKING:
    from middlewares.stores import Store

    from .tokens import Ids

__all__ = ("InStore", "session_record")

_log = logging.getLogger("middlewares")

_MOST_ATTEMPTS: Final = 1000
_MOST_SUCCESSORS: Final = 8
_POINTER_LIFE: Final = 60.0
"""Seconds for which requests that are under way may still name a session by its former id."""

_UNREAD: Final = Record(0, 0, 0, EMPTY)
_SESSION: Final = b"\x00"
_MARK: Final = 8
_FOLLOWED: Final = b">"
"""A pointer to what a session is called now, for requests under way."""
_ENDED: Final = b"+"
"""A pointer that only leads those on who end the session."""


class InStore:
    """Keeps sessions in a store."""

    can_save_late = True

    def __init__(self, ids: Ids, rules: Rules, store: Store) -> None:
        self.store = store
        self.quick = store if isinstance(store, QuickStore) else None
        self._ids = ids
        self._rules = rules

    def open(self, value: str, now: float) -> State | None:
        """Return the session of a cookie whose id is one of ours, still without its data."""
        opened = self._ids.open(value)
        if opened is None:
            return None
        state = State(self, {})
        state.kept = Kept(self._key(opened[0]), opened[0], _UNREAD, b"")
        state.is_current = opened[1]
        return state

    def load(self, state: State, now: float) -> Reading[State | None]:
        """Read the session."""
        kept = state.kept
        if kept is None:
            return None
        key, random = kept.name, kept.random
        stored = yield key
        for _ in range(_MOST_SUCCESSORS):
            if stored is None or stored[:1] != _FOLLOWED:
                break
            # The new id is on its way to the client in another response; this request cannot tell it.
            key, random = named(stored), b""
            stored = yield key
        if stored is not None and stored[:1] == _ENDED:
            ended = State(self, {})
            ended.successor = named(stored)
            return ended
        record = session_record(stored)
        data = None if record is None else decode(record.data)
        if record is None or data is None or self._rules.lifetimes.is_over(record, now):
            return None
        state.data = data
        state.keep(Kept(key, random, record, stored or b""))
        state.user = self._rules.user(data)
        return state

    def value(self, state: State) -> str | None:
        """Return the cookie of a session, if this request knows it."""
        return self._ids.seal(state.kept.random) if state.kept is not None and state.kept.random else None

    async def create(self, state: State, data: bytes, now: float) -> str:
        """Keep a new session under a new id."""
        return self._ids.seal((await self._create(state, Record(now, now, now, data), now)).random)

    async def adopt(self, state: State, kept: Kept, now: float) -> tuple[str, str]:
        """Keep a session that was in a cookie, and is as old as it was there; return its cookie and its key."""
        new = await self._create(state, kept.record._replace(renewed=now, named=now), now)
        return self._ids.seal(new.random), new.name

    async def save(self, state: State, kept: Kept, data: bytes, now: float) -> str | None:
        """Keep changes, unless the session is gone. The cookie is sent again if that is due."""
        is_late = not state.is_current or self._rules.lifetimes.is_due(kept.record, now)
        held = await self._merge(state, kept, now)
        if held is None:
            _log.debug("sessions: changes of a session that ended meanwhile are dropped")
            state.lose()
            return None
        return self.value(state) if is_late else None

    async def add(self, state: State, kept: Kept, key: str, amount: Any, now: float) -> Any:
        """Add to a number, whatever else has been added meanwhile; other changes are kept with it."""
        held = await self._merge(state, kept, now, key, amount)
        return None if held is None else held[key]

    async def rotate(
        self, state: State, kept: Kept, data: bytes, now: float, *, is_login: bool, gently: bool
    ) -> str | None:
        """Keep the session under a new id, unless it is gone; a login is kept in any case."""
        expected, mine = kept.stored, dict(state.data)
        new = await self._create(state, Record(now if is_login else kept.record.created, now, now, data), now)
        mark = GONE if is_login else (_FOLLOWED if gently else _ENDED) + new.name.encode()
        while True:
            held = await self.store.replace(kept.name, expected, mark, _POINTER_LIFE)
            if held == mark:
                break
            theirs = session_record(held)
            if theirs is None and not is_login:
                await self._give_up(state, new.name)
                return None
            # What others have saved under the old id comes along; nothing does where they have ended it.
            saved = EMPTY if theirs is None else theirs.data
            state.data.clear()
            state.data.update(merged(kept.record.data, mine, saved, self._rules.conflicts))
            new = await self._overwrite(state, new, now)
            if held is None or theirs is None:
                break
            expected = held
        if is_login:
            await self.store.delete(kept.name)
        return self._ids.seal(new.random)

    async def kill(self, state: State, kept: Kept, now: float) -> None:
        """Delete the record, and whatever it has become under another id."""
        await self.end(kept.name, kept.stored, self._rules.owner(state.user))

    async def kill_successor(self, state: State, now: float) -> None:
        """Delete what a session became before this request came with its former id."""
        await self.end_named(state.successor)

    async def end_named(self, name: str) -> None:
        """Delete what is under a key, and whatever it becomes meanwhile."""
        stored = await self.store.get(name)
        record = session_record(stored)
        data = None if record is None else decode(record.data)
        await self.end(name, stored, None if data is None else self._owner(data))

    async def end(self, name: str, stored: bytes | None, owner: str | None) -> None:
        """Delete the record under a key, which held ``stored`` a moment ago, and whatever it has become since."""
        for _ in range(_MOST_ATTEMPTS):
            if stored is None:
                return
            if session_record(stored) is None:
                await self.store.delete(name, owner)
                if stored[:1] not in (_FOLLOWED, _ENDED):
                    return
                name = named(stored)
                stored = await self.store.get(name)
                continue
            # Others who save just now must not find it; deleting alone would not tell us of a new id.
            stored = await self.store.replace(name, stored, GONE, _POINTER_LIFE)
        raise StoreUnavailable("sessions: a session is changed faster than it can be ended")

    async def _merge(
        self, state: State, kept: Kept, now: float, key: str | None = None, amount: Any = 0
    ) -> dict[str, Any] | None:
        """Save the changes of this request over what the store holds; return all data, ``None`` if it is gone."""
        name, random, record, expected = kept
        data = dict(state.data)
        for _ in range(_MOST_ATTEMPTS):
            if key is not None:
                data = {**data, key: data.get(key, 0) + amount}
            new = Record(record.created, max(record.renewed, now), record.named, encode(data))
            stored = _packed(new)
            life = self._rules.lifetimes.left(record.created, now)
            held = await self.store.replace(name, expected, stored, life, self._owner(data))
            if held == stored:
                state.keep(Kept(name, random, new, stored))
                state.data.clear()
                state.data.update(data)
                state.settle()
                return data
            if held is not None and held[:1] == _FOLLOWED:
                name, random = named(held), b""
                held = await self.store.get(name)
            theirs = session_record(held)
            if held is None or theirs is None:
                return None
            expected, record = held, theirs
            data = merged(kept.record.data, state.data, theirs.data, self._rules.conflicts)
        raise StoreUnavailable("sessions: a session is changed faster than it can be saved")

    async def _create(self, state: State, record: Record, now: float) -> Kept:
        stored = _packed(record)
        life = self._rules.lifetimes.left(record.created, now)
        while True:
            random = self._ids.new()
            key = self._key(random)
            # 144 random bits do not repeat; where they did, somebody's session would be taken over.
            if await self.store.create(key, stored, life, self._owner(state.data)):
                break
        kept = Kept(key, random, record, stored)
        state.keep(kept)
        return kept

    async def _overwrite(self, state: State, new: Kept, now: float) -> Kept:
        """Save the data under an id that nobody else knows yet."""
        record = new.record._replace(data=encode(state.data))
        kept = Kept(new.name, new.random, record, _packed(record))
        life = self._rules.lifetimes.left(record.created, now)
        await self.store.replace(kept.name, None, kept.stored, life, self._owner(state.data))
        state.keep(kept)
        return kept

    async def _give_up(self, state: State, name: str) -> None:
        """Delete a record that should not have been made: somebody has ended the session."""
        await self.store.delete(name, self._owner(state.data))
        state.lose()

    def _owner(self, data: dict[str, Any]) -> str | None:
        return self._rules.owner(self._rules.user(data))

    def _key(self, random: bytes) -> str:
        return "s:" + digest("id", self._rules.cookie, random)


def session_record(stored: bytes | None) -> Record | None:
    """Return the session that a store holds; ``None`` for a pointer, or nothing."""
    return Record.unpack(stored[1 + _MARK :]) if stored is not None and stored[:1] == _SESSION else None


def _packed(record: Record) -> bytes:
    # No two writes are alike: of two requests that add one to the same number, the second would take the record of the
    # first for its own.
    return _SESSION + os.urandom(_MARK) + record.pack()
