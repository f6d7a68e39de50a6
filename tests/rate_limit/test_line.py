"""The way to a server: what fails together, which connections are used, and how a server that forgot is found out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from middlewares.rate_limit import RateLimit, line
from middlewares.rate_limit.line import Line
from middlewares.rate_limit.notation import parse_limits
from middlewares.rate_limit.policy import Policy
from middlewares.rate_limit.redis import RedisLimits
from middlewares.rate_limit.script import TAKE
from middlewares.stores import StoreUnavailable
from tests.stores.valkey import Server

from .apps import hello

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


class Silent:
    """A client whose server does not answer, until it fails."""

    deadline = 10.0

    def __init__(self) -> None:
        self.calls = 0
        self.fails = asyncio.Event()

    async def call(self, work: Any, *, again: bool) -> Any:
        self.calls += 1
        await self.fails.wait()
        raise StoreUnavailable("it failed")


async def test_who_waits_behind_a_call_that_fails_does_not_try_another() -> None:
    client = Silent()
    way = Line(client, "p:")  # type: ignore[arg-type]  # as much of a client as it needs
    (quota,) = parse_limits("10/hour")
    policy = Policy("p", quota, tick=1000)
    hits = [asyncio.create_task(way.send(TAKE, ((policy, f"k{number}", 1),))) for number in range(100)]
    await asyncio.sleep(0)
    client.fails.set()
    async with asyncio.timeout(5):
        found = await asyncio.gather(*hits, return_exceptions=True)
    assert {type(error) for error in found} == {StoreUnavailable}
    assert client.calls == 2
    assert sum(isinstance(error, Exception) and error.__cause__ is not None for error in found) == 98


class Failing:
    """A client whose server answers twice, and then fails."""

    deadline = 10.0

    def __init__(self) -> None:
        self.calls = 0

    async def call(self, work: Any, *, again: bool) -> Any:
        self.calls += 1
        await asyncio.sleep(0)
        if self.calls > 2:
            raise StoreUnavailable("it failed")
        return b"1000 5"


async def test_all_hits_of_a_call_that_fails_are_told() -> None:
    way = Line(Failing(), "p:")  # type: ignore[arg-type]  # as above
    (quota,) = parse_limits("10/hour")
    policy = Policy("p", quota, tick=1000)
    async with asyncio.timeout(5):
        found = await asyncio.gather(
            *(way.send(TAKE, ((policy, f"k{number}", 1),)) for number in range(200)), return_exceptions=True
        )
    assert sum(isinstance(error, StoreUnavailable) for error in found) == 198


async def test_a_connection_that_was_not_used_for_a_while_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the server has closed it meanwhile, no hit is lost by that; if not, it is used again."""
    from redis.asyncio import Redis

    monkeypatch.setattr(line, "_FRESH", 0.0)
    server = Server(tmp_path)
    server.start()
    store = RedisLimits(server.url, deadline=5)
    app = RateLimit(hello, limit="10/hour", store=store)
    try:
        for _ in range(5):
            assert (await app.hit("k")).degraded is None
        async with Redis.from_url(server.url) as client:
            assert (await client.info("stats"))["total_connections_received"] == 3, "of the start, ours, and this one"
        server.kill()
        await asyncio.to_thread(server.start)
        assert (await app.hit("k")).degraded is None
    finally:
        await store.aclose()
        server.kill()


async def test_a_server_that_lost_its_states_but_no_connection_is_found_out(valkey: Server) -> None:
    """By the script that it has lost with them, as after a failover behind a proxy."""
    from redis.asyncio import Redis

    store = RedisLimits(valkey.url, namespace="forgot", deadline=5)
    app = RateLimit(hello, limit="10/hour", store=store)
    assert (await app.hit("k", 8)).remaining == 2
    async with Redis.from_url(valkey.url) as client:
        async for key in client.scan_iter("middlewares:rate_limit:forgot:*"):
            await client.delete(key)
        await client.script_flush()
    await app.hit("k")
    assert (await app.hit("k", 0)).remaining == 2
    await store.aclose()
