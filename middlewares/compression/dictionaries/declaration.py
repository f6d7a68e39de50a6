"""Declare a dictionary: which responses clients may keep as one, and which later responses may use it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal

from middlewares.core.options import check_type, option_types
from middlewares.errors import REQUIRED, UNKNOWN, OptionError, OptionErrors, Problem, did_you_mean

from .fields import is_sf_string
from .patterns import pattern_problem

__all__ = ("Dictionary", "declare")

_LONGEST_ID: Final = 1024  # RFC 9842, 2.1.3
_LARGEST: Final = 100 * 2**20  # 1.25 times it are within the 128 MB of RFC 9842, 5

# The Fetch standard, 2.2.5: what a request may be for. The empty string is that of fetch().
_DESTINATIONS: Final = (
    *("", "audio", "audioworklet", "document", "embed", "font", "frame", "iframe", "image", "json", "manifest"),
    *("object", "paintworklet", "report", "script", "serviceworker", "sharedworker", "style", "text", "track"),
    *("video", "webidentity", "worker", "xslt"),
)


@dataclass(frozen=True, kw_only=True)
class Dictionary:
    """Responses that clients keep as a dictionary for later ones.

    ::

        Dictionary(match="/static/app.*.js", path="releases/app")  # all released versions, in a directory
        Dictionary(match="/api/products", learn=True)  # each version as it is sent
        Dictionary(match="/pages/*", path="site.dict", announce_at="/site.dict")  # one of its own

    It is known from files (``path``), from earlier responses (``learn``), or both. Raises `OptionError` with
    everything that is wrong. Standard: RFC 9842, 2.1.
    """

    match: str
    """The paths whose responses may use the dictionary: ``*`` stands for anything, ``:name`` for one segment."""
    path: str | Path | None = None
    """A file that holds the very bytes of a dictionary, or a directory in which each file is one."""
    learn: bool = False
    """Take each public, cacheable response to a request without credentials as a dictionary."""
    maximum_size: int = 2**20
    """Bytes above which a file or response is not taken."""
    max_age: int = 30 * 24 * 60 * 60
    """Seconds after which what was learned is forgotten."""
    announce_at: str | None = None
    """The paths whose responses clients are told to keep, if other than those of ``match``."""
    id: str = ""
    """A name that clients send back beside the hash; at most 1024 characters of ASCII. It is never trusted."""
    match_dest: Collection[str] = ()
    """What requests must be for, such as ``document`` or ``script``; everything if empty."""
    type: Literal["raw"] = "raw"
    """The format of the dictionary: the standard has only this."""

    def __post_init__(self) -> None:
        problems = OptionErrors(self)
        cls: Any = type(self)
        hints = option_types(cls)
        for option in fields(self):
            check_type(problems, option, getattr(self, option.name), hints[option.name])
        problems.raise_if_any()
        self._check_values(problems)
        problems.raise_if_any()

    def _check_values(self, problems: OptionErrors) -> None:
        for option, pattern in (("match", self.match), ("announce_at", self.announce_at)):
            rule = None if pattern is None else pattern_problem(pattern)
            problems.check(rule is None, option, rule or "", pattern)
        known = bool(self.path) or self.learn
        problems.check(known, "path", "must name a file or a directory, unless learn is true", self.path)
        in_bounds = 0 < self.maximum_size <= _LARGEST
        problems.check(in_bounds, "maximum_size", f"must be from 1 to {_LARGEST} bytes", self.maximum_size)
        problems.check(self.max_age > 0, "max_age", "must be a positive number of seconds", self.max_age)
        fits = len(self.id) <= _LONGEST_ID and is_sf_string(self.id)
        problems.check(fits, "id", f"must be printable ASCII of at most {_LONGEST_ID} characters", self.id)
        for destination in self.match_dest:
            rule, hint = "must hold destinations of requests, such as 'script'", None
            if destination not in _DESTINATIONS:
                hint = did_you_mean(destination, _DESTINATIONS)
            problems.check(destination in _DESTINATIONS, "match_dest", rule, destination, hint)


def declare(
    items: Collection[Dictionary | Mapping[str, Any]], *, option: str, problems: OptionErrors
) -> list[Dictionary]:
    """Return declarations for what a configuration file or code gives: tables of options, or `Dictionary` objects.

    What is wrong with an item is recorded in ``problems`` under ``option``, counted from 1: ``dictionaries[2].match``.
    """
    declared = []
    for number, item in enumerate(items, 1):
        try:
            declared.append(item if isinstance(item, Dictionary) else _from_table(item))
        except OptionError as error:
            for problem in error.problems:
                name = f"{option}[{number}].{problem.option}"
                problems.found.append(Problem(name, problem.rule, problem.value, problem.hint))
    return declared


def _from_table(table: Mapping[str, Any]) -> Dictionary:
    problems = OptionErrors(Dictionary.__name__)
    known = [option.name for option in fields(Dictionary)]
    options = {name: value for name, value in table.items() if name in known}
    for name in table.keys() - options.keys():
        # The names that the field itself uses are written with a hyphen; a file may follow them.
        problems.found.append(Problem(name, UNKNOWN, hint=did_you_mean(name, known)))
    if "match" not in options:
        problems.found.append(Problem("match", REQUIRED))
    else:
        try:
            declared = Dictionary(**options)
        except OptionError as error:
            problems.found.extend(error.problems)
        else:
            if not problems.found:
                return declared
    raise OptionError(Dictionary.__name__, problems.found)
