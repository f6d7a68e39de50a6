"""What the lint found, and to whom it is told."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ("Finding", "Level", "LintError", "Mode", "Report", "deliver")

Level: TypeAlias = Literal["error", "warning"]
Mode: TypeAlias = Literal["collect", "raise", "log", "sample"]

_LOGGER = logging.getLogger("middlewares.testing.lint")
_MOST_FINDINGS = 1000


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken rule: who broke it, what passed before, and how to mend it."""

    id: str
    """The rule, such as ``H22``."""
    party: Literal["server", "app", "middleware"]
    """Who is at fault."""
    layer: str | None
    """The class of the layer at fault, or of the application; ``None`` for the server."""
    statement: str
    """What the rule says."""
    detail: str
    """What was seen."""
    history: tuple[str, ...]
    """The last events that passed, oldest first."""
    hint: str
    """How to mend it."""
    level: Level = "error"
    """``warning`` for what servers and frameworks in wide use do and others bear."""
    lint: str = "Lint"
    """The name of the `Lint` that saw it."""

    def __str__(self) -> str:
        who = self.party if self.layer is None else f"{self.party} {self.layer}"
        lines = [
            f"{self.id} {self.level}, {who}: {self.detail}",
            f"  rule: {self.statement}",
            f"  mend: {self.hint}",
            f"  seen by {self.lint}, after:",
            *(f"    {event}" for event in self.history or ("nothing",)),
        ]
        return "\n".join(lines)


class LintError(AssertionError):
    """A rule of ASGI is broken; raised at the event or the call that broke it, in the mode ``raise``."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding


Report: TypeAlias = list[Finding] | Callable[[Finding], object]


def deliver(finding: Finding, mode: Mode, report: Report) -> None:
    """Tell a finding to whoever is to know, and in the mode ``raise`` raise it."""
    if not isinstance(report, list):
        report(finding)
    elif len(report) < _MOST_FINDINGS:  # a fault of every request must not fill the memory
        report.append(finding)
    if mode == "log":
        _LOGGER.log(logging.ERROR if finding.level == "error" else logging.WARNING, "%s", finding)
    elif mode == "raise" and finding.level == "error" and not _is_leaving(sys.exception()):
        raise LintError(finding)


def _is_leaving(error: BaseException | None) -> bool:
    """Return whether an exception is under way that must not be replaced: a cancellation, or an earlier finding."""
    return isinstance(error, LintError) or not isinstance(error, Exception | None)
