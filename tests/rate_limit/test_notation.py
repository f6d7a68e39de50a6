"""Limits are read as people write them."""

from __future__ import annotations

from time import process_time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewares.rate_limit.notation import SECOND, Quota, parse_limits, parse_period

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("text", "quotas"),
    [
        ("100/minute", [(100, 60)]),
        ("100/minute;5/second", [(100, 60), (5, 1)]),
        ("1 per 2 hours, 10 per day", [(1, 7200), (10, 86_400)]),
        ("10/5minutes | 3 / 2 Seconds", [(10, 300), (3, 2)]),
        ("1/month;2/year", [(1, 30 * 86_400), (2, 365 * 86_400)]),
    ],
)
def test_a_notation(text: str, quotas: list[tuple[int, int]]) -> None:
    assert parse_limits(text) == tuple(Quota(amount, seconds * SECOND) for amount, seconds in quotas)


@pytest.mark.parametrize(
    "text",
    ["", "100", "0/second", "1/0 seconds", "-1/second", "1.5/second", "1/fortnight", "1/second;", "٣/second",
     "1/second;2/second", "1" * 13 + "/second", ";".join(f"1/{n} seconds" for n in range(1, 18)), "10 perday"],
)  # fmt: skip
def test_what_is_no_notation(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        parse_limits(text)


@pytest.mark.parametrize("read", [parse_limits, parse_period])
def test_white_space_takes_no_time(read: Callable[[str], object]) -> None:
    """A function may make a notation of what a client sent."""
    began = process_time()
    with pytest.raises(ValueError, match="must"):
        read("1 /" + " " * 20_000)
    with pytest.raises(ValueError, match="must"):
        read(" " * 20_000)
    assert process_time() - began < 0.5


@given(st.integers(1, 10**12 - 1), st.integers(1, 999), st.sampled_from(["second", "minute", "hour", "day"]))
def test_a_quota_is_written_as_it_is_read(amount: int, count: int, period: str) -> None:
    (quota,) = parse_limits(f"{amount}/{count} {period}s")
    assert parse_limits(str(quota)) == (quota,)


@pytest.mark.parametrize(("text", "seconds"), [("hour", 3600), ("15 minutes", 900), ("2days", 172_800)])
def test_a_period(text: str, seconds: int) -> None:
    assert parse_period(text) == seconds * SECOND


@pytest.mark.parametrize("text", ["", "0 seconds", "an hour", "5"])
def test_what_is_no_period(text: str) -> None:
    with pytest.raises(ValueError, match="must be a period"):
        parse_period(text)
