"""Every store, empty: the same contract is asked of all."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from middlewares.stores import open_store

from .valkey import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from middlewares.stores import Store

REDIS = shutil.which("redis-server")
KINDS = ("memory", "sqlite", "redis", *(["redis-server"] if REDIS else []))
"""The one called ``redis`` is a Valkey; a Redis is asked too where one is installed."""


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running Valkey that tests of one run share; each store has keys of its own there."""
    server = Server(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running Redis."""
    server = Server(tmp_path_factory.mktemp("redis"), program=REDIS)
    server.start()
    yield server
    server.kill()


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store, one of each kind."""
    if request.param.startswith("redis"):
        server: Server = request.getfixturevalue("valkey" if request.param == "redis" else "redis_server")
        return server.url
    return {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path}/store.db"}[request.param]


@pytest.fixture
async def store(url: str, request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    made = open_store(url, namespace=f"t{abs(hash(request.node.nodeid))}", deadline=5)
    yield made
    await made.aclose()
