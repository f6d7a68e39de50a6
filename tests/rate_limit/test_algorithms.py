"""Each algorithm agrees with an oracle in rational numbers, and keeps what its name promises."""

from __future__ import annotations

import random
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewares.rate_limit.algorithms import ALGORITHMS, NEVER, Bucket, make_algorithm, tick_for
from middlewares.rate_limit.notation import SECOND, Quota

from .oracle import Answer, Leaking, Sliding, Windows

START = 1000 * SECOND
DAY = 86_400 * SECOND


def answer(algorithm: Any, state: Any, now: int, cost: int) -> tuple[Any, Answer]:
    """Return the state after a hit, and what the algorithm says of it."""
    after = algorithm.charge(state, now, cost)
    is_allowed = after is not None
    kept = after if is_allowed else state
    remaining, reset = algorithm.view(kept, now)
    return kept, Answer(is_allowed, remaining, reset, 0 if is_allowed else algorithm.wait(state, now, cost))


def pair(name: str, amount: int, period: int, burst: int | None) -> tuple[Any, Any]:
    """Return an algorithm, and its oracle."""
    algorithm = make_algorithm(name, Quota(amount, period), burst)
    if name == "fixed_window":
        return algorithm, Windows(amount, period)
    if name == "sliding_window":
        return algorithm, Sliding(amount, period)
    capacity = burst or (amount if name == "gcra" else (amount + 1) // 2)
    slots = amount if name == "gcra" else amount - capacity + 1
    return algorithm, Leaking(-(-period // slots), capacity)


def agree(name: str, events: int, seed: int) -> None:
    """Send random events through both, in runs with quotas of their own."""
    chance = random.Random(seed)  # noqa: S311 - for tests, and the same each time
    while events > 0:
        amount = chance.choice((1, 2, 3, 5, 7, 20, 60, 199))
        period = chance.choice((7, 97, 1000, SECOND, 60 * SECOND))
        burst = chance.choice((None, 1, max(1, amount // 2))) if name in ("gcra", "strict") else None
        algorithm, oracle = pair(name, amount, period, burst)
        state, now = algorithm.empty, START
        pace = chance.choice((1, 3, 10))
        for _ in range(500):
            now += chance.choice((0, 0, 1, chance.randrange(1 + pace * period // amount), chance.randrange(2 * period)))
            cost = chance.choice((1, 1, 1, 1, 0, 2, amount, amount + 1))
            state, said = answer(algorithm, state, now, cost)
            assert said == oracle.hit(now, cost), (name, amount, period, burst, now, cost)
        events -= 500


@pytest.mark.parametrize("name", ALGORITHMS)
def test_it_agrees_with_the_oracle(name: str) -> None:
    agree(name, 10_000, seed=1)


@pytest.mark.sweep
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ALGORITHMS)
def test_it_agrees_with_the_oracle_in_a_million_events(name: str) -> None:
    agree(name, 1_000_000, seed=2)


def burst_at_one_moment(amount: int, period: int) -> int:
    algorithm = make_algorithm("gcra", Quota(amount, period))
    state, passed = algorithm.empty, 0
    while (after := algorithm.charge(state, START, 1)) is not None:
        state, passed = after, passed + 1
    return passed


@pytest.mark.parametrize("period", [SECOND, 60 * SECOND, 3600 * SECOND, DAY])
def test_exactly_the_burst_passes_at_one_moment(period: int) -> None:
    for amount in [*range(1, 200), 997, 1999, 9973, 10_000]:
        assert burst_at_one_moment(amount, period) == amount


@pytest.mark.sweep
@pytest.mark.timeout(300)
@pytest.mark.parametrize("period", [SECOND, 60 * SECOND, 3600 * SECOND, DAY])
def test_the_last_of_a_burst_passes_and_one_more_does_not_for_any_limit(period: int) -> None:
    """What passes one by one passes at once: a state after n units is that after a cost of n."""
    for amount in range(1, 10_001):
        for tick in (1, 1000):
            algorithm = make_algorithm("gcra", Quota(amount, period), tick=tick)
            full = algorithm.charge(algorithm.empty, START, amount)
            assert full is not None
            assert algorithm.charge(full, START, 1) is None
            assert algorithm.charge(algorithm.charge(0, START, amount - 1), START, 1) == full


@given(
    st.integers(1, 30),
    st.data(),
    st.lists(st.tuples(st.integers(0, 400), st.integers(1, 3)), max_size=120),
)
def test_strict_never_passes_more_in_any_window(amount: int, data: Any, steps: list[tuple[int, int]]) -> None:
    burst = data.draw(st.one_of(st.none(), st.integers(1, amount)))
    period = 1000
    algorithm = make_algorithm("strict", Quota(amount, period), burst)
    state, passed = algorithm.empty, []
    for now, (_, cost) in zip(accumulate((step for step, _ in steps), initial=START), steps, strict=False):
        while (after := algorithm.charge(state, now, cost)) is not None:
            state = after
            passed.append((now, cost))
    for begin, _ in passed:
        assert sum(cost for at, cost in passed if begin <= at < begin + period) <= amount


@pytest.mark.parametrize("burst", [1, 5, 10])
def test_strict_reaches_its_amount(burst: int) -> None:
    algorithm = make_algorithm("strict", Quota(10, 1000), burst)
    state, passed = algorithm.empty, 0
    for now in range(START, START + 1000):
        while (after := algorithm.charge(state, now, 1)) is not None:
            state, passed = after, passed + 1
    assert passed == 10


def worst_window(name: str) -> int:
    """Return the most hits in 60 s of a client that aims at the edge of windows."""
    period = 60 * SECOND
    algorithm = make_algorithm(name, Quota(20, period))
    state, passed = algorithm.charge(algorithm.empty, START, 1), [START]
    for now in range(START + 59 * SECOND, START + 125 * SECOND, SECOND // 10):
        while (after := algorithm.charge(state, now, 1)) is not None:
            state = after
            passed.append(now)
    return max(sum(begin <= at < begin + period for at in passed) for begin in passed)


@pytest.mark.parametrize(("name", "most"), [("fixed_window", 39), ("sliding_window", 38), ("gcra", 39), ("strict", 20)])
def test_what_the_edge_of_a_window_lets_through(name: str, most: int) -> None:
    assert worst_window(name) <= most
    assert worst_window(name) > 20 or name == "strict"


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("seed", range(20))
def test_a_wait_is_true_to_the_tick(name: str, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - for tests, and the same each time
    algorithm = make_algorithm(name, Quota(chance.choice((1, 3, 10)), chance.choice((97, SECOND))))
    state, now = algorithm.empty, START
    for _ in range(50):
        now += chance.randrange(40)
        cost = chance.randrange(1, algorithm.capacity + 1)
        wait = algorithm.wait(state, now, cost)
        assert algorithm.charge(state, now + wait, cost) is not None
        assert not wait or algorithm.charge(state, now + wait - 1, cost) is None
        state = algorithm.charge(state, now, cost) or state


@pytest.mark.parametrize("name", ALGORITHMS)
def test_what_can_never_pass_never_does(name: str) -> None:
    algorithm = make_algorithm(name, Quota(4, SECOND))
    for cost in (5, 10**18):
        assert algorithm.charge(algorithm.empty, START, cost) is None
        assert algorithm.wait(algorithm.empty, START, cost) == NEVER


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_refund_gives_back_what_was_taken_and_no_more(name: str) -> None:
    algorithm = make_algorithm(name, Quota(8, SECOND))
    one = algorithm.charge(algorithm.empty, START, 1)
    three = algorithm.charge(one, START, 2)
    assert algorithm.view(algorithm.refund(three, START, 2, three), START)[0] == algorithm.view(one, START)[0]
    much_later = START + 10 * SECOND
    assert algorithm.view(algorithm.refund(three, much_later, 8, three), much_later)[0] == algorithm.capacity


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_window_that_moved_on_is_not_refunded(name: str) -> None:
    algorithm = make_algorithm(name, Quota(4, SECOND), 4 if name == "gcra" else None)
    old = algorithm.charge(algorithm.empty, START, 1)
    later = START + 3 * SECOND
    fresh = algorithm.charge(old, later, 1)
    refunded = algorithm.refund(fresh, later, 1, old)
    # A bucket has no windows: what is given back there is never more than what was taken.
    assert refunded == fresh or isinstance(algorithm, Bucket)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_debt_is_bounded_and_ends(name: str) -> None:
    algorithm = make_algorithm(name, Quota(4, SECOND))
    state = algorithm.debit(algorithm.empty, START, 10**9)
    assert algorithm.charge(state, START, 1) is None
    wait = algorithm.wait(state, START, 1)
    assert algorithm.charge(state, START + wait, 1) is not None
    assert wait <= 2 * algorithm.lifetime
    assert algorithm.expires(state) <= START + algorithm.lifetime


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_clock_that_was_set_back_locks_nobody_out_for_longer_than_a_state_lives(name: str) -> None:
    algorithm = make_algorithm(name, Quota(4, SECOND))
    state = algorithm.charge(algorithm.empty, START, algorithm.capacity)
    earlier = START - 500 * SECOND
    mended = algorithm.sound(state, earlier)
    assert algorithm.charge(mended, earlier, 1) is None, "a second quota"
    assert algorithm.wait(mended, earlier, 1) <= algorithm.lifetime
    assert algorithm.sound(state, START) == state


@pytest.mark.parametrize(
    ("name", "burst", "words"),
    [
        ("gcra", 0, "above 0"),
        ("strict", 11, "amount of a strict limit"),
        ("fixed_window", 3, "windows are bursts"),
        ("sliding_window", 3, "windows are bursts"),
    ],
)
def test_a_burst_that_cannot_be_kept_is_refused(name: str, burst: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make_algorithm(name, Quota(10, SECOND), burst)


@pytest.mark.parametrize("amount", [1, 10_000, 10**9])
@pytest.mark.parametrize("name", ALGORITHMS)
def test_numbers_stay_exact_in_doubles(name: str, amount: int) -> None:
    tick = tick_for(name, Quota(amount, DAY))
    numbers = make_algorithm(name, Quota(amount, DAY), tick=tick).arguments
    assert all(number < 2**52 for number in numbers)
    if name == "sliding_window":
        assert 4 * numbers[0] * numbers[1] < 2**52
