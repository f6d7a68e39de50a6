"""The errors that users of the collection meet.

::

    MiddlewaresError
    ├── OptionError (ValueError)     one object was built with options that cannot be right
    ├── ConfigError                  a configuration file cannot be turned into a stack
    └── MissingExtra (ImportError)   a feature needs an optional dependency that is not installed
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = (
    "REQUIRED",
    "UNKNOWN",
    "ConfigError",
    "MiddlewaresError",
    "MissingExtra",
    "OptionError",
    "OptionErrors",
    "Problem",
    "did_you_mean",
    "shown",
)

UNKNOWN = "is unknown"
"""The rule of a problem about an option that does not exist."""

REQUIRED = "is required"
"""The rule of a problem about an option that is missing."""

_LONGEST_VALUE = 120

# RFC 3986, 3.2.1: what stands before the "@" may be a password; one with "/" in it should have been percent-encoded.
_CREDENTIALS = re.compile(r"(?<=://)[^\s'\"]*@")


class MiddlewaresError(Exception):
    """Base of every error raised on purpose by this package."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with one option."""

    option: str
    rule: str
    """What the option must be, or what is wrong with it, in words that follow its name."""
    value: str | None = None
    """The offending value as it is to be shown, already shortened; ``None`` where there is nothing to show."""
    hint: str | None = None

    def __str__(self) -> str:
        shown = f"{self.option} {self.rule}"
        if self.value is not None:
            shown += f"; got {self.value}"
        if self.hint is not None:
            shown += f" ({self.hint})"
        return shown


class OptionError(MiddlewaresError, ValueError):
    """An object was built with options that cannot be right; all of its problems are reported at once."""

    def __init__(self, owner: str, problems: Iterable[Problem]) -> None:
        self.owner = owner
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{owner}: {problem}" for problem in self.problems))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.owner, self.problems)


class ConfigError(MiddlewaresError):
    """A configuration file cannot be turned into a stack; the message holds every problem, each with its place."""

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.problems


class MissingExtra(MiddlewaresError, ImportError):
    """A feature needs an optional dependency; the message names the extra to install."""

    def __init__(self, feature: str, extra: str) -> None:
        self.feature = feature
        self.extra = extra
        super().__init__(f"{feature} needs an optional dependency: pip install 'middlewares[{extra}]'")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.feature, self.extra)


@dataclass(slots=True)
class OptionErrors:
    """Collect the problems of one object while it is built, then raise them together.

    ::

        problems = OptionErrors(self)
        problems.check(self.minimum_size >= 0, "minimum_size", "must not be negative", self.minimum_size)
        problems.raise_if_any()
    """

    owner: object
    """The object being built, or its name."""
    found: list[Problem] = field(default_factory=list)

    def check(self, holds: bool, option: str, rule: str, value: object, hint: str | None = None) -> bool:
        """Record a problem unless ``holds``; return ``holds``, so that dependent checks can be left out."""
        if not holds:
            self.add(option, rule, value, hint)
        return holds

    def add(self, option: str, rule: str, value: object, hint: str | None = None) -> None:
        """Record a problem of one option: ``rule`` reads on from its name, as in ``must be positive``.

        The value of a secret, which is a field with ``repr=False``, is not shown.
        """
        self.found.append(Problem(option, rule, None if self._is_secret(option) else _shortened(value), hint))

    def raise_if_any(self) -> None:
        """Raise `OptionError` with everything found."""
        if self.found:
            owner = self.owner if isinstance(self.owner, str) else type(self.owner).__name__
            raise OptionError(owner, self.found)

    def _is_secret(self, option: str) -> bool:
        declared = getattr(self.owner, "__dataclass_fields__", {}).get(option)
        return declared is not None and not declared.repr


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return ``did you mean 'x'?`` for the known word nearest to ``word``, if one is near."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else None


def shown(value: object) -> str:
    """Return ``repr(value)`` without what stands before the host in a URL, which may be a password."""
    return _CREDENTIALS.sub("…@", repr(value))


def _shortened(value: object) -> str:
    """Return a value as it is shown, cut to a length that fits a line."""
    text = shown(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
