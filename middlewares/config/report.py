"""Collect what is wrong with a configuration, each problem with its place and its owner."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from middlewares.errors import ConfigError, Problem, did_you_mean
from middlewares.record import UNKNOWN

from .document import Document
from .model import Spot
from .positions import Place
from .resolve import quoted
from .secrecy import blotted

if TYPE_CHECKING:
    from collections.abc import Iterable


__all__ = ("Report", "TableReport")

_MOST = 100
"""Problems that are shown of one configuration: beyond that it is none, or one mistake made all over."""
_PART = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_FIRST = Place(1, 1)


@dataclass(slots=True)
class Report:
    """The problems of a file, and of those that it includes."""

    documents: list[Document] = field(default_factory=list)
    """In the order in which their problems are told."""
    secrets: set[str] = field(default_factory=set, repr=False)
    """What is blotted out wherever a message repeats it."""
    files: list[str] = field(default_factory=list)
    """Those that were included, or should have been."""
    found: dict[tuple[int, Place, str], str] = field(default_factory=dict, repr=False)

    def note(self, document: Document, place: Place, words: str, *, owner: str = "") -> None:
        """Note a problem; what is said of one value twice, by two entries that share it, counts once."""
        line = f"{document.where(place)}: {owner}{': ' if owner else ''}{words}"
        self.found.setdefault((self.documents.index(document), place, words), line)

    def quote(self, document: Document, lines: Iterable[str]) -> None:
        """Note problems that say themselves where they are, of a file that ``document`` includes."""
        for line in lines:
            self.found.setdefault((self.documents.index(document), _FIRST, line), line)

    def raise_if_any(self) -> None:
        """Raise `ConfigError` with all problems, in the order of the files."""
        if self.found:
            keys = sorted(self.found)
            shown = [_printable(self.blotted(self.found[key])) for key in keys[:_MOST]]
            if len(keys) > _MOST:
                shown.append(f"{self.documents[0].name}: and {len(keys) - _MOST} more")
            raise ConfigError(*shown)

    def blotted(self, text: str) -> str:
        """Return a text with a ``…`` in the place of each secret."""
        return blotted(text, self.secrets)


@dataclass(slots=True)
class TableReport:
    """The problems of one table: an entry, or another part of the file."""

    report: Report
    spot: Spot
    owner: str = ""
    """The table in words, as in ``middleware[2] (cors)``; empty for the whole file."""
    places: dict[str, Spot] = field(default_factory=dict)
    """Where those options stand that are not in the table itself."""
    also_known: tuple[str, ...] = ()
    """Keys that are meant where no option is near."""
    is_clean: bool = True
    silenced: set[str] = field(default_factory=set)
    """Options of which enough has been said."""

    def add(self, problem: Problem) -> None:
        """Note a problem with an option, at its key if it should not be there, else at its value."""
        first = _names(problem.option)[0]
        if first in self.silenced:
            return
        if problem.rule == UNKNOWN:
            hint = problem.hint or did_you_mean(problem.option, self.also_known)
            spot = self.spot_of(problem.option)
            self._note(spot, spot.key, f"unknown option {quoted(problem.option)}{'; ' if hint else ''}{hint or ''}")
        else:
            self.say(problem.option, str(problem))

    def say(self, option: str, words: str) -> None:
        """Note a problem in words, at the value of an option."""
        spot = self.spot_of(option)
        self._note(spot, spot.value, words)

    def spot_of(self, option: str) -> Spot:
        """Return where an option stands: a key of the table or, as in ``policies[2].paths``, of a table inside it."""
        if option in self.places:
            return self.places[option]
        if (*self.spot.path, option) in self.spot.document:
            return self.spot.below(option)
        first, *rest = _names(option)
        return self.places.get(str(first), self.spot.below(first)).below(*rest)

    def _note(self, spot: Spot, place: Place, words: str) -> None:
        self.is_clean = False
        self.report.note(spot.document, place, words, owner=self.owner)


def _printable(text: str) -> str:
    """Return a text without characters that a terminal would obey."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _names(option: str) -> list[str | int]:
    """Return the parts of the name that a problem gives to an option; items are counted from 1, as entries are."""
    parts = [name or int(index) - 1 for name, index in _PART.findall(option)]
    return parts or [option]
