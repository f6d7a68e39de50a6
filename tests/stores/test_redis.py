"""The store in Redis or Valkey when the server freezes, dies, comes back empty, or forgets its scripts."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from middlewares.stores import StoreUnavailable
from middlewares.stores.redis import RedisStore
from middlewares.stores.redis_client import RedisClient

from .valkey import Server, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A Valkey of this test's own."""
    made = Server(tmp_path)
    made.start()
    yield made
    made.kill()


async def test_a_frozen_server_costs_the_deadline_and_no_more(server: Server) -> None:
    store = RedisStore(server.url, deadline=0.1)
    await store.create("a", b"one", 60)
    server.freeze()
    started = time.monotonic()
    with pytest.raises(StoreUnavailable, match=r"no answer within 0\.1 s"):
        await store.get("a")
    assert time.monotonic() - started < 0.3
    server.thaw()
    assert await store.get("a") == b"one", "and no answer of the lost call is taken for this one's"
    await store.aclose()


async def test_a_dead_server_is_said_so_and_found_again(server: Server) -> None:
    store = RedisStore(server.url, deadline=1)
    await store.create("a", b"one", 60)
    server.kill()
    with pytest.raises(StoreUnavailable, match=f"127.0.0.1:{server.port}"):
        await store.get("a")
    server.start()
    assert await store.get("a") is None
    assert await store.create("a", b"two", 60)
    await store.aclose()


async def test_a_dropped_connection_is_replaced_unnoticed(server: Server) -> None:
    store = RedisStore(server.url, deadline=1)
    await store.create("a", b"one", 60)
    server.kill()
    server.start()
    assert await store.create("a", b"two", 60), "the first call after the server came back"
    await store.aclose()


async def test_scripts_that_the_server_forgot_are_sent_again(server: Server) -> None:
    store = RedisStore(server.url, deadline=1)
    client = RedisClient(server.url)
    await store.create("a", b"one", 60)
    await client.call(lambda redis: redis.script_flush())
    assert await store.replace("a", b"one", b"two", 60) == b"two"
    await store.aclose()
    await client.aclose()


async def test_so_are_those_that_go_out_together(server: Server) -> None:
    store = RedisStore(server.url, deadline=5)
    await store.create("a", b"one", 60, owner="anna")
    with Redis.from_url(server.url) as client:
        client.script_flush()
    assert await store.replace("a", b"one", b"two", 60, owner="anna") == b"two"
    with Redis.from_url(server.url) as client:
        client.script_flush()
    assert await store.create("b", b"one", 60, owner="anna")
    assert [item.key for item in await store.owned("anna")] == ["a", "b"]
    await store.aclose()


async def test_no_answer_of_a_lost_write_is_taken_for_that_of_another(server: Server) -> None:
    store = RedisStore(server.url, deadline=0.2)
    await store.create("a", b"one", 60, owner="anna")
    await store.create("b", b"other", 60, owner="bert")
    server.freeze()
    with pytest.raises(StoreUnavailable):
        await store.replace("a", b"one", b"two", 60, owner="anna")
    server.thaw()
    assert await store.replace("b", b"none", b"three", 60, owner="bert") == b"other"
    assert await store.get("a") in (b"one", b"two")
    await store.aclose()


async def test_a_cluster_keeps_records_and_their_owners_on_different_servers(tmp_path: Path) -> None:
    """Here all of them are one; what it does not allow is to ask for keys of different slots at once."""
    # Else it is that of the server plus 10,000, which may be none.
    server = Server(tmp_path, "--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    server.start()
    try:
        with Redis.from_url(server.url) as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            give_up = time.monotonic() + 10
            while b"cluster_state:ok" not in (client.execute_command("CLUSTER", "INFO", NEVER_DECODE=True) or b""):
                assert time.monotonic() < give_up
        store = RedisStore(f"redis+cluster://127.0.0.1:{server.port}", deadline=5)
        assert await store.create("a", b"one", 60, owner="anna")
        assert await store.replace("a", b"one", b"two", 60, owner="anna") == b"two"
        assert [(item.key, item.value) for item in await store.owned("anna")] == [("a", b"two")]
        assert [item.key async for item in store.items()] == ["a"]
        await store.aclose()
    finally:
        server.kill()


async def test_what_must_not_happen_twice_is_not_repeated(server: Server) -> None:
    client = RedisClient(server.url, deadline=1)
    await client.call(lambda redis: redis.ping())
    server.kill()
    server.start()
    with pytest.raises(StoreUnavailable):
        await client.call(lambda redis: redis.incr("a"), again=False)
    await client.aclose()


async def test_another_application_s_keys_are_left_alone(server: Server) -> None:
    one, other = RedisStore(server.url, prefix="one*:"), RedisStore(server.url, prefix="one*:more:")
    await one.create("a", b"one", 60)
    await other.create("a", b"two", 60)
    assert [item.key async for item in other.items()] == ["a"]
    assert await other.get("a") == b"two"
    await one.aclose()
    await other.aclose()


def test_what_is_printed_holds_no_password() -> None:
    assert str(RedisClient("rediss://user:secret@cache.example:6380/1")) == "rediss://cache.example:6380/1"
    # One with a "/" that was not percent-encoded:
    assert str(RedisClient("redis://:6379/secret@cache.example/1")) == "redis://cache.example/1"


@pytest.mark.parametrize("options", ["", "?max_connections=3", "?decode_responses=true"])
async def test_a_thousand_calls_at_once_share_the_connections(server: Server, options: str) -> None:
    store = RedisStore(server.url + options, deadline=10)
    await store.create("key", b"\xff", 60)
    assert await asyncio.gather(*(store.get("key") for _ in range(1000))) == [b"\xff"] * 1000
    await store.aclose()
