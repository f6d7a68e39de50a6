"""How often a real server is asked, by its own count, and what becomes of hits that it refuses to count."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from middlewares.rate_limit import RateLimit
from middlewares.rate_limit.redis import RedisLimits

from .apps import hello

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from tests.stores.valkey import Server


@pytest.fixture
async def client(valkey: Server) -> AsyncIterator[Redis]:
    """What asks the server how it is."""
    from redis.asyncio import Redis

    async with Redis.from_url(valkey.url) as client:
        yield client


async def calls(client: Redis) -> int:
    """Return how many scripts the server was asked to run."""
    stats = await client.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("eval", "evalsha"))


@pytest.mark.parametrize("limit", ["1000/hour", "1000/hour;10000/day"])
async def test_one_call_for_each_hit_of_one_client(valkey: Server, client: Redis, limit: str) -> None:
    """However many windows it has."""
    store = RedisLimits(valkey.url, namespace="calls_1", deadline=5)
    app = RateLimit(hello, limit=limit, store=store, on_store_failure="closed")
    await app.hit("k")  # and the script
    before = await calls(client)
    for _ in range(100):
        await app.hit("k")
    assert await calls(client) - before == 100
    await store.aclose()


async def test_64_hits_a_call_of_128_clients(valkey: Server, client: Redis) -> None:
    """Each of them asks again when it is answered: all calls but a few are full."""
    store = RedisLimits(valkey.url, namespace="calls_128", deadline=5)
    app = RateLimit(hello, limit="100000/hour", store=store, on_store_failure="closed")
    await app.hit("k")

    async def ask(number: int) -> None:
        for _ in range(30):
            await app.hit(f"k{number}")

    before = await calls(client)
    await asyncio.gather(*(ask(number) for number in range(128)))
    hits = 128 * 30
    assert await calls(client) - before <= 1.5 * hits / 64
    await store.aclose()


@pytest.mark.parametrize(
    ("ill", "well"),
    [
        (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
        (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
        (("SCRIPT", "FLUSH"), ("PING",)),
        (("CLIENT", "PAUSE", "100000", "WRITE"), ("CLIENT", "UNPAUSE")),
    ],
    ids=["READONLY", "OOM", "NOSCRIPT", "paused"],
)
async def test_a_real_server_that_counts_nothing(
    valkey: Server, client: Redis, ill: tuple[str, ...], well: tuple[str, ...]
) -> None:
    """No error of ours, nothing asked for again, and it is of use at once when it is well."""
    store = RedisLimits(valkey.url, namespace=f"ill_{ill[-1]}".lower(), deadline=0.2)
    app = RateLimit(hello, limit="100/hour", store=store)
    assert (await app.hit("k")).degraded is None
    before = await calls(client)
    await client.execute_command(*ill)  # type: ignore[no-untyped-call]  # redis-py leaves it out
    decision = await app.hit("k")
    await client.execute_command(*well)  # type: ignore[no-untyped-call]  # as above
    if ill[0] == "SCRIPT":
        assert (decision.degraded, await calls(client) - before) == (None, 2)
        assert decision.remaining == 98
    else:
        assert (decision.degraded, await calls(client) - before) == ("local", ill[0] != "CLIENT")
        assert (await app.hit("k", 0)).remaining in (98, 99)
    await store.aclose()
