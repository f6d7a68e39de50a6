"""Real servers as fixtures; when a test fails, the report shows what the server printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.servers import RunningServer, serve

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    """A running server; the parameter, given with ``indirect``, holds its name, the application, and options."""
    with serve(*request.param) as running:
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    running = getattr(item, "funcargs", {}).get("server")
    if report.failed and isinstance(running, RunningServer):
        report.sections.append((f"Output of {running.name}", running.output()))
    return report
