"""The limit that is found, by a model of an application: so many workers, each of which takes its time."""

from __future__ import annotations

import pytest

from middlewares.concurrency_limit.estimate import Estimate

MS = 0.001


def estimate(limit: int = 20, lowest: int = 1, highest: int = 1000, *, is_adaptive: bool = True) -> Estimate:
    return Estimate(limit, lowest, highest, is_adaptive=is_adaptive)


def load(subject: Estimate, samples: int, *, workers: float, seconds: float = 10 * MS, offered: float = 1e9) -> None:
    """Let as many requests through as the limit allows, or fewer where fewer are offered at once."""
    for _ in range(samples):
        in_flight = min(subject.limit, offered)
        subject.sample(seconds * max(1.0, in_flight / workers), int(in_flight), subject.epoch)


@pytest.mark.parametrize("workers", [1, 3, 10, 40, 200])
def test_under_load_it_settles_somewhat_above_what_is_needed(workers: int) -> None:
    subject = estimate()
    load(subject, 500 * workers + 20_000, workers=workers)
    reached = []
    for _ in range(200):
        load(subject, 50, workers=workers)
        reached.append(subject.limit)
    usual = sorted(reached)[100]
    assert workers <= usual <= 1.6 * workers + 3 * workers**0.5 + 3
    assert subject.unloaded == pytest.approx(10 * MS, rel=0.25)


def test_a_limit_that_is_not_used_does_not_grow() -> None:
    subject = estimate()
    load(subject, 10_000, workers=100, offered=5)
    assert subject.limit == 20
    assert subject.unloaded == pytest.approx(10 * MS)


def test_it_stays_within_its_bounds() -> None:
    subject = estimate(5, lowest=5, highest=8)
    load(subject, 5000, workers=1)
    assert 5 <= subject.limit <= 8
    load(subject, 20_000, workers=1000)
    assert subject.limit == 8


def test_a_fixed_limit_stays_and_the_time_without_load_is_followed() -> None:
    subject = estimate(7, is_adaptive=False)
    load(subject, 1000, workers=100)
    assert subject.unloaded == pytest.approx(10 * MS)
    load(subject, 50_000, workers=100, seconds=30 * MS)
    assert subject.unloaded == pytest.approx(30 * MS, rel=0.01)
    load(subject, 1000, workers=100, seconds=5 * MS)
    assert subject.unloaded == pytest.approx(5 * MS, rel=0.01)
    assert subject.limit == 7


def test_few_requests_that_take_very_long_hardly_move_it() -> None:
    subject = estimate()
    for _ in range(200):
        load(subject, 99, workers=10)
        subject.sample(10.0, 5, subject.epoch)
    assert 10 <= subject.limit <= 40


def test_what_was_admitted_under_another_epoch_is_left_out() -> None:
    subject = estimate()
    load(subject, 39, workers=10)
    subject.sample(10.0, 20, subject.epoch - 1)
    load(subject, 1, workers=10)
    assert subject.unloaded == pytest.approx(20 * MS)


def test_times_of_zero_are_taken() -> None:
    subject = estimate()
    load(subject, 1000, workers=10, seconds=0.0)
    assert subject.limit >= 1
