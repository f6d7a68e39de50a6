"""A report keeps each finding and note once, the earliest request first, and its memory is bounded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from middlewares.testing.lint import RULES, Finding
from middlewares.testing.probes import ALL_RULES, HANG, Report
from middlewares.testing.probes.report import CURRENT, Place

FINDING = Finding("H24", "app", "shop", RULES["H24"].statement, "b'A' must be in lower case", (), RULES["H24"].hint)


@pytest.fixture
def report() -> Report:
    return Report()


def at(index: int) -> None:
    CURRENT.set(Place(index, f"GET /{index}"))


def test_the_earliest_request_is_the_first_whenever_it_is_told(report: Report):
    """Requests run together, so a later one may be done sooner."""
    for index in (7, 3, 5):
        at(index)
        report.add(replace(FINDING, history=(str(index),)))
        report.note("raised", "the same")
    [found], [note] = report.findings, report.notes
    assert (found.count, found.first.request, found.finding.history) == (3, "GET /3", ("3",))
    assert str(note) == "GET /3: the same (3 times)"


def test_errors_stand_before_warnings_and_what_differs_stands_alone(report: Report):
    at(1)
    report.add(replace(FINDING, level="warning"))
    at(2)
    changes: list[dict[str, Any]] = [{}, {"id": "H26"}, {"party": "middleware"}, {"layer": "x"}, {"detail": "another"}]
    for change in changes:
        report.add(replace(FINDING, **change))
    assert [one.finding.level for one in report.findings] == ["error"] * 5 + ["warning"]
    assert len(report.errors) == 5


def test_what_differs_each_time_does_not_fill_the_memory(report: Report):
    for number in range(1500):
        report.add(replace(FINDING, detail=str(number)))
        report.note("raised", str(number))
    report.add(replace(FINDING, detail="0"))
    assert (len(report.findings), report.left_off, len(report.notes)) == (1000, 500, 1000)
    assert report.findings[0].count == 2


def test_a_hang_is_a_finding_under_a_rule_of_its_own(report: Report):
    report.add_hang("it hangs")
    [found] = report.errors
    assert (found.finding.id, found.finding.detail) == ("HANG", "it hangs")
    assert ALL_RULES["HANG"] is HANG
    assert {*ALL_RULES} == {*RULES, "HANG"}
