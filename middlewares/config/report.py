"""Collect what is wrong with a configuration file, each problem with its place and its owner."""

from __future__ import annotations

from dataclasses import dataclass, field

from middlewares.errors import ConfigError, Problem
from middlewares.record import UNKNOWN

from .document import Document
from .positions import Path, Place
from .resolve import quoted

__all__ = ("Report", "TableReport")

_MOST = 100
"""Problems that are shown of one file: beyond that it is no configuration, or one mistake made all over."""


@dataclass(frozen=True, slots=True)
class Report:
    """The problems of one file."""

    document: Document
    found: list[tuple[Place, str]] = field(default_factory=list)

    def raise_if_any(self) -> None:
        """Raise `ConfigError` with all problems, in the order of the file."""
        if self.found:
            in_order = sorted(self.found)
            shown = [f"{self.document.where(place)}: {words}" for place, words in in_order[:_MOST]]
            if len(in_order) > _MOST:
                shown.append(f"{self.document.name}: and {len(in_order) - _MOST} more")
            raise ConfigError(*shown)


@dataclass(slots=True)
class TableReport:
    """The problems of one table of the file."""

    report: Report
    path: Path
    owner: str = ""
    """The table in words, as in ``middleware[2] (cors)``; empty for the whole file."""
    is_clean: bool = True

    def add(self, problem: Problem) -> None:
        """Note a problem with an option, at its key if it should not be there, else at its value."""
        if problem.rule == UNKNOWN:
            hint = f"; {problem.hint}" if problem.hint else ""
            place = self.report.document.positions.key(self._path_of(problem.option))
            self._note(place, f"unknown option {quoted(problem.option)}{hint}")
        else:
            self.say(problem.option, str(problem))

    def say(self, option: str, words: str) -> None:
        """Note a problem in words, at the value of an option."""
        self._note(self.report.document.positions.value(self._path_of(option)), words)

    def _note(self, place: Place, words: str) -> None:
        self.is_clean = False
        self.report.found.append((place, f"{self.owner}: {words}" if self.owner else words))

    def _path_of(self, option: str) -> Path:
        """Return the path of an option, which is a key of the table or, with dots, of a table inside it."""
        whole: Path = (*self.path, option)
        return whole if whole in self.report.document.positions else (*self.path, *option.split("."))
