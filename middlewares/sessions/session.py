"""The session as an application has it in its hands: a mapping that is read when it is first asked."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from middlewares.stores import StoreUnavailable

from .errors import SessionError, too_late
from .in_store import InStore
from .records import SessionInfo
from .response import note
from .typed import Typed

if TYPE_CHECKING:
    from anyio import Event

    from middlewares.core.headers import HeaderList, Headers

    from .keeper import Keeper
    from .patience import Patience
    from .state import State

__all__ = ("Session",)

_T = TypeVar("_T")

_FLASHES = "_flashes"
_SCALARS = frozenset({str, int, float, bool, type(None)})
_MISSING: Any = object()


class Session(MutableMapping[str, Any]):
    """What is remembered of a visitor: whatever JSON can hold, under string keys.

    It is loaded when it is first read or changed. Every change that is visible in the end is saved, also inside of
    lists and tables. One that is left empty is ended, and its cookie deleted.
    """

    # Defaults stand here, so that a session which nobody asks for costs two attributes.
    _state: State | None = None
    _touched = False
    _sealed = False
    """Whether the headers of the response have left."""
    _lines: HeaderList | None = None
    """Fields that `commit` has prepared."""
    _failure: StoreUnavailable | None = None
    _failed = False
    """Whether the response says that the request failed, so that nothing more is kept."""
    _starting = False
    """Whether the start of the response is held up by the store."""
    _left: Patience | None = None
    """What the request may still wait for its stores."""
    _waiting: Event | None = None
    """Set once it has left, where somebody waits for that."""

    def __init__(self, keeper: Keeper, headers: Headers) -> None:
        self._keeper = keeper
        self._headers = headers

    # -- reading

    def __getitem__(self, key: str) -> Any:
        state = self._opened()
        value = state.data[key]
        if type(value) not in _SCALARS:
            state.exposed = True
        return value

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value, or ``default``."""
        state = self._opened()
        value = state.data.get(key, default)
        if type(value) not in _SCALARS:
            state.exposed = True
        return value

    def __contains__(self, key: object) -> bool:
        return key in self._opened().data

    def __iter__(self) -> Iterator[str]:
        return iter(self._opened().data)

    def __len__(self) -> int:
        return len(self._opened().data)

    def __repr__(self) -> str:
        return f"<Session {'not loaded' if self._state is None else [*self._state.data]}>"

    def copy(self) -> dict[str, Any]:
        """Return the data as a dict of its own; what is inside of it is the session's."""
        state = self._opened()
        state.exposed = True
        return state.data.copy()

    @property
    def is_new(self) -> bool:
        """Whether the request came without a session."""
        return self._opened().kept is None

    # -- changing

    def __setitem__(self, key: str, value: Any) -> None:
        state = self._changing()
        state.data[key] = value
        if type(value) not in _SCALARS:
            state.exposed = True  # whoever made it may still change it

    def __delitem__(self, key: str) -> None:
        del self._changing().data[key]

    def pop(self, key: str, default: Any = _MISSING) -> Any:
        """Remove a key, and return its value."""
        state = self._opened()
        if default is not _MISSING and key not in state.data and not state.unavailable:
            return default
        return self._changing().data.pop(key, *(() if default is _MISSING else (default,)))

    def popitem(self) -> tuple[str, Any]:
        """Remove the key that was set last, and return it with its value."""
        return self._changing().data.popitem()

    def clear(self) -> None:
        """Remove everything, which ends the session unless something is set again."""
        opened = self._opened()
        if opened.data or opened.successor or opened.unavailable:
            state = self._changing()
            state.data.clear()
            state.typed = ()

    def __ior__(self, other: Any) -> Self:
        self.update(other)
        return self

    def flash(self, message: str, category: str = "info") -> None:
        """Keep a message for the page that is shown next."""
        self.setdefault(_FLASHES, []).append([category, message])

    def flashes(self, category: str | None = None) -> list[tuple[str, str]]:
        """Return the messages kept, as pairs of category and text, and forget them; those of one category if given."""
        if _FLASHES not in self:
            return []
        kept = self[_FLASHES]
        taken = [(kind, text) for kind, text in kept if category in (None, kind)]
        left = [[kind, text] for kind, text in kept if category not in (None, kind)]
        if left:
            self[_FLASHES] = left
        else:
            del self[_FLASHES]
        return taken

    def typed(self, model: type[_T], key: str | None = None) -> _T:
        """Return the session, or the table under a key of it, as an object of a class.

        ``model`` is a dataclass, or a model of pydantic or msgspec. What the object is in the end is saved. Raises
        `SessionError` if the data does not fit.
        """
        state = self._opened()
        for known in state.typed:
            if known.model is model and known.key == key:
                found: _T = known.value
                return found
        made = Typed(model, key, state.data)
        state.typed += (made,)
        state.exposed = True  # the object may share lists and tables with the data
        return made.value

    # -- the session as a whole

    def regenerate(self) -> None:
        """Give the session a new id; the old one dies, even if the request fails from here on.

        It happens by itself where the user changes (option ``user_key``). Call it where somebody gains rights.
        """
        self._changing().regenerate = True

    def invalidate(self) -> None:
        """End the session: nobody can read it again, with whatever cookie. What is set after that begins a new one."""
        state = self._changing()
        state.data.clear()
        state.typed = ()
        state.ended = True

    async def load(self) -> None:
        """Load the session, where that must wait for a store on the network and was not done before.

        Raises `StoreUnavailable`.
        """
        if self._state is None:
            try:
                state = await self._keeper.load(self._headers, self._patience())
            except StoreUnavailable as error:
                note(self, error)
                raise
            if self._state is None:  # another task may have been faster
                self._state = state

    async def commit(self) -> None:
        """Save now what was changed so far, whatever becomes of the request.

        Raises `StoreUnavailable`, `SessionTooLarge` and `SessionTooLate`.
        """
        await self.load()
        state = self._opened()
        if self._sealed and not self._can_save_late(state) and state.encoded() is not None:
            raise too_late()
        try:
            lines = await self._keeper.settle(state, self._headers, late=self._sealed)
        except StoreUnavailable as error:
            note(self, error)
            raise
        self._lines = lines or self._lines

    async def add(self, key: str, amount: float = 1) -> Any:
        """Add to a number, and return it; with a store, no overlapping request can make it count less.

        What was changed otherwise is saved with it. In a cookie, and in a session that is new, it is a plain addition.
        """
        await self.load()
        state = self._opened()
        home, kept = state.home, state.kept
        if not isinstance(home, InStore) or kept is None or not self._can_save_late(state):
            self[key] = self.get(key, 0) + amount
            return self[key]
        state.encoded()  # what typed views hold
        try:
            added = await home.add(state, kept, key, amount, self._keeper.clock())
        except StoreUnavailable as error:
            note(self, error)
            raise
        return self.get(key) if added is None else added

    async def list_sessions(self, user: Any) -> list[SessionInfo]:
        """Return all sessions of a user, those used last first. Raises `SessionError` without a store."""
        if self._keeper.in_store is None:
            raise SessionError("Sessions: sessions in cookies cannot be listed; the option store is needed")
        await self.load()
        self._touched = True
        current = self._name()
        found = [
            SessionInfo(item.key, data, created, renewed, item.key == current)
            for item, data, created, renewed in await self._keeper.owned(user)
        ]
        return sorted(found, key=lambda info: info.renewed, reverse=True)

    async def revoke(self, user: Any, key: str) -> bool:
        """End one session of a user, named as `list_sessions` does; return whether there was one."""
        return await self._keeper.revoke(user, key)

    async def revoke_all(self, user: Any, *, keep_current: bool = False) -> int:
        """End all sessions of a user, for every worker at once; return how many were found.

        In cookies, where they cannot be counted, it needs the option ``revocations``. Raises `SessionError` without
        a store.
        """
        keeper = self._keeper
        if not keeper.can_revoke or (keep_current and not keeper.is_in_store):
            raise SessionError(
                "Sessions: sessions in cookies cannot be revoked one by one, and not at all without a store: "
                "the option store or revocations is needed"
            )
        await self.load()
        return await keeper.revoke_all(user, self._name() if keep_current else None)

    # -- for the layer

    def _patience(self) -> Patience | None:
        """Return what this request may still wait; once its headers have left, nobody waits for them any more."""
        if self._left is None or self._sealed:
            self._left = self._keeper.patience()
        return self._left

    def _name(self) -> str | None:
        """Return the key of this session in the store."""
        return None if self._state is None or self._state.kept is None else self._state.kept.name

    def _opened(self) -> State:
        self._touched = True
        state = self._state
        if state is None:
            try:
                state = self._state = self._keeper.load_now(self._headers)
            except StoreUnavailable as error:
                note(self, error)
                raise
        return state

    def _changing(self) -> State:
        state = self._opened()
        if self._sealed and not self._can_save_late(state):
            raise too_late()
        state.changed = True
        return state

    def _can_save_late(self, state: State) -> bool:
        """Return whether what the session is now can be saved without a new cookie."""
        if not state.home.can_save_late or state.kept is None:
            return False
        has_new_id = state.ended or state.regenerate or self._keeper.rules.user(state.data) != state.user
        return not state.data or not has_new_id
