"""Check the options of a dataclass against their annotations, in the words of whoever writes a configuration file.

The one declaration of an option is its field: its annotation says what the constructor and a configuration file
accept. Understood are ``bool``, ``int``, ``float``, ``str``, ``bytes``, ``None``, ``Literal``, unions,
``Collection[T]`` and its kin, ``tuple[T, U]``, ``Mapping[K, V]``, ``Callable``, ``re.Pattern`` and plain classes;
anything else is accepted as it is.
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

__all__ = (
    "check_type",
    "check_types",
    "describe",
    "is_collection_type",
    "is_mapping_type",
    "item_type",
    "matches",
    "option_fields",
    "option_types",
)

_LONGEST_ADVICE = 80

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
_MAPPINGS: tuple[Any, ...] = (collections.abc.Mapping, collections.abc.MutableMapping, dict)
_WORDS = {
    bool: ("true or false", "booleans"),
    int: ("an integer", "integers"),
    float: ("a number", "numbers"),
    str: ("a string", "strings"),
    bytes: ("bytes", "bytes"),
    type(None): ("None", "None"),
    Any: ("anything", "anything"),
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
    hints = option_types(cls)
    for option in option_fields(cls):
        check_type(problems, option, getattr(layer, option.name), hints[option.name])


def check_type(problems: OptionErrors, option: dataclasses.Field[Any], value: object, hint: Any) -> None:
    """Record a problem for one option if its value is not of the type that the annotation ``hint`` names."""
    if not matches(value, hint):
        problems.add(option.name, f"must be {describe(hint)}", value, _advice(value, hint) if option.repr else None)


def matches(value: object, hint: Any) -> bool:
    """Return whether ``value`` is of the type that the annotation ``hint`` names."""
    origin, arguments = get_origin(hint) or hint, get_args(hint)
    if origin in (Union, types.UnionType):
        return any(matches(value, argument) for argument in arguments)
    if origin is Literal:
        return any(value == choice and type(value) is type(choice) for choice in arguments)
    if origin in _COLLECTIONS:
        return _is_collection(value) and _holds(typing.cast("collections.abc.Collection[Any]", value), hint)
    if origin in _MAPPINGS:
        of_key, of_item = arguments or (Any, Any)
        return isinstance(value, collections.abc.Mapping) and all(
            matches(key, of_key) and matches(item, of_item) for key, item in value.items()
        )
    if origin is collections.abc.Callable:
        return callable(value)
    return _is_instance(value, origin)


def describe(hint: Any, *, plural: bool = False) -> str:
    """Return what the annotation ``hint`` asks for, in words: ``an integer``, ``a list of strings``."""
    origin, arguments = get_origin(hint) or hint, get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(describe(argument, plural=plural) for argument in arguments)
    if origin is Literal:
        return "one of " + ", ".join(repr(choice) for choice in arguments)
    if origin in _COLLECTIONS:
        parts = _parts(hint)
        items = describe(parts, plural=True) if not isinstance(parts, tuple) else ", ".join(map(describe, parts))
        return f"{'lists' if plural else 'a list'} of {items}"
    if origin in _MAPPINGS:
        return f"{'tables' if plural else 'a table'} of {describe((arguments or (Any, Any))[1], plural=True)}"
    if origin is collections.abc.Callable:
        return "callables" if plural else "a callable"
    if origin in _WORDS:
        return _WORDS[origin][plural]
    return f"{getattr(origin, '__name__', str(hint))}{' objects' if plural else ''}"


def is_collection_type(hint: Any) -> bool:
    """Return whether the annotation ``hint`` is that of a list: ``Collection[T]`` and its kin."""
    return (get_origin(hint) or hint) in _COLLECTIONS


def is_mapping_type(hint: Any) -> bool:
    """Return whether the annotation ``hint`` is that of a table: ``Mapping[K, V]`` and its kin."""
    return (get_origin(hint) or hint) in _MAPPINGS


def item_type(hint: Any, index: int) -> Any:
    """Return the annotation of one item of a collection; for ``tuple[T, U]`` each has its own."""
    parts = _parts(hint)
    if not isinstance(parts, tuple):
        return parts
    return parts[index] if index < len(parts) else Any


def _is_collection(value: object) -> bool:
    # A string is a collection of strings too, and taking it for a list has opened doors before.
    return isinstance(value, collections.abc.Collection) and not isinstance(
        value, (str, bytes, bytearray, memoryview, collections.abc.Mapping)
    )


def _parts(hint: Any) -> Any:
    """Return the annotation of all items of a collection, or for ``tuple[T, U]`` a tuple with that of each."""
    arguments = get_args(hint)
    if get_origin(hint) is tuple and (len(arguments) != 2 or arguments[1] is not ...):
        return arguments
    return arguments[0] if arguments else Any


def _holds(items: collections.abc.Collection[Any], hint: Any) -> bool:
    parts = _parts(hint)
    if isinstance(parts, tuple):
        return len(items) == len(parts) and all(map(matches, items, parts))
    return all(matches(item, parts) for item in items)


def _is_instance(value: object, cls: Any) -> bool:
    if cls is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if cls is int:
        return isinstance(value, int) and not isinstance(value, bool)
    try:
        return isinstance(value, cls)
    except TypeError:
        return True  # Any, a protocol, a TypedDict: what cannot be asked at run time


def _advice(value: object, hint: Any) -> str | None:
    """Return how to write a single string where a list of them is meant."""
    if not isinstance(value, str) or len(value) > _LONGEST_ADVICE:
        return None
    choices = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    return f"write [{value!r}]" if any(matches([value], choice) for choice in choices) else None
