"""Check the options of a dataclass against their annotations, in the words of whoever writes a configuration file.

The one declaration of an option is its field: its annotation says what the constructor and a configuration file
accept. Understood are ``bool``, ``int``, ``float``, ``str``, ``bytes``, ``None``, ``Literal``, unions,
``Collection[T]`` and its kin, ``Mapping[K, V]``, ``Callable``, ``re.Pattern`` and plain classes; anything else is
accepted as it is.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import types
import typing
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin

if typing.TYPE_CHECKING:
    from middlewares.errors import OptionErrors

__all__ = ("check_types", "describe", "matches", "option_fields", "option_types")

_COLLECTIONS: tuple[Any, ...] = (
    collections.abc.Collection,
    collections.abc.Sequence,
    collections.abc.Iterable,
    collections.abc.Set,
    frozenset,
    list,
    set,
    tuple,
)
_WORDS = {
    bool: ("true or false", "booleans"),
    int: ("an integer", "integers"),
    float: ("a number", "numbers"),
    str: ("a string", "strings"),
    bytes: ("bytes", "bytes"),
    type(None): ("None", "None"),
}


def option_fields(cls: type) -> tuple[dataclasses.Field[Any], ...]:
    """Return the fields of a middleware class that are options: all that its constructor takes but ``app``."""
    return tuple(field for field in dataclasses.fields(cls) if field.init and field.name != "app")


@cache
def option_types(cls: Any) -> dict[str, Any]:
    """Return the annotation of each option of a middleware class, resolved."""
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in option_fields(cls)}


def check_types(problems: OptionErrors, layer: object) -> None:
    """Record a problem for ``app`` if it is no application, and for each option of the wrong type."""
    app = getattr(layer, "app", None)
    problems.check(callable(app), "app", "must be an ASGI application", app)
    cls: Any = type(layer)
    for name, hint in option_types(cls).items():
        value = getattr(layer, name)
        if not matches(value, hint):
            problems.add(name, f"must be {describe(hint)}", value, _hint(value, hint))


def matches(value: object, hint: Any) -> bool:
    """Return whether ``value`` is of the type that the annotation ``hint`` names."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(matches(value, argument) for argument in arguments)
    if origin is Literal:
        return any(value == choice and type(value) is type(choice) for choice in arguments)
    if origin in _COLLECTIONS:
        return _is_collection(value) and all(matches(item, arguments[0]) for item in typing.cast("list[Any]", value))
    if origin is collections.abc.Mapping:
        return isinstance(value, collections.abc.Mapping) and all(
            matches(key, arguments[0]) and matches(item, arguments[1]) for key, item in value.items()
        )
    if origin is collections.abc.Callable:
        return callable(value)
    return _is_instance(value, origin or hint)


def describe(hint: Any, *, plural: bool = False) -> str:
    """Return what the annotation ``hint`` asks for, in words: ``an integer``, ``a list of strings``."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(describe(argument, plural=plural) for argument in arguments)
    if origin is Literal:
        return "one of " + ", ".join(repr(choice) for choice in arguments)
    if origin in _COLLECTIONS:
        return f"{'lists' if plural else 'a list'} of {describe(arguments[0], plural=True)}"
    if origin is collections.abc.Mapping:
        return f"a table of {describe(arguments[1], plural=True)}"
    if origin is collections.abc.Callable:
        return "callables" if plural else "a callable"
    if hint in _WORDS:
        return _WORDS[hint][plural]
    return f"{getattr(origin or hint, '__name__', str(hint))}{' objects' if plural else ''}"


def _is_collection(value: object) -> bool:
    # A string is a collection of strings too, and taking it for a list has opened doors before.
    return isinstance(value, collections.abc.Collection) and not isinstance(
        value, (str, bytes, bytearray, memoryview, collections.abc.Mapping)
    )


def _is_instance(value: object, cls: Any) -> bool:
    if cls is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if cls is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return not isinstance(cls, type) or getattr(cls, "_is_protocol", False) or isinstance(value, cls)


def _hint(value: object, hint: Any) -> str | None:
    wants_list = any(get_origin(part) in _COLLECTIONS for part in (hint, *get_args(hint)))
    return f"write [{value!r}]" if wants_list and isinstance(value, str) else None
