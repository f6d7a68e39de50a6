"""A lease of a very busy key saves calls, and never passes a limit."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from middlewares.rate_limit import RateLimit
from middlewares.rate_limit.decision import Decision
from middlewares.rate_limit.leases import Leases
from middlewares.rate_limit.notation import parse_limits
from middlewares.rate_limit.policy import Policy
from middlewares.rate_limit.redis import RedisLimits
from middlewares.testing import ManualClock

from .apps import hello
from .between import Between

if TYPE_CHECKING:
    from tests.stores.valkey import Server


async def test_a_busy_key_is_asked_for_less_often_and_its_limit_holds(valkey: Server) -> None:
    """Two processes, of which each may hold back one lease less a unit."""
    async with Between(valkey.url) as between:
        clock = ManualClock()
        stores = [RedisLimits(between.url, namespace="leases", deadline=5) for _ in range(2)]
        apps = [RateLimit(hello, limit="200/day", store=store, lease=10, clock=clock.ns) for store in stores]
        let_in = 0
        for _ in range(300):
            for app in apps:
                decision = await app.hit("k")
                assert decision.degraded is None
                let_in += decision.allowed
        assert 200 - 2 * 9 <= let_in <= 200
        assert between.scripts < 70, "of 600 hits"
        for store in stores:
            await store.aclose()


async def test_hits_side_by_side_pass_no_limit_either(valkey: Server) -> None:
    store = RedisLimits(valkey.url, namespace="lease_at_once", deadline=5)
    app = RateLimit(hello, limit="500/day", store=store, lease=20)
    found = await asyncio.gather(*(app.hit("k") for _ in range(2000)))
    assert sum(decision.allowed for decision in found) <= 500
    assert {decision.degraded for decision in found} == {None}
    await store.aclose()


async def test_a_key_that_is_not_busy_has_no_lease(valkey: Server) -> None:
    clock = ManualClock()
    store = RedisLimits(valkey.url, namespace="lease_quiet", deadline=5)
    app = RateLimit(hello, limit="200/day", store=store, lease=10, clock=clock.ns)
    for used in range(1, 31):
        assert (await app.hit("k")).remaining == 200 - used
        clock.advance(0.05)
    await store.aclose()


async def test_what_is_told_counts_the_units_that_are_held(valkey: Server) -> None:
    clock = ManualClock()
    store = RedisLimits(valkey.url, namespace="lease_told", deadline=5)
    app = RateLimit(hello, limit="200/day", store=store, lease=10, clock=clock.ns)
    assert [(await app.hit("k")).remaining for _ in range(40)] == [*range(199, 159, -1)]
    clock.advance(1)  # what was held is lost
    assert (await app.hit("k")).remaining in range(150, 160)
    await app.reset("k")
    assert (await app.hit("k")).remaining == 199
    await store.aclose()


# -- the leases alone

TENTH = 100_000_000


def _policy(limit: str = "200/day", **options: Any) -> Policy:
    (quota,) = parse_limits(limit)
    return Policy("p", quota, **options)


def _leased(leases: Leases, policy: Policy, now: int = 0) -> None:
    """Have one lease taken, of which one unit is handed out at once."""
    for _ in range(leases.size):
        assert leases.use([(policy, "k", 1)], now) == 1
    assert leases.use([(policy, "k", 1)], now) == leases.size
    leases.keep(Decision(True, ((policy, "k", leases.size),), (now + 10**15,), now), now)


def handed_out(leases: Leases, policy: Policy, now: int) -> int:
    """Return how many units there are without asking."""
    units = 0
    while isinstance(leases.use([(policy, "k", 1)], now), Decision):
        units += 1
    return units


@pytest.mark.parametrize(("later", "units"), [(0, 9), (TENTH - 1, 9), (TENTH, 0)])
def test_a_lease_is_handed_out_for_a_tenth_of_a_second(later: int, units: int) -> None:
    leases, policy = Leases(10), _policy()
    _leased(leases, policy)
    assert handed_out(leases, policy, later) == units


@pytest.mark.parametrize(("later", "units"), [(0, 18), (TENTH, 9)])
def test_a_second_lease_adds_to_what_is_left_of_the_first_while_it_lasts(later: int, units: int) -> None:
    leases, policy = Leases(10), _policy()
    _leased(leases, policy)
    leases.keep(Decision(True, ((policy, "k", 10),), (later + 10**15,), later), later)
    assert handed_out(leases, policy, later) == units


def test_a_lease_is_forgotten_with_its_key() -> None:
    leases, policy = Leases(10), _policy()
    _leased(leases, policy)
    leases.forget(policy, "k")
    assert handed_out(leases, policy, 0) == 0


@pytest.mark.parametrize(
    ("policy", "count", "cost"),
    [
        (_policy(), 1, 2),
        (_policy(), 2, 1),
        (_policy("9/day"), 1, 1),
        (_policy(kind="fixed_window"), 1, 1),
        (_policy(is_gate=True), 1, 1),
    ],
    ids=["several units", "several limits", "more than the burst", "a window", "asked only"],
)
def test_what_has_no_lease(policy: Policy, count: int, cost: int) -> None:
    leases = Leases(10)
    assert {leases.use([(policy, "k", cost)] * count, 0) for _ in range(50)} == {cost}


def test_few_keys_have_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("middlewares.rate_limit.leases._MOST", 10)
    leases, policy = Leases(10), _policy()
    _leased(leases, policy)
    for number in range(10):
        leases.use([(policy, f"other {number}", 1)], 0)
    assert handed_out(leases, policy, 0) == 0
