"""Levels by size: the first step that reaches so far, or the one level that is prescribed."""

from __future__ import annotations

import pytest

from middlewares.compression.codecs.steps import Levels, Step

LEVELS = Levels((Step(6, 10), Step(4, 20), Step(1)), stream=3, nanoseconds={2: 5, 5: 100}, setup={1: 1e-3, 4: 2e-3})


@pytest.mark.parametrize(("size", "level"), [(0, 6), (10, 6), (11, 4), (20, 4), (21, 1), (10**9, 1), (None, 3)])
def test_the_size_chooses_the_level(size: int | None, level: int) -> None:
    assert LEVELS.settled(None).at(size) == level
    assert LEVELS.settled(9).at(size) == 9


@pytest.mark.parametrize(
    ("level", "seconds"),
    [(None, 2e-3 + 10 * 100e-9), (0, 1e-3 + 10 * 5e-9), (1, 1e-3 + 10 * 5e-9), (4, 2e-3 + 10 * 5e-9)],
)
def test_a_level_that_was_not_measured_costs_as_the_next_lower_one(level: int | None, seconds: float) -> None:
    assert LEVELS.settled(level).seconds(10) == pytest.approx(seconds)
