"""Sessions in the cookie itself, signed or encrypted.

A cookie that was sent once stays genuine until its time is over: whoever copied it before a logout is logged in with
it again. A small store of revoked ids ends that, for every worker and at once.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from middlewares.stores import QuickStore

from .homes import GONE, Reading, Rules, digest, epoch_key, named
from .records import Record, decode
from .state import Kept, State

if TYPE_CHECKING:
    from middlewares.stores import Store

    from .in_store import InStore
    from .tokens import Sealer

__all__ = ("InCookie",)

_ID: Final = 16
_MOST_SUCCESSORS: Final = 8
_REVOKED: Final = "r:"
_SUCCEEDED: Final = b">"
"""Stands before the name of the id that a session got when it got a new one."""


class InCookie:
    """Keeps sessions in cookies, and the ids of those that were ended early in a store, if there is one."""

    can_save_late = False

    def __init__(self, sealer: Sealer, rules: Rules, revoked: Store | None, spill: InStore | None = None) -> None:
        self.store = revoked
        self.quick = revoked if isinstance(revoked, QuickStore) else None
        self._sealer = sealer
        self._spill = spill
        """Where sessions go on that are too large for a cookie."""
        self._rules = rules

    def open(self, value: str, now: float) -> State | None:
        """Return the session of a cookie that is genuine and not over."""
        opened = self._sealer.open(value)
        if opened is None:
            return None
        payload, is_current = opened
        record = Record.unpack(payload[_ID:])
        if record is None or self._rules.lifetimes.is_over(record, now):
            return None
        data = decode(record.data)
        if data is None:
            return None
        random = payload[:_ID]
        state = State(self, data)
        state.keep(Kept("" if self.store is None else self._name(random), random, record, b""))
        state.user = self._rules.user(data)
        if not is_current:
            state.is_current = False
        return state

    def load(self, state: State, now: float) -> Reading[State | None]:
        """Return the session, unless it was revoked."""
        kept = state.kept
        if kept is None:
            return None
        revoked = yield kept.name
        if revoked is not None:
            ended = State(self, {})
            ended.successor = named(revoked) if revoked[:1] == _SUCCEEDED else ""
            return ended
        owner = self._rules.owner(state.user)
        epoch = None if owner is None else (yield epoch_key(owner))
        return None if epoch is not None and kept.record.is_from_before(epoch) else state

    async def create(self, state: State, data: bytes, now: float) -> str:
        """Return the cookie of a new session."""
        return self._seal(state, os.urandom(_ID), Record(now, now, now, data))

    async def save(self, state: State, kept: Kept, data: bytes, now: float) -> str | None:
        """Return the cookie with the changes, under the same id: if that was revoked, it stays so."""
        return self._seal(state, kept.random, Record(kept.record.created, now, kept.record.named, data))

    async def rotate(
        self, state: State, kept: Kept, data: bytes, now: float, *, is_login: bool, gently: bool
    ) -> str | None:
        """Return the cookie under a new id; the old one is revoked, where there is a store for that."""
        new = os.urandom(_ID)
        if self.store is not None:
            # What ends this session ends its successor too, but for one that began with a login.
            mark = (b"+" if is_login else _SUCCEEDED) + self._name(new).encode()
            if not await self.store.create(kept.name, mark, self._life(kept, now)) and not is_login:
                state.lose()
                return None
        return self._seal(state, new, Record(now if is_login else kept.record.created, now, now, data))

    async def kill(self, state: State, kept: Kept, now: float) -> None:
        """Revoke the id, where there is a store for that."""
        await self._revoke(kept.name, self._life(kept, now))

    async def kill_successor(self, state: State, now: float) -> None:
        """Revoke the id that a session got before this request came with its former one."""
        await self._revoke(state.successor, self._rules.lifetimes.left(now, now))

    async def hand_over(self, state: State, kept: Kept, name: str, now: float) -> bool:
        """Let a session go on under a key of the other home; return whether it was not revoked meanwhile."""
        if self.store is None:
            return True
        if not await self.store.create(kept.name, _SUCCEEDED + name.encode(), self._life(kept, now)):
            return False
        owner = self._rules.owner(self._rules.user(state.data))
        epoch = None if owner is None else await self.store.get(epoch_key(owner))
        return epoch is None or not kept.record.is_from_before(epoch)

    async def _revoke(self, name: str, life: float) -> None:
        for _ in range(_MOST_SUCCESSORS):
            if self.store is None or not name:
                return
            if not name.startswith(_REVOKED):
                return await self._spill.end_named(name) if self._spill is not None else None
            if await self.store.create(name, GONE, life):
                return
            held = await self.store.get(name) or b""
            name = named(held) if held[:1] == _SUCCEEDED else ""

    def _seal(self, state: State, random: bytes, record: Record) -> str:
        state.keep(Kept("" if self.store is None else self._name(random), random, record, b""))
        return self._sealer.seal(random + record.pack())

    def _name(self, random: bytes) -> str:
        return _REVOKED + digest("revoked", self._rules.cookie, random)

    def _life(self, kept: Kept, now: float) -> float:
        # As long as any cookie with this id can be genuine.
        return self._rules.lifetimes.left(kept.record.created, now)
