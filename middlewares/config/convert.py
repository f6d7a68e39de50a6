"""Give a value from a file the type that its option asks for, where a file cannot write that type itself.

Text that was filled in from outside becomes a number or a boolean; text becomes a date, a path, a pattern, or the
callable that it names. Whatever does not fit stays as it is: the middleware itself says what is wrong with it.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime as dt
import re
import types
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

from middlewares.core.options import is_collection_type, is_mapping_type, item_type, matches, option_types

from .resolve import Unresolved, import_object
from .substitution import Filled, Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from .positions import Path

__all__ = ("TRUTH", "WRITTEN", "choices", "convert", "names_callable", "takes_callable")

TRUTH = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}
"""What a variable may hold where an option takes a boolean; upper and lower case are the same."""

WRITTEN = (bool, int, float, str, type(None), dt.date, dt.datetime, FilePath, re.Pattern)
"""The types of values that a file may hold, or that its text becomes."""

_CALLABLE = re.compile(r"\w+(?:\.\w+)*:\w+(?:\.\w+)*")
_DOTTED_CALLABLE = re.compile(r"\w+(?:\.\w+)+:\w+(?:\.\w+)*")


def convert(value: Any, hint: Any, note: Callable[[Path, str], None], path: Path = ()) -> Any:
    """Return ``value`` as the annotation ``hint`` asks for it; ``note`` is told which callables cannot be found."""
    if isinstance(value, dict):
        hints = _field_types(hint)
        return {key: convert(inner, hints(key), note, (*path, key)) for key, inner in value.items()}
    if isinstance(value, list):
        inner_hint = _item_hint(hint)
        return [convert(inner, inner_hint(index), note, (*path, index)) for index, inner in enumerate(value)]
    if not isinstance(value, str):
        return value
    if names_callable(value, hint):
        try:
            return import_object(value)
        except Unresolved as error:
            note(path, str(error))
            return _nothing
    text = str(value)
    if isinstance(value, Filled) and bool in choices(hint) and text.strip().lower() in ("true", "false"):
        return _truth(text)  # even where the option takes text as well
    if isinstance(value, Secret) and _takes_text(hint):
        return value
    if matches(text, hint):
        return text
    return _parsed(text, hint, is_filled=isinstance(value, Filled), as_it_is=value)


def takes_callable(hint: Any) -> bool:
    """Return whether an option takes a callable."""
    return any((get_origin(one) or one) is collections.abc.Callable for one in choices(hint))


def names_callable(text: str, hint: Any) -> bool:
    """Return whether a text means a callable, as in ``module:function``.

    An option that takes text as well, such as ``header:x-user``, takes one whose module has a dot in it for a callable.
    """
    if not takes_callable(hint):
        return False
    form = _DOTTED_CALLABLE if _takes_text(hint) else _CALLABLE
    return form.fullmatch(text) is not None


def choices(hint: Any) -> tuple[Any, ...]:
    """Return what an annotation lets one choose from: the members of a union, or itself."""
    if (get_origin(hint) or hint) in (Union, types.UnionType):
        return tuple(choice for argument in get_args(hint) for choice in choices(argument))
    return (hint,)


def _takes_text(hint: Any) -> bool:
    return any(choice in (str, Any) for choice in choices(hint))


def _parsed(text: str, hint: Any, *, is_filled: bool, as_it_is: str) -> Any:
    wanted = [get_origin(choice) or choice for choice in choices(hint)]
    readers: list[Any] = [_READERS[choice] for choice in _ALWAYS if choice in wanted]
    if is_filled:
        readers += [_READERS[choice] for choice in _FILLED if choice in wanted]
    for read in readers:
        try:
            return read(text)
        except (ValueError, OverflowError, RecursionError, re.error):
            continue  # some patterns are beyond measure
    return as_it_is


def _truth(text: str) -> bool:
    try:
        return TRUTH[text.strip().lower()]
    except KeyError:
        raise ValueError(text) from None


def _integer(text: str) -> int:
    if len(text) > 25:
        raise ValueError("too long for 64 bits")
    return int(text)


def _number(text: str) -> float:
    try:
        return _integer(text)
    except ValueError:
        return float(text)


_ALWAYS = (dt.date, dt.datetime, FilePath, re.Pattern)
_FILLED = (bool, int, float)
_READERS: dict[Any, Callable[[str], Any]] = {
    dt.date: dt.date.fromisoformat,
    dt.datetime: dt.datetime.fromisoformat,
    FilePath: FilePath,
    re.Pattern: re.compile,
    bool: _truth,
    int: _integer,
    float: _number,
}


def _field_types(hint: Any) -> Callable[[str], Any]:
    """Return what tells the annotation of each key of a table."""
    for choice in choices(hint):
        if dataclasses.is_dataclass(choice) and isinstance(choice, type):
            known = option_types(choice)
            return lambda key: known.get(key, Any)
    for choice in choices(hint):
        if is_mapping_type(choice):
            arguments = get_args(choice)
            return lambda _key: arguments[1] if arguments else Any
    return lambda _key: Any


def _item_hint(hint: Any) -> Callable[[int], Any]:
    """Return what tells the annotation of each item of a list."""
    for choice in choices(hint):
        if is_collection_type(choice):
            return lambda index: item_type(choice, index)
    return lambda _index: Any


async def _nothing(*_args: Any, **_options: Any) -> None:
    """Stand in for a callable that was not found, so that the other options are checked all the same."""
