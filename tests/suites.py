"""A pytest plugin that says at the end how many tests each suite ran, and in how many seconds."""

from __future__ import annotations

from collections import defaultdict
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Start counting."""
    config.pluginmanager.register(SuiteSeconds())


def suite_of(nodeid: str) -> str:
    """Return the suite of a test: its folder below ``tests``, or ``tests`` itself."""
    parts = PurePosixPath(nodeid.partition("::")[0]).parts
    return "/".join(parts[: 2 if len(parts) > 2 else 1])


class SuiteSeconds:
    """Counts the tests of each suite and their time, with setup and teardown."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._tests: defaultdict[str, int] = defaultdict(int)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count one phase of a test."""
        suite = suite_of(report.nodeid)
        self._seconds[suite] += report.duration
        self._tests[suite] += report.when == "call"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print a line for each suite, the longest first, if there is more than one."""
        if len(self._seconds) < 2:
            return
        terminalreporter.section("seconds per suite")
        for suite, seconds in sorted(self._seconds.items(), key=lambda item: -item[1]):
            terminalreporter.write_line(f"{seconds:8.1f} s  {self._tests[suite]:5} tests  {suite}")
