"""One session in the course of a request: what it was when it was loaded, and what has become of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from .errors import SessionError
from .records import EMPTY, decode, encode

if TYPE_CHECKING:
    from .homes import Home
    from .records import Record
    from .typed import Typed

__all__ = ("Conflicts", "Kept", "State", "merged")

Conflicts = Literal["last", "first", "error"]

_MISSING: Final = object()


class Kept(NamedTuple):
    """A session as its home knows it."""

    name: str
    """Its key in the store."""
    random: bytes
    """The random part of its id; empty where only its key is known."""
    record: Record
    stored: bytes
    """What the store holds; nothing for a session in a cookie."""


class State:
    """The data of a session, and where it came from."""

    # Most requests leave most of this as it stands here.
    base: bytes = EMPTY
    """JSON of the data as it was loaded, or saved last."""
    kept: Kept | None = None
    """What is kept of it; ``None`` for a new one."""
    user: Any = None
    """Who the user was."""
    is_current = True
    """Whether the cookie was sealed under the first key."""
    changed = False
    """Whether something was set or deleted."""
    exposed = False
    """Whether the application was handed something that it can change by itself, such as a list."""
    regenerate = False
    ended = False
    """Whether what was loaded is to be invalidated."""
    migrated = False
    """Whether it comes from the cookie of another framework."""
    unavailable = False
    """Whether the store could not be asked, so that what the session holds is unknown."""
    successor = ""
    """Key of what the session became under another id, while requests with its former one are under way: they cannot
    read it any more, but they can end it."""
    is_lost = False
    """Whether it was ended by another request, so that nothing of it is kept any more."""
    typed: tuple[Typed[Any], ...] = ()

    def __init__(self, home: Home, data: dict[str, Any]) -> None:
        self.home = home
        self.data = data

    def encoded(self) -> bytes | None:
        """Return the data as JSON if it is not what it was; ``None`` if it is.

        Raises `SessionError` if it holds what JSON cannot.
        """
        for typed in self.typed:
            typed.write(self)
        if not (self.changed or self.exposed):
            return None
        try:
            data = encode(self.data)
        except (TypeError, ValueError, RecursionError) as error:
            raise SessionError(f"Sessions: a session holds only what JSON can: {error}") from error
        return None if data == self.base else data

    def keep(self, kept: Kept) -> None:
        """Note what is kept of the session now."""
        self.kept = kept
        self.base = kept.record.data

    def settle(self) -> None:
        """Note that everything was saved as its record says."""
        self.base = EMPTY if self.kept is None else self.kept.record.data
        self.changed = self.regenerate = self.ended = False

    def forget(self) -> None:
        """Note that what was loaded is gone."""
        self.base, self.kept = EMPTY, None
        self.user, self.regenerate, self.ended, self.is_current = None, False, False, True

    def lose(self) -> None:
        """Note that another request has ended the session."""
        self.forget()
        self.is_lost = True


def merged(base: bytes, mine: dict[str, Any], theirs: bytes, rule: Conflicts = "last") -> dict[str, Any]:
    """Return what another request saved, with the changes of this one, key by key.

    ``base`` is what both began with. Of keys that both changed, ``last`` takes mine, ``first`` theirs, and ``error``
    raises `SessionError`.
    """
    before, result = decode(base) or {}, decode(theirs) or {}
    saved = dict(result)
    for key in {**before, **mine}:
        was, now = before.get(key, _MISSING), mine.get(key, _MISSING)
        if _same(now, was):
            continue
        held = saved.get(key, _MISSING)
        if not _same(held, was) and not _same(held, now):
            if rule == "error":
                raise SessionError(f"Sessions: another request changed {key!r} at the same time")
            if rule == "first":
                continue
        if now is _MISSING:
            result.pop(key, None)
        else:
            result[key] = now
    return result


def _same(one: Any, other: Any) -> bool:
    """Return whether two values are the same in JSON; 1, 1.0 and true are not, and a NaN is what it was."""
    if one is other:
        return True
    if one is _MISSING or other is _MISSING:
        return False
    if type(one) is type(other) and not isinstance(one, (dict, list, float)):
        return bool(one == other)
    return encode({"": one}) == encode({"": other})
