"""Several processes share a quota exactly, and a store that is down holds nobody up."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from middlewares.errors import OptionError
from middlewares.rate_limit import RateLimit, line, wire
from middlewares.rate_limit.redis import RedisLimits
from middlewares.rate_limit.sqlite import SQLiteLimits
from middlewares.stores import StoreUnavailable
from middlewares.testing import LifespanFailed, lifespan, request
from tests.stores.valkey import Server

from .apps import hello, statuses
from .between import Between

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from middlewares.testing import ManualClock

WORKER = """
import asyncio, json, sys, time
skew = float(sys.argv[3])
real = time.time
time.time = lambda: real() + skew  # before anything takes it
from middlewares.rate_limit import RateLimit, line, wire

async def app(scope, receive, send): ...

async def main():
    limiter = RateLimit(app, limit="300/day", store=sys.argv[1], namespace=sys.argv[2], deadline=10,
                        on_store_failure="closed")
    passed = 0
    for _ in range(40):
        found = await asyncio.gather(*(limiter.hit("k") for _ in range(10)))
        passed += sum(decision.allowed for decision in found)
    await limiter._engine.aclose()
    print(json.dumps(passed))

asyncio.run(main())
"""
ROOT = Path(__file__).parents[2]


def admitted(url: str, namespace: str) -> int:
    """Return how many of 1600 hits four processes let in together, with clocks an hour apart."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    environment["PYTHONPATH"] = str(ROOT)
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, url, namespace, str(skew)], env=environment, stdout=subprocess.PIPE
        )
        for skew in (0, 3600, -3600, 0)
    ]
    return sum(int(json.loads(worker.communicate(timeout=60)[0])) for worker in workers)


def test_four_processes_with_skewed_clocks_share_a_server_exactly(valkey: Server) -> None:
    assert admitted(valkey.url, "four") == 300


def test_four_processes_share_a_file_exactly(tmp_path: Path) -> None:
    assert admitted(f"sqlite:///{tmp_path}/limits.db", "four") == 300


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A Valkey of a test's own, to be ill-treated."""
    made = Server(tmp_path)
    made.start()
    yield made
    made.thaw() if made._process is not None else None
    made.kill()


async def keys_of(url: str, namespace: str) -> dict[bytes, int]:
    """Return the keys of a namespace, with the milliseconds that each has left."""
    from redis.asyncio import Redis

    client = Redis.from_url(url)
    try:
        found = [key async for key in client.scan_iter(f"middlewares:rate_limit:{namespace}:*")]
        return {key: await client.pttl(key) for key in found}
    finally:
        await client.aclose()


@pytest.mark.parametrize(
    ("algorithm", "seconds"), [("gcra", 30), ("strict", 31), ("fixed_window", 60), ("sliding_window", 120)]
)
async def test_every_key_has_a_time_to_live(valkey: Server, algorithm: Any, seconds: int) -> None:
    namespace = f"ttl_{algorithm}"
    store = RedisLimits(valkey.url, namespace=namespace, deadline=5)
    app = RateLimit(hello, limit="2/minute", algorithm=algorithm, store=store)
    await statuses(app, 1)
    (left,) = (await keys_of(valkey.url, namespace)).values()
    assert 0 < left <= (seconds + 1) * 1000
    await store.aclose()


async def test_braces_of_a_client_do_not_choose_the_slot(valkey: Server) -> None:
    store = RedisLimits(valkey.url, namespace="slots", deadline=5)
    app = RateLimit(hello, limit="2/minute", key="header:x-key", store=store)
    for key in ("{aim}1", "{aim}2", "a\r\nb", "x" * 1000, "{}"):
        await statuses(app, 1, headers={"x-key": key})
    names = [key.decode() for key in await keys_of(valkey.url, "slots")]
    assert len(names) == 5
    assert all(name.partition("{")[2].partition("}")[0].isdigit() for name in names)
    assert all(len(name) < 200 for name in names)
    await store.aclose()


async def test_hits_that_come_together_travel_together(valkey: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RedisLimits(valkey.url, namespace="batch", deadline=5)
    sizes: list[int] = []
    packed = wire.packed

    def counted(hits: Any, prefix: str) -> Any:
        sizes.append(len(hits))
        return packed(hits, prefix)

    monkeypatch.setattr(line, "packed", counted)
    app = RateLimit(hello, limit="100/hour", store=store, on_store_failure="closed")
    found = await asyncio.gather(*(app.hit(f"k{number % 2}") for number in range(300)))
    assert sum(decision.allowed for decision in found) == 200
    assert max(sizes) == 64
    assert len(sizes) <= 2 + 300 // 64 + 3
    await store.aclose()


async def test_a_script_that_the_server_forgot_is_sent_again(valkey: Server) -> None:
    from redis.asyncio import Redis

    store = RedisLimits(valkey.url, namespace="noscript", deadline=5)
    app = RateLimit(hello, limit="3/hour", store=store, on_store_failure="closed")
    assert await statuses(app, 1) == [200]
    async with Redis.from_url(valkey.url) as client:
        await client.script_flush()
    assert await statuses(app, 3) == [200, 200, 429]
    await store.aclose()


async def answered(app: RateLimit, times: int) -> tuple[list[int | None], float]:
    """Return statuses of requests side by side, and the longest time that one took."""
    found: list[int | None] = []
    longest = 0.0

    async def ask(number: int) -> None:
        nonlocal longest
        start = time.perf_counter()
        found.append((await request(app, client=(f"10.9.{number >> 8}.{number & 255}", 1))).status)
        longest = max(longest, time.perf_counter() - start)

    async with anyio.create_task_group() as group:
        for number in range(times):
            group.start_soon(ask, number)
    return found, longest


@pytest.mark.parametrize(("policy", "status"), [("open", 200), ("closed", 503), ("local", 200)])
async def test_a_frozen_server_holds_nobody_up(server: Server, policy: Any, status: int) -> None:
    app = RateLimit(hello, limit="100/hour", store=server.url, on_store_failure=policy, deadline=0.05)
    await answered(app, 3)
    server.freeze()
    found, longest = await answered(app, 40)
    assert {*found} == {status}
    assert longest < 1, "a request waited much longer than the deadline"
    # By now the breaker is open: nobody waits at all.
    found, longest = await answered(app, 40)
    assert {*found} == {status}
    assert longest < 0.5
    server.thaw()
    guard = app._engine.shared
    with anyio.fail_after(5):
        while guard is None or guard._failures:
            await answered(app, 1)
    assert {*(await answered(app, 3))[0]} == {200}
    await app._engine.aclose()


async def test_a_store_that_is_down_leaves_each_process_its_share(server: Server) -> None:
    server.kill()
    app = RateLimit(hello, limit="8/hour", store=server.url, processes=4, deadline=0.5)
    assert await statuses(app, 4) == [200, 200, 429, 429]
    assert app.metrics()["8/hour", "allowed"] == 2


async def test_a_server_that_is_killed_and_started_empty_is_used_again(server: Server) -> None:
    app = RateLimit(hello, limit="2/hour", store=server.url, deadline=0.5)
    assert await statuses(app, 3) == [200, 200, 429]
    server.kill()
    assert 500 not in await statuses(app, 20)
    server.start()
    with anyio.fail_after(5):
        while not await keys_of(server.url, "default"):
            await statuses(app, 1, client=("192.0.2.77", 1))
            await anyio.sleep(0.01)
    await app._engine.aclose()


async def test_one_refused_client_does_not_reach_the_store(
    valkey: Server, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RedisLimits(valkey.url, namespace="flood", deadline=5)
    app = RateLimit(hello, limit="2/minute", store=store, on_store_failure="closed", clock=clock.ns)
    assert await statuses(app, 3) == [200, 200, 429]
    calls = 0
    send = store._send

    async def counted(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        return await send(*arguments)

    monkeypatch.setattr(store, "_send", counted)
    flood = await statuses(app, 200)
    assert (flood, calls) == ([429] * 200, 0)
    clock.advance(31)
    await statuses(app, 1)
    assert calls == 1
    await store.aclose()


class Failing:
    """A store that fails as it is told."""

    def __init__(self) -> None:
        self.calls = 0

    def tick(self, kind: str, quota: Any) -> int:
        return 1

    async def take(self, charges: Any) -> Any:
        self.calls += 1
        raise StoreUnavailable("no luck")

    async def debit(self, charges: Any) -> None:
        raise StoreUnavailable("no luck")

    async def refund(self, decision: Any) -> None:
        raise StoreUnavailable("no luck")

    async def reset(self, policy: Any, key: str) -> None:
        raise StoreUnavailable("no luck")

    async def aclose(self) -> None: ...


async def test_rules_differ_in_what_a_failure_means(clock: ManualClock) -> None:
    rules = [
        {"limit": "5/minute", "paths": ["/pay"], "on_store_failure": "closed", "name": "pay"},
        {"limit": "1/minute", "paths": ["/read"], "on_store_failure": "open", "name": "read"},
    ]
    app = RateLimit(hello, limit="1/minute", rules=rules, store=Failing(), clock=clock.ns)
    paid = await request(app, path="/pay")
    assert (paid.status, paid.header("retry-after")) == (503, "1")
    assert json.loads(paid.body)["type"].endswith("#temporary-reduced-capacity")
    assert await statuses(app, 3, path="/read") == [200] * 3
    assert await statuses(app, 2, path="/else") == [200, 429]


async def test_a_store_that_fails_is_left_alone_for_a_moment(clock: ManualClock) -> None:
    store = Failing()
    app = RateLimit(hello, limit="1000/minute", store=store, clock=clock.ns)
    await statuses(app, 20)
    assert store.calls == 3
    clock.advance(0.1)
    await statuses(app, 20)
    assert store.calls == 4, "one request tries"


async def test_a_call_whose_answer_is_lost_is_not_made_again(valkey: Server) -> None:
    async with Between(valkey.url) as between:
        store = RedisLimits(between.url, namespace="lost", deadline=5)
        app = RateLimit(hello, limit="100/hour", store=store)
        for lost in range(1, 4):
            assert (await app.hit("k")).degraded is None
            between.loses = True
            before = between.scripts, between.replies
            assert (await app.hit("k")).degraded == "local"
            assert (between.scripts, between.replies) == (before[0] + 1, before[1] + 1), "the server counted it, once"
            between.loses = False
            assert (await app.hit("k", 0)).remaining == 100 - 2 * lost
        await store.aclose()


async def test_in_a_cluster_what_one_slot_took_is_given_back_when_another_refuses(valkey: Server) -> None:
    """Each call keeps to one slot, so that charges of different keys are different calls."""
    store = RedisLimits(valkey.url, namespace="cluster", deadline=5)
    store._is_cluster = True
    rules = [
        {"limit": "5/hour", "name": "ip"},
        {"limit": "2/hour", "name": "key", "key": "header:x-key"},
    ]
    app = RateLimit(hello, limit=None, rules=rules, store=store, on_store_failure="closed")
    assert await statuses(app, 4, headers={"x-key": "a"}) == [200, 200, 429, 429]
    assert await statuses(app, 3, headers={"x-key": "b"}) == [200, 200, 429]
    assert await statuses(app, 2, headers={"x-key": "c"}) == [200, 429], "5 of the address passed, no refusal charged"
    await store.aclose()


async def test_nested_limiters_of_one_place_charge_once(tmp_path: Path) -> None:
    options: dict[str, Any] = {"limit": "2/hour", "store": f"sqlite:///{tmp_path}/limits.db", "deadline": 5}
    inner = RateLimit(hello, **options)
    outer = RateLimit(inner, **options)
    assert await statuses(outer, 3) == [200, 200, 429]
    for app in (inner, outer):
        await app._engine.aclose()


@pytest.mark.parametrize(
    "reply",
    [
        b"-READONLY You can't write against a read only replica.\r\n",
        b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
        b"-LOADING Valkey is loading the dataset in memory\r\n",
        b"-MOVED 3999 127.0.0.1:6381\r\n",
        b"-CLUSTERDOWN The cluster is down\r\n",
        b"-BUSY Valkey is busy running a script.\r\n",
        b"-NOPERM this user has no permissions\r\n",
        b"-ERR\r\n",
        b"$-1\r\n",
        b"$1\r\n0\r\n",
        b":1\r\n",
        b"*0\r\n",
        b"what is this\r\n",
    ],
)
async def test_whatever_a_server_replies_is_no_error_of_ours_and_not_asked_for_again(
    valkey: Server, reply: bytes
) -> None:
    async with Between(valkey.url) as between:
        store = RedisLimits(between.url, namespace="replies", deadline=1)
        app = RateLimit(hello, limit="100/hour", store=store)
        assert (await app.hit("k")).degraded is None
        between.answer, scripts = reply, between.scripts
        assert (await app.hit("other")).degraded == "local"
        assert between.scripts == scripts + 1
        between.answer = None
        assert (await app.hit("k")).degraded is None, "the same connection, or another, is of use"
        await store.aclose()


async def test_a_server_that_never_knows_the_script_is_told_it_once(valkey: Server) -> None:
    async with Between(valkey.url) as between:
        store = RedisLimits(between.url, namespace="noscripts", deadline=1)
        app = RateLimit(hello, limit="100/hour", store=store)
        between.answer = b"-NOSCRIPT No matching script.\r\n"
        assert (await app.hit("k")).degraded == "local"
        assert between.scripts == 2
        await store.aclose()


async def test_states_from_before_a_restart_of_the_machine_lock_nobody_out(clock: ManualClock, tmp_path: Path) -> None:
    for clock_now in (10**15, 1000):
        now = clock_now
        store = SQLiteLimits(f"{tmp_path}/limits.db", deadline=5, clock=lambda now=now: now * 1000)  # type: ignore[misc]
        app = RateLimit(hello, limit="2/second", store=store, on_store_failure="closed", clock=clock.ns)
        decision = await app.hit("k", 2)
        assert decision.allowed is (clock_now == 10**15)
        assert (decision.retry_after or 0) <= 1
        await store.aclose()


@pytest.mark.parametrize("algorithm", ["gcra", "strict", "fixed_window", "sliding_window"])
@pytest.mark.parametrize("limit", ["1/100 years", "999999999999/100 years", "999999999999/second"])
async def test_the_largest_limits_are_counted_in_every_store(store: dict[str, Any], algorithm: Any, limit: str) -> None:
    if algorithm in ("gcra", "strict") and limit.endswith("/second") and isinstance(store["store"], RedisLimits):
        limit = "1000000/second"  # those above are refused
    app = RateLimit(hello, limit=limit, algorithm=algorithm, cost_after=lambda connection, status: 10**18, **store)
    assert await statuses(app, 2) == [200, 429]


async def test_whatever_goes_wrong_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    store = RedisLimits("redis://localhost:1")

    async def garbled(*_: Any, **options: Any) -> bytes:
        await anyio.lowlevel.checkpoint()
        return b"no numbers"

    monkeypatch.setattr(store._client, "call", garbled)
    app = RateLimit(hello, limit="100/hour", store=store, on_store_failure="closed")
    with anyio.fail_after(5):
        found = await asyncio.gather(*(app.hit("k") for _ in range(20)), return_exceptions=True)
    assert all(isinstance(error, StoreUnavailable) for error in found)


def test_a_server_that_trio_cannot_ask_is_told_of_when_the_application_starts() -> None:
    import trio

    app = RateLimit(hello, store="redis://localhost:1")

    async def main() -> None:
        with pytest.raises(LifespanFailed, match="needs an event loop of asyncio; on Trio use 'sqlite:///"):
            async with lifespan(app):
                pass
        with pytest.raises(RuntimeError, match="needs an event loop of asyncio"):  # where there is no lifespan
            await app.hit("k")

    trio.run(main)


async def test_on_asyncio_the_lifespan_is_that_of_the_application() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    async def nothing(*_: Any) -> Any: ...

    await RateLimit(app, store="redis://localhost:1")({"type": "lifespan"}, nothing, nothing)
    assert seen == ["lifespan"]


@pytest.mark.parametrize(
    ("limit", "is_right"),
    [("1000000/second", True), ("500000/second", True), ("90000/second", True), ("300000/second", False),
     ("2000000/second", False), ("1000000000/minute", False)],
)  # fmt: skip
async def test_a_limit_that_a_server_would_round_is_refused(limit: str, is_right: bool) -> None:
    """It counts in microseconds: within a tenth of what is asked for, or not at all."""
    options: dict[str, Any] = {"limit": limit, "store": "redis://localhost:1", "ipv6_factor": 0}
    if is_right:
        RateLimit(hello, **options)
    else:
        with pytest.raises(OptionError, match="limit must be at most 100000 units a second, or divide a second"):
            RateLimit(hello, **options)
    RateLimit(hello, **{**options, "algorithm": "fixed_window"})
    RateLimit(hello, **{**options, "store": "memory://"})
