"""Say at the end what was composed, and let the duties of layers say what they found."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Protocol

import pytest

pytest.register_assert_rewrite("tests.composition.entries", "tests.composition.duties")

_COUNTS = pytest.StashKey[Counter[str]]()


class Tell(Protocol):
    """Keeps what was covered, for the end of the run."""

    def __call__(self, what: str, cases: int) -> None:
        """Count cases of a kind; those of one kind add up."""


@pytest.fixture(autouse=True)
def _no_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """Log nothing: pytest keeps what is logged, with the exceptions in it, and all that they refer to."""
    monkeypatch.setattr(logging.getLogger("middlewares"), "disabled", True)


@pytest.fixture
def tell(pytestconfig: pytest.Config) -> Tell:
    """Return a function that counts cases for the end of the run."""
    counts = pytestconfig.stash.setdefault(_COUNTS, Counter())

    def count(what: str, cases: int) -> None:
        counts[what] += cases

    return count


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was covered, and the seed that repeats it."""
    from tests.composition.plan import SEED

    if counts := config.stash.get(_COUNTS, None):
        terminalreporter.section(f"compositions (COMPOSITION_SEED={SEED})")
        for what, cases in counts.items():
            terminalreporter.write_line(f"{cases:8} cases  {what}")
