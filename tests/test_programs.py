"""The plugin for external programs: what is skipped, what the run says of it, and that CI skips nothing."""

from __future__ import annotations

import shutil

import pytest

from tests.programs import PROGRAMS, find_program


@pytest.fixture(autouse=True)
def _outside_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)


def run(pytester: pytest.Pytester, source: str) -> pytest.RunResult:
    pytester.makepyfile(source)
    return pytester.runpytest_inprocess("-p", "tests.programs", "-p", "no:cacheprovider", "-rs", "--strict-markers")


NEEDS_WRK = """
    import pytest

    @pytest.mark.needs("wrk")
    def test_load(): ...

    @pytest.mark.needs("wrk", "curl")
    def test_load_and_fetch(): ...
"""


@pytest.mark.usefixtures("nothing_installed")
def test_a_test_without_its_program_is_skipped_and_the_run_says_what_to_install(
    pytester: pytest.Pytester,
) -> None:
    result = run(pytester, NEEDS_WRK)
    result.assert_outcomes(skipped=2)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        [
            "*missing programs*",
            "curl: needed by 1 test",
            "wrk: needed by 2 tests",
            "To run them too: apt-get install curl wrk",
        ]
    )
    result.stdout.fnmatch_lines(["SKIPPED*needs curl and wrk: apt-get install curl wrk"])


def test_a_test_with_its_programs_runs_and_nothing_is_listed(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    result = run(pytester, NEEDS_WRK)
    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line("*missing programs*")


@pytest.mark.usefixtures("nothing_installed")
def test_fixtures_do_not_start_for_a_test_that_is_skipped(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import pytest

        @pytest.fixture(scope="session", autouse=True)
        def browser():
            raise RuntimeError("started")

        @pytest.mark.needs("chromium")
        def test_page(): ...
        """,
    )
    result.assert_outcomes(skipped=1)


def test_an_unknown_program_is_a_failure_that_names_the_known_ones(pytester: pytest.Pytester) -> None:
    result = run(pytester, "import pytest\n\n@pytest.mark.needs('wkr')\ndef test_load(): ...\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*unknown program 'wkr'; known are chromium, curl, prometheus, tmux, wrk*"])


@pytest.mark.parametrize(
    "source",
    [
        "import pytest\n\ndef test_it(): pytest.skip('not today')",
        "import pytest\n\n@pytest.mark.skip(reason='not today')\ndef test_it(): ...",
        "import pytest\n\n@pytest.mark.skipif(True, reason='not today')\ndef test_it(): ...",
        "import pytest\n\n@pytest.fixture\ndef it(): pytest.skip('not today')\n\ndef test_it(it): ...",
        "import unittest\n\nclass TestIt(unittest.TestCase):\n def test_it(self): self.skipTest('not today')",
        "import pytest\n\npytest.skip('not today', allow_module_level=True)",
        "import pytest\n\npytest.importorskip('no_such_module', reason='not today')",
    ],
    ids=["call", "mark", "condition", "fixture", "unittest", "file", "import"],
)
def test_every_kind_of_skip_fails_the_run_under_ci(
    source: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(pytester, source).ret in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    monkeypatch.setenv("CI", "true")
    result = run(pytester, source)
    assert result.ret in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)
    result.stdout.fnmatch_lines(["With CI=true nothing may be skipped.*not today*"])


@pytest.mark.usefixtures("nothing_installed")
def test_a_missing_program_fails_the_run_under_ci_and_is_listed(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    result = run(pytester, NEEDS_WRK)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["To run them too: apt-get install curl wrk"])


def test_an_expected_failure_is_no_skip(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    result = run(pytester, "import pytest\n\n@pytest.mark.xfail(strict=True)\ndef test_it(): assert False")
    result.assert_outcomes(xfailed=1)
    assert result.ret == pytest.ExitCode.OK


def test_a_program_is_found_under_any_of_its_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/opt/{name}" if name == "google-chrome" else None)
    assert find_program("chromium") == "/opt/google-chrome"
    assert find_program("wrk") is None
    assert "google-chrome" in PROGRAMS["chromium"].commands
