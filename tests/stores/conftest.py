"""Every store, empty: the same contract is asked of all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from middlewares.stores import open_store

from .valkey import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from middlewares.stores import Store

KINDS = ("memory", "sqlite", "redis")


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running Valkey that tests of one run share; each store has keys of its own there."""
    server = Server(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store, one of each kind."""
    if request.param == "redis":
        server: Server = request.getfixturevalue("valkey")
        return server.url
    return {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path}/store.db"}[request.param]


@pytest.fixture
async def store(url: str, request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    made = open_store(url, namespace=f"t{abs(hash(request.node.nodeid))}", deadline=5)
    yield made
    await made.aclose()
