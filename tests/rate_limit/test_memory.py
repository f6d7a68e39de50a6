"""Memory is bounded, no live key is given up, and no step takes long."""

from __future__ import annotations

import gc
from array import array
from random import randrange
from time import thread_time_ns
from typing import TYPE_CHECKING, Any

import pytest

from middlewares.rate_limit import MemoryLimits, RateLimit
from middlewares.rate_limit.notation import SECOND, Quota
from middlewares.rate_limit.policy import Policy
from middlewares.testing import http_scope, request

from .apps import hello, statuses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from middlewares.testing import ManualClock


def adopted(store: MemoryLimits, amount: int = 5, period: int = 60, kind: str = "gcra") -> Policy:
    policy = Policy("p", Quota(amount, period * SECOND), kind=kind)
    store.adopt(policy)
    return policy


@pytest.mark.parametrize("kind", ["gcra", "strict", "fixed_window", "sliding_window"])
def test_a_spray_of_keys_does_not_give_a_quota_back(clock: ManualClock, kind: str) -> None:
    store = MemoryLimits(max_keys=2560, clock=clock.ns)
    policy = adopted(store, kind=kind)
    while store.take([(policy, "victim", 1)]).allowed:
        pass
    for number in range(10_000):
        store.take([(policy, f"other{number}", 1)])
        assert not store.take([(policy, "victim", 1)]).allowed
    assert len(store) <= 2560 + 256


def test_new_clients_share_what_is_left_where_there_is_no_room(clock: ManualClock) -> None:
    store = MemoryLimits(max_keys=256, clock=clock.ns)
    policy = adopted(store, amount=2)
    passed = sum(store.take([(policy, f"k{number}", 1)]).allowed for number in range(50_000))
    assert passed <= 256 + 256 * 2
    clock.advance(1000)
    assert store.take([(policy, "late", 1)]).allowed, "room comes back once states are over"


def test_states_that_are_over_are_let_go_of(clock: ManualClock) -> None:
    store = MemoryLimits(clock=clock.ns)
    policy = adopted(store)
    for number in range(5000):
        store.take([(policy, f"k{number}", 1)])
    for _ in range(3):
        clock.advance(120)
        for number in range(5000):
            store.take([(policy, f"probe{number}", 0)])
    assert len(store) == 0


@pytest.mark.parametrize("kind", ["gcra", "strict", "fixed_window", "sliding_window"])
def test_a_state_lives_as_long_as_it_counts(clock: ManualClock, kind: str) -> None:
    """Whenever a shard swaps, a client that used its quota up waits as long as it was told."""
    store = MemoryLimits(clock=clock.ns)
    policy = adopted(store, kind=kind)
    for number in range(200):
        clock.advance(7.3)
        key = f"k{number}"
        while store.take([(policy, key, 1)]).allowed:
            pass
        wait = policy.algorithm.wait(store.take([(policy, key, 1)]).states[0], clock.ns(), 1)
        clock.advance((wait - 1000) / SECOND)
        assert not store.take([(policy, key, 1)]).allowed


def test_a_refusal_changes_nothing(clock: ManualClock) -> None:
    store = MemoryLimits(clock=clock.ns)
    first, second = Policy("a", Quota(3, SECOND)), Policy("b", Quota(1, SECOND))
    store.adopt(first)
    store.adopt(second)
    assert store.take([(first, "k", 1), (second, "k", 1)]).allowed
    for _ in range(5):
        assert not store.take([(first, "k", 1), (second, "k", 1)]).allowed
    assert store.take([(first, "k", 2)]).allowed


async def test_keys_without_number_cost_bounded_memory_and_a_good_client_nothing(clock: ManualClock) -> None:
    store = MemoryLimits(max_keys=1000, clock=clock.ns)
    rules = [{"limit": "100/minute", "key": "header:x-key", "name": "key"}, {"limit": "100/minute", "name": "ip"}]
    app = RateLimit(hello, limit=None, rules=rules, store=store)
    good = ("192.0.2.1", 1)
    assert await statuses(app, 1, client=good) == [200]
    found = [(await statuses(app, 1, headers={"x-key": f"k{n}"}))[0] for n in range(1500)]
    assert found.count(200) == 100, "a key of its own for each request gets around the limit of the address"
    assert len(store) <= 2 * (1000 + 256)
    assert await statuses(app, 50, client=good) == [200] * 50


@pytest.mark.sweep
@pytest.mark.timeout(300)
def test_no_step_takes_long_at_a_million_keys(clock: ManualClock) -> None:
    """Not even the longest of four million, beside a loop that does nothing.

    The host of a virtual machine may stop it for some milliseconds within any step, of either loop. What the store
    does is the same each time, so a step of its own that is long is so in every round.
    """
    keys = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(1_000_000)]

    def fill() -> Iterator[array[int]]:
        store = MemoryLimits(max_keys=2_000_000, clock=clock.ns)
        policy = adopted(store)
        for _ in range(4):
            yield _steps(keys, lambda key: store.take(((policy, key, 1),)))
            clock.advance(60)

    gc.collect()
    gc.disable()
    try:
        idle = [_steps(keys, lambda key: None) for _ in range(3)]
        rounds = [list(fill()) for _ in range(3)]
    finally:
        gc.enable()
    longest = max(max(map(min, *same)) for same in zip(*rounds, strict=True))
    assert longest - max(map(min, *idle)) < 2_000_000


@pytest.mark.sweep
@pytest.mark.timeout(300)
async def test_a_request_takes_no_longer_where_there_are_a_million_clients() -> None:
    """The median and the 99th percentile, of clients anywhere among them, within twice those among a thousand."""

    async def nothing(*_: Any) -> Any: ...

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def times(app: RateLimit, numbers: Sequence[int]) -> list[int]:
        scopes = [{**http_scope(), "client": (f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", 1)} for n in numbers]
        found = []
        for scope in scopes:
            start = thread_time_ns()
            await app(scope, nothing, nothing)
            found.append(thread_time_ns() - start)
        return found

    apps = {}
    for count in (1000, 1_000_000):
        store = MemoryLimits(max_keys=4 * count)
        apps[count] = RateLimit(answer, limit="1000000000/minute", store=store)
        (policy,) = apps[count]._engine.plain
        for n in range(count):
            key = f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}"
            store.take(((policy, key, 1),))
    clients = {count: [randrange(count) for _ in range(60_000)] for count in apps}  # noqa: S311 - no secrets
    rounds: dict[int, list[list[int]]] = {count: [] for count in apps}
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            taken: dict[int, list[int]] = {count: [] for count in apps}
            for start in range(0, 60_000, 2000):
                for count, app in apps.items():
                    taken[count] += await times(app, clients[count][start : start + 2000])
            for count in apps:
                rounds[count].append(taken[count])
    finally:
        gc.enable()
    # Interrupts fall on other requests in each round, and on more of them where requests take longer.
    few, many = (sorted(map(min, *rounds[count])) for count in apps)
    assert many[len(many) // 2] <= 2 * few[len(few) // 2]
    assert many[len(many) * 99 // 100] <= 2 * few[len(few) * 99 // 100]


def _steps(keys: list[str], step: Callable[[str], object]) -> array[int]:
    """Return how many nanoseconds of this thread, which others do not take from, each step takes."""
    times = array("Q")
    for key in keys:
        start = thread_time_ns()
        step(key)
        times.append(thread_time_ns() - start)
    return times


def test_max_keys_must_be_right() -> None:
    with pytest.raises(ValueError, match="max_keys must be above 0"):
        MemoryLimits(max_keys=0)


async def test_requests_of_one_client_let_go_of_what_is_over_beside_it(clock: ManualClock) -> None:
    app = RateLimit(hello, limit="2/second", clock=clock.ns)
    quick = app._hosts["192.0.2.1"].quick
    assert quick is not None
    for _ in range(3):
        await request(app, client=("192.0.2.1", 1))
        assert quick[0].swaps > clock.ns()
        clock.advance(10)


async def test_what_can_never_pass_does_not_pass_after_a_while_either(clock: ManualClock) -> None:
    app = RateLimit(hello, limit="5/hour", cost=10, clock=clock.ns)
    hosts = [f"192.0.2.{number}" for number in range(64)]
    for host in hosts:
        assert (await app.hit(host)).allowed
    clock.advance(1.3 * 3600)  # a state that is over, in those shards that have not let go of it
    for host in hosts:
        response = await request(app, client=(host, 1))
        assert (response.status, response.header("retry-after")) == (429, None)
