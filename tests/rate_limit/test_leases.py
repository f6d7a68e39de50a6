"""A lease of a very busy key saves calls, and never passes a limit."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from middlewares.rate_limit import RateLimit
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
