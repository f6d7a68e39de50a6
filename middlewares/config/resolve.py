"""Find what a name in a configuration file or on the command line means: an object in a module.

The ways in which that fails are told apart, since each is mended elsewhere: the name is malformed, there is no such
module, the module fails while it is imported, it has no such attribute.
"""

from __future__ import annotations

import importlib
import os
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from middlewares.errors import MiddlewaresError, did_you_mean
from middlewares.registry import BUILTIN, load_builtin

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.metadata import EntryPoint

__all__ = ("PLUGINS", "Unresolved", "describe_error", "import_object", "plugins", "quoted", "resolve_middleware")

PLUGINS = "middlewares.plugins"
"""The group of entry points by which packages offer middlewares under a short name."""

_T = TypeVar("_T")

_FORM = "'package.module:attribute'"
_LONGEST_WORD = 80
_LONGEST_REASON = 300
_OWN_FILES = (f"{Path(__file__).parents[1]}{os.sep}", "<frozen importlib", importlib.__file__)
"""How the names of files begin that are not the user's."""


class Unresolved(Exception):
    """A name means nothing; the message says why, in one line."""


def plugins() -> dict[str, EntryPoint]:
    """Return the middlewares that installed packages offer by a name, as entry points of `PLUGINS`."""
    from importlib.metadata import entry_points  # reads the file system: only where such a name is asked for

    return {plugin.name: plugin for plugin in entry_points(group=PLUGINS) if plugin.name not in BUILTIN}


def resolve_middleware(use: str) -> Callable[..., Any]:
    """Return the middleware that ``use`` names: a built-in, one of a package's entry points, or ``module:Class``.

    Raises `Unresolved`.
    """
    if use in BUILTIN:
        return _loaded(use, lambda: load_builtin(use))
    if ":" not in use:
        known = plugins()
        if use not in known:
            raise Unresolved(_unknown_builtin(use, [*BUILTIN, *known]))
        found: Any = _loaded(use, known[use].load)
    else:
        found = import_object(use)
    if not callable(found):
        raise Unresolved(f"{quoted(use)} is no middleware class but an object of type {type(found).__name__!r}")
    checked: Callable[..., Any] = found
    return checked


def import_object(name: str) -> Any:
    """Return what ``package.module:attribute`` names; the attribute may be dotted. Raises `Unresolved`."""
    module, _, attributes = name.partition(":")
    if not (_is_dotted_name(module) and _is_dotted_name(attributes)):
        raise Unresolved(f"{quoted(name)} is not of the form {_FORM}")
    found = _import(module)
    owner = f"module {module!r}"
    for attribute in attributes.split("."):
        found = _attribute(found, attribute, owner)
        owner = f"{attribute!r} of {owner}"
    return found


def describe_error(error: BaseException, blotted: Callable[[str], str] = str) -> str:
    """Return an exception in one line: its type, its words, and the place in foreign code where it was raised.

    ``blotted`` takes secrets out of its words, before they are cut to a length that fits a line.
    """
    words = " ".join(blotted(str(error)).split())
    if len(words) > _LONGEST_REASON:
        words = words[: _LONGEST_REASON - 1] + "…"
    if isinstance(error, MiddlewaresError):
        return words
    described = f"{type(error).__name__}: {words}" if words else type(error).__name__
    place = _place_in_foreign_code(error)
    # A syntax error is raised by the import system, and says in its own words where it stands.
    return described if place is None or isinstance(error, SyntaxError) else f"{described} ({place})"


def quoted(word: str) -> str:
    """Return a word in quotes, with unprintable characters escaped, cut to a length that fits a line."""
    return repr(word if len(word) <= _LONGEST_WORD else word[: _LONGEST_WORD - 1] + "…")


def _unknown_builtin(use: str, known: list[str]) -> str:
    message = f"unknown middleware {quoted(use)}"
    hint = did_you_mean(use.lower(), known)
    if hint:
        return f"{message}; {hint}"
    module, _, attribute = use.rpartition(".")
    if _is_dotted_name(module) and attribute.isidentifier():
        return f"{message}; did you mean {quoted(f'{module}:{attribute}')}?"
    return f"{message}; known are {', '.join(sorted(known))}, and any class as 'package.module:Class'"


def _is_dotted_name(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def _import(module: str) -> Any:
    try:
        return _loaded(module, lambda: importlib.import_module(module))
    except Unresolved as error:
        cause = error.__cause__
        # A module that imports a missing one raises the same, but then it stands in the traceback itself.
        if isinstance(cause, ModuleNotFoundError) and _place_in_foreign_code(cause) is None:
            stem = module.removesuffix(".py")
            hint = f"; did you mean {stem!r}?" if stem != module else ""
            raise Unresolved(f"there is no module {(cause.name or module)!r}{hint}") from None
        raise


def _loaded(name: str, load: Callable[[], _T]) -> _T:
    try:
        return load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # importing runs code that may raise anything, and may call `sys.exit`
        raise Unresolved(f"importing {name!r} failed: {describe_error(error)}") from error


def _attribute(owner: Any, name: str, shown_owner: str) -> Any:
    try:
        return getattr(owner, name)
    except AttributeError:
        hint = did_you_mean(name, dir(owner))
        raise Unresolved(f"{shown_owner} has no attribute {name!r}" + (f"; {hint}" if hint else "")) from None
    except Exception as error:  # attributes may be computed, and computing may fail
        raise Unresolved(f"reading {name!r} of {shown_owner} failed: {describe_error(error)}") from error


def _place_in_foreign_code(error: BaseException) -> str | None:
    """Return ``file, line N`` of the innermost frame that belongs neither to us nor to the import system."""
    place = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        if not file.startswith(_OWN_FILES):
            place = f"{file}, line {line}"
    return place
