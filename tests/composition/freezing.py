"""Scopes and values that cannot change, and pictures of those that can, to tell whether anybody changed them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import MutableMapping

__all__ = ("FREE", "HANDED_BACK", "FrozenDict", "freeze", "freeze_scope", "picture")

HANDED_BACK = frozenset({"route", "endpoint", "path_params", "path_template", "session", "user", "auth"})
"""Scope keys that inner code may add for the layers outside it."""


FREE = frozenset({"state", "session"})
"""Scope keys whose values are for inner code to write into."""


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise TypeError("this dict belongs to somebody else and must not be changed")


_REFUSE: Any = _refuse


class FrozenDict(dict[str, Any]):
    """A dict that raises when it is changed, but for the keys that inner code may add to a scope."""

    def __setitem__(self, key: str, value: Any) -> None:
        if key not in HANDED_BACK or key in self:
            _refuse()
        super().__setitem__(key, value)

    __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _REFUSE


def freeze(value: Any) -> Any:
    """Return a value as nobody can change it: dicts that raise, tuples for lists."""
    if isinstance(value, dict):
        return FrozenDict({key: freeze(item) for key, item in value.items()})
    return tuple(freeze(item) for item in value) if isinstance(value, list | tuple) else value


def freeze_scope(scope: MutableMapping[str, Any]) -> FrozenDict:
    """Return a scope as nobody can change it, but for what is there to be written into."""
    return FrozenDict({key: value if key in FREE else freeze(value) for key, value in scope.items()})


def picture(value: Any) -> Any:
    """Return what a value looks like now, down to the bottom: equal to a later picture if nothing has changed."""
    if isinstance(value, dict):
        return {key: picture(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value).__name__, *map(picture, value)
    return bytes(value) if isinstance(value, bytearray | memoryview) else value
