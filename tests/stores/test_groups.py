"""Stores behind Sentinels and in clusters, with real servers: what one server does, several do together."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from middlewares.stores import StoreUnavailable
from middlewares.stores.redis import RedisStore

from . import test_contract
from .groups import cluster, watched
from .valkey import Server, free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from middlewares.stores import Store

    from .groups import Watched

pytestmark = pytest.mark.sweep
KINDS = ("sentinel", "cluster")
CONTRACT = {name: test for name, test in vars(test_contract).items() if name.startswith("test_")}


@pytest.fixture(scope="module")
def behind_sentinel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watched(tmp_path_factory.mktemp("sentinel")) as made:
        yield made


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    with cluster(tmp_path_factory.mktemp("cluster")) as made:
        yield made


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "sentinel":
        found: str = request.getfixturevalue("behind_sentinel").url
        return found
    return f"redis+cluster://127.0.0.1:{request.getfixturevalue('nodes')[0].port}"


@pytest.fixture
async def store(url: str, request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    made = RedisStore(url, prefix=f"t{abs(hash(request.node.nodeid))}:", deadline=5)
    yield made
    await made.aclose()


for _name, _test in CONTRACT.items():
    globals()[_name] = _test


async def test_a_thousand_calls_at_once_share_the_connections(store: Store) -> None:
    await store.create("key", b"\xff", 60)
    assert await asyncio.gather(*(store.get("key") for _ in range(1000))) == [b"\xff"] * 1000


async def test_records_are_on_all_nodes_of_a_cluster(nodes: list[Server]) -> None:
    store = RedisStore(f"redis+cluster://127.0.0.1:{nodes[0].port}", prefix="spread:", deadline=5)
    for number in range(60):
        assert await store.create(f"k{number}", b"v", 60, owner="anna")
    assert len(await store.owned("anna")) == 60
    for node in nodes:
        with Redis.from_url(node.url) as client:
            assert len(client.keys("spread:*")) > 5
    await store.aclose()


async def test_a_frozen_cluster_costs_the_deadline_and_no_more(nodes: list[Server]) -> None:
    store = RedisStore(f"redis+cluster://127.0.0.1:{nodes[0].port}", deadline=0.3)
    await store.create("a", b"one", 60)
    for node in nodes:
        node.freeze()
    started = time.monotonic()
    with pytest.raises(StoreUnavailable, match=r"no answer within 0\.3 s"):
        await store.get("a")
    assert time.monotonic() - started < 0.6
    for node in nodes:
        node.thaw()
    assert await _answered(store, "a") == b"one"
    await store.aclose()


async def test_a_cluster_that_nobody_can_reach_is_no_crash() -> None:
    store = RedisStore(f"redis+cluster://127.0.0.1:{free_port()}", deadline=1)
    with pytest.raises(StoreUnavailable):
        await store.get("a")
    await store.aclose()


async def test_of_sentinels_that_are_dead_the_next_is_asked(behind_sentinel: Watched) -> None:
    dead = f"127.0.0.1:{free_port()}"
    store = RedisStore(f"redis+sentinel://{dead},127.0.0.1:{behind_sentinel.port}/main/0", deadline=0.5)
    assert await store.get("nothing") is None
    await store.aclose()


async def test_a_name_that_no_sentinel_knows_is_said_so(behind_sentinel: Watched) -> None:
    store = RedisStore(f"redis+sentinel://127.0.0.1:{behind_sentinel.port}/other/0", deadline=0.5)
    with pytest.raises(StoreUnavailable, match="other"):
        await store.get("a")
    await store.aclose()


async def test_when_the_primary_dies_its_replica_goes_on(tmp_path: Path) -> None:
    with watched(tmp_path) as group:
        store = RedisStore(group.url, deadline=1)
        await store.create("a", b"one", 60)
        with Redis.from_url(group.replica.url) as client:
            give_up = time.monotonic() + 5
            while not client.keys("*"):
                assert time.monotonic() < give_up
        group.primary.kill()
        assert await _answered(store, "a") == b"one"
        async with asyncio.timeout(20):
            while True:  # until the replica takes writes
                try:
                    assert await store.replace("a", b"one", b"two", 60) == b"two"
                    break
                except StoreUnavailable:
                    await asyncio.sleep(0.05)
        await store.aclose()


async def _answered(store: Store, key: str) -> bytes | None:
    """Return what a store holds once it answers again."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await store.get(key)
            except StoreUnavailable:
                await asyncio.sleep(0.05)
