"""A pytest plugin: the fixture ``asgi_lint`` puts applications under the lint, and fails the test over what it finds.

::

    @pytest.mark.asgi_lint(strict=True, ignore=["H24"])
    def test_products(asgi_lint):
        client = TestClient(asgi_lint(app))
        assert client.get("/products").status_code == 200

pytest loads this module in every run, so it imports the lint when the fixture is first called.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp
    from middlewares.testing.lint import Finding, Lint

__all__ = ("AsgiLint", "LintWarning", "asgi_lint", "pytest_configure")

_MARKER = "asgi_lint(strict=False, ignore=[]): options of the fixture asgi_lint: feed awkward input, leave rules out"

_MOST_FINDINGS = 1000


class LintWarning(UserWarning):
    """The lint has found what frameworks in wide use do and servers bear."""


@dataclass(frozen=True, slots=True)
class _Options:
    """What the marker of a test says."""

    strict: bool = False
    ignore: Collection[str] = ()


class AsgiLint:
    """What the fixture ``asgi_lint`` is: a function that puts an application, or a layer, inside a `Lint`.

    All that one test makes share their findings, so a layer between two of them is named if it is at fault.
    """

    def __init__(self, options: _Options) -> None:
        self.findings: list[Finding] = []
        """What was found so far, at most 1,000 findings; a test that expects something clears it."""
        self._options = options

    def __call__(self, app: ASGIApp, *, strict: bool | None = None) -> Lint:
        """Return ``app`` inside a lint; ``strict`` as the marker says, unless it is given."""
        from middlewares.testing.lint import Lint

        is_strict = self._options.strict if strict is None else strict
        return Lint(app, strict=is_strict, ignore=self._options.ignore, report=self._add)

    def _add(self, finding: Finding) -> None:
        is_tested = finding.party != "server"  # which is the test client here
        if is_tested and len(self.findings) < _MOST_FINDINGS:
            self.findings.append(finding)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def asgi_lint(request: pytest.FixtureRequest) -> Iterator[AsgiLint]:
    """Put applications under the lint: ``asgi_lint(app)`` is ``app`` inside a ``Lint``.

    When the test and the fixtures that use it are done, all findings are listed: errors fail the test, warnings
    alone are given as `LintWarning`. Options are given by the marker of the same name.
    """
    lint = AsgiLint(_options_of(request))
    yield lint
    if any(finding.level == "error" for finding in lint.findings):
        pytest.fail(_listed(lint.findings), pytrace=False)
    elif lint.findings:
        warnings.warn(LintWarning(_listed(lint.findings)), stacklevel=2)


def _listed(findings: Iterable[Finding]) -> str:
    """Return the findings, each once, with the history of the first time."""
    seen: dict[tuple[object, ...], list[Finding]] = {}
    for finding in findings:
        key = (finding.id, finding.level, finding.party, finding.layer, finding.detail)
        seen.setdefault(key, []).append(finding)
    texts = [f"{same[0]}" + (f"\n  seen {len(same)} times" if len(same) > 1 else "") for same in seen.values()]
    rules = ", ".join(dict.fromkeys(finding.id for finding in findings))
    return "\n\n".join([f"the lint has found {rules}:", *texts])


def _options_of(request: pytest.FixtureRequest) -> _Options:
    """Return what the nearest marker says."""
    marker: Any = request.node.get_closest_marker("asgi_lint")
    if marker is None:
        return _Options()
    try:
        options = _Options(*marker.args, **marker.kwargs)
    except TypeError:
        options = None
    if marker.args or options is None:
        pytest.fail(f"the marker asgi_lint takes strict and ignore by name; got {marker}", pytrace=False)
    return options
