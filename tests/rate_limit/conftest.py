"""A clock, and every store that limits can be counted in."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from middlewares.rate_limit.memory import MemoryLimits
from middlewares.rate_limit.redis import RedisLimits
from middlewares.rate_limit.sqlite import SQLiteLimits
from middlewares.testing import ManualClock
from tests.stores.valkey import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from middlewares.rate_limit.stores import LimitStore


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running Valkey that tests of one run share; each has a namespace of its own."""
    server = Server(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[dict[str, Any]]:
    """Options of a layer that counts in each kind of store."""
    store: LimitStore = MemoryLimits()
    if request.param == "redis":
        server: Server = request.getfixturevalue("valkey")
        namespace = f"t{random.getrandbits(60)}"
        store = RedisLimits(server.url, namespace=namespace, deadline=5)
    elif request.param == "sqlite":
        store = SQLiteLimits(f"{tmp_path}/limits.db", deadline=5)
    yield {"store": store, "on_store_failure": "closed"}
    if not isinstance(store, MemoryLimits):
        await store.aclose()
