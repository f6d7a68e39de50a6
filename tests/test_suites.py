"""The plugin that says how long each suite took."""

from __future__ import annotations

import pytest

from tests.suites import SuiteSeconds, suite_of


@pytest.mark.parametrize(
    ("nodeid", "suite"),
    [
        ("tests/test_stack.py::test_order", "tests"),
        ("tests/core/test_headers.py::test_find[a::b]", "tests/core"),
        ("tests/core/deep/test_more.py::test_it", "tests/core"),
        ("test_alone.py::test_it", "test_alone.py"),
    ],
)
def test_a_suite_is_a_folder_of_tests(nodeid: str, suite: str):
    assert suite_of(nodeid) == suite


def test_the_summary_has_a_line_for_each_suite(pytester: pytest.Pytester):
    for folder in ("one", "two"):
        test = pytester.path / "tests" / folder / f"test_{folder}.py"
        test.parent.mkdir(parents=True)
        test.write_text("def test_it(): pass\n")
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", plugins=[SuiteSeconds()])
    result.assert_outcomes(passed=2)
    result.stdout.re_match_lines_random(
        [".* seconds per suite .*", r" +\d+\.\d s +1 tests  tests/one", r" +\d+\.\d s +1 tests  tests/two"]
    )
