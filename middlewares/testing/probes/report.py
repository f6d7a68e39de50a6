"""What came of a run: findings, each once with the number of requests that showed it, and what else was observed."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from middlewares.testing.lint import RULES, Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("ALL_RULES", "CURRENT", "HANG", "Merged", "Note", "NoteKind", "Place", "Report")

NoteKind: TypeAlias = Literal["raised", "open", "background", "left out", "lifespan"]

HANG = Rule(
    "HANG",
    "app",
    "A call ends within the deadline once its client has left, and lets the event loop run meanwhile.",
    "ours: calls that never end use up a server, and a blocked event loop stops all of them",
    "Wait for the disconnect beside the work, give waiting a deadline, and block in threads only.",
)
"""The one rule of these runs that is not the lint's own."""

ALL_RULES: Mapping[str, Rule] = MappingProxyType({**RULES, HANG.id: HANG})
"""Every rule that a report may name."""

_MOST_DIFFERENT = 1000


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where in a run something was seen: which request, counted from the first."""

    index: int
    request: str
    path: str = ""


_NOWHERE = Place(-1, "outside a request")
CURRENT: ContextVar[Place] = ContextVar("middlewares.testing.probes.current", default=_NOWHERE)
"""The request that runs; tasks that the application starts inherit it."""


@dataclass(slots=True)
class Merged:
    """A finding, and how often it was seen."""

    finding: Finding
    first: Place
    """The first request that showed it."""
    count: int = 1
    """How many times it was seen, over all requests."""


@dataclass(slots=True)
class Note:
    """What an application did that breaks no rule, and may be meant."""

    kind: NoteKind
    """``raised``; ``open`` until the client left; in the ``background`` after the response; ``left out`` requests;
    about the ``lifespan``."""
    text: str
    first: Place
    count: int = 1

    def __str__(self) -> str:
        times = "" if self.count == 1 else f" ({self.count} times)"
        return f"{self.first.request}: {self.text}{times}"


@dataclass(slots=True)
class Report:
    """All that was seen in a run."""

    requests: int = 0
    """How many were sent."""
    not_started: str | None = None
    """Why the application was not asked anything: its startup failed."""
    left_off: int = 0
    """How many findings were not kept, since there were too many different ones."""
    is_stuck: bool = False
    """Whether something of the application still runs and cannot be stopped: a process must not wait for it."""
    _found: dict[tuple[object, ...], Merged] = field(default_factory=dict)
    _noted: dict[tuple[str, str], Note] = field(default_factory=dict)

    @property
    def findings(self) -> list[Merged]:
        """What was found, errors first, then in the order of the requests."""
        return sorted(self._found.values(), key=lambda one: (one.finding.level != "error", one.first, one.finding.id))

    @property
    def errors(self) -> list[Merged]:
        """The findings that are errors."""
        return [one for one in self.findings if one.finding.level == "error"]

    @property
    def notes(self) -> list[Note]:
        """What was observed besides, in the order of the requests."""
        return sorted(self._noted.values(), key=lambda note: (note.first, note.kind, note.text))

    def add(self, finding: Finding) -> None:
        """Take one finding of the request that runs."""
        place = CURRENT.get()
        key = (finding.id, finding.level, finding.party, finding.layer, finding.detail)
        known = self._found.get(key)
        if known is not None:
            known.count += 1
            if place < known.first:
                known.finding, known.first = finding, place
        elif len(self._found) < _MOST_DIFFERENT:
            self._found[key] = Merged(finding, place)
        else:
            self.left_off += 1

    def add_hang(self, detail: str) -> None:
        """Take note that the application hangs in the request that runs."""
        self.add(Finding(HANG.id, "app", None, HANG.statement, detail, (), HANG.hint))

    def note(self, kind: NoteKind, text: str) -> None:
        """Observe something in the request that runs."""
        place = CURRENT.get()
        known = self._noted.get((kind, text))
        if known is not None:
            known.count += 1
            known.first = min(known.first, place)
        elif len(self._noted) < _MOST_DIFFERENT:
            self._noted[kind, text] = Note(kind, text, place)
