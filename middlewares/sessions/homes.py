"""What the two homes of sessions have in common: cookies, and records in a store.

Reading is written without input and output, as a generator that yields the keys which it wants to know: so it is the
same code for stores that answer at once and for those that are waited for.
"""

from __future__ import annotations

from collections.abc import Generator
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from middlewares.stores import QuickStore, Store

    from .records import Lifetimes
    from .state import Conflicts, Kept, State

__all__ = ("GONE", "Home", "Reading", "Rules", "digest", "epoch_key", "named", "read", "read_now")

_T = TypeVar("_T")

Reading = Generator[str, bytes | None, _T]
"""Yields keys of the store, is sent their values, and returns what they add up to."""

GONE: Final = b"\x01gone"
"""Stands where a record was until it is deleted."""


class Rules(NamedTuple):
    """What every home goes by."""

    cookie: str
    lifetimes: Lifetimes
    user_key: str | None
    conflicts: Conflicts

    def user(self, data: dict[str, Any]) -> Any:
        """Return who the user of a session is; ``None`` for nobody."""
        return None if self.user_key is None else data.get(self.user_key)

    def owner(self, user: Any) -> str | None:
        """Return the name under which the sessions of a user are kept together; it does not tell the user."""
        return None if user is None else digest("user", self.cookie, str(user))


class Home(Protocol):
    """Where sessions are kept."""

    can_save_late: bool
    """Whether a session can be saved after the headers of the response have left."""

    quick: QuickStore | None
    """Its store, if that answers at once."""

    @property
    def store(self) -> Store | None:
        """What is asked when a session is loaded."""
        ...

    def open(self, value: str, now: float) -> State | None:
        """Return the session of a cookie that is genuine and not over.

        Where there is a store, nobody knows yet whether it was ended, nor what it holds if that is in the store:
        `load` finds out.
        """
        ...

    def load(self, state: State, now: float) -> Reading[State | None]:
        """Ask the store for a session that was opened; gives ``None`` where there is none (any more)."""
        ...

    async def create(self, state: State, data: bytes, now: float) -> str:
        """Keep a new session; return its cookie."""
        ...

    async def save(self, state: State, kept: Kept, data: bytes, now: float) -> str | None:
        """Keep changes; return its cookie if that is to be sent again. Never brings back what is gone."""
        ...

    async def rotate(
        self, state: State, kept: Kept, data: bytes, now: float, *, is_login: bool, gently: bool
    ) -> str | None:
        """Keep a session under a new id; the old one dies.

        ``is_login``: the user is another, which makes it a session of its own. ``gently``: requests that are under
        way with the old id still find it.
        """
        ...

    async def kill(self, state: State, kept: Kept, now: float) -> None:
        """Make sure that the session cannot be read again, nor what became of it in the meantime."""
        ...

    async def kill_successor(self, state: State, now: float) -> None:
        """Do the same for what a session became before this request came with its former id."""
        ...


def digest(*parts: str | bytes) -> str:
    """Return one name for several parts, from which none can be told, and which no other parts have."""
    hashed = sha256()
    for part in parts:
        raw = part.encode(errors="surrogatepass") if isinstance(part, str) else part
        hashed.update(b"%d:%b" % (len(raw), raw))
    return hashed.hexdigest()


def epoch_key(owner: str) -> str:
    """Return the key of the time before which all sessions of an owner are void."""
    return f"u:{owner}"


def named(pointer: bytes) -> str:
    """Return the key that a pointer in the store leads to; a damaged one leads nowhere."""
    return pointer[1:].decode(errors="replace")


def read_now(reading: Reading[_T], store: QuickStore) -> _T:
    """Return what a reading gives, from a store that answers at once."""
    try:
        key = next(reading)
        while True:
            key = reading.send(store.get_now(key))
    except StopIteration as done:
        result: _T = done.value
        return result


async def read(reading: Reading[_T], store: Store) -> _T:
    """Return what a reading gives."""
    try:
        key = next(reading)
        while True:
            key = reading.send(await store.get(key))
    except StopIteration as done:
        result: _T = done.value
        return result
