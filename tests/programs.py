"""A pytest plugin for tests that need external programs; and nothing is skipped under ``CI=true``.

A test says what it needs: ``@pytest.mark.needs("wrk")``. Without the program it is skipped, and the end of
the run lists what to install. With ``CI=true`` in the environment every skip, of a test or of a whole file
and for whatever reason, is a failure: a run that counts must not pass by leaving things out.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ("PROGRAMS", "Program", "find_program")


class Program(NamedTuple):
    """An external program: the Debian package to install, and the names it goes by on ``PATH``."""

    package: str
    commands: tuple[str, ...]


PROGRAMS = {
    "chromium": Program("chromium", ("chromium", "chromium-browser", "google-chrome")),
    "curl": Program("curl", ("curl",)),
    "prometheus": Program("prometheus", ("prometheus",)),
    "tmux": Program("tmux", ("tmux",)),
    "wrk": Program("wrk", ("wrk",)),
}

_missing_for = pytest.StashKey[dict[str, list[str]]]()


def find_program(name: str) -> str | None:
    """Return the path of a program of `PROGRAMS`, or ``None`` if it is not installed."""
    return next(filter(None, map(shutil.which, PROGRAMS[name].commands)), None)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"needs(*programs): external programs of the test: {', '.join(PROGRAMS)}")
    config.stash[_missing_for] = {}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test, before any fixture starts, whose programs are not installed."""
    needed = [name for marker in item.iter_markers("needs") for name in marker.args]
    unknown = sorted(set(needed) - PROGRAMS.keys())
    if unknown:
        pytest.fail(f"needs: unknown program {unknown[0]!r}; known are {', '.join(PROGRAMS)}", pytrace=False)
    missing = sorted(name for name in set(needed) if find_program(name) is None)
    for name in missing:
        item.config.stash[_missing_for].setdefault(name, []).append(item.nodeid)
    if missing:
        pytest.skip(f"needs {' and '.join(missing)}: {_how_to_install(missing)}")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failed one under ``CI=true``; an expected failure stays what it is."""
    report = yield
    if not hasattr(report, "wasxfail"):
        _forbid_skip(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn a file that is skipped as a whole (``importorskip``) into an error under ``CI=true``."""
    report = yield
    _forbid_skip(report)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """List the missing programs, how many tests wait for each, and the command that installs them."""
    missing_for = config.stash[_missing_for]
    if not missing_for:
        return
    terminalreporter.section("missing programs")
    for name, tests in sorted(missing_for.items()):
        terminalreporter.write_line(f"{name}: needed by {len(tests)} test{'s' if len(tests) > 1 else ''}")
    terminalreporter.write_line(f"To run them too: {_how_to_install(sorted(missing_for))}")


def _how_to_install(names: list[str]) -> str:
    return f"apt-get install {' '.join(PROGRAMS[name].package for name in names)}"


def _forbid_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and os.environ.get("CI") == "true":
        # A skip is reported as (path, line, reason).
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"With CI=true nothing may be skipped. {reason}"
