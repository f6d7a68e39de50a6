"""Sites of every kind: sessions in cookies, and in every store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from tests.sessions.sites import Site
from tests.stores.valkey import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

IN_COOKIES: dict[str, dict[str, Any]] = {"signed": {}, "encrypted": {"encrypted": True}}
IN_STORES = ("memory", "sqlite", "redis")


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running Valkey."""
    server = Server(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(params=[*IN_COOKIES, *IN_STORES])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    """A site of each kind."""
    async for made in _site(request, tmp_path):
        yield made


@pytest.fixture(params=IN_STORES)
async def store_site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    """A site for each store."""
    async for made in _site(request, tmp_path):
        yield made


async def _site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    kind: str = request.param
    if kind in IN_COOKIES:
        yield Site(**IN_COOKIES[kind])
        return
    url = {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path}/sessions.db"}.get(kind)
    if url is None:
        server: Server = request.getfixturevalue("valkey")
        url = server.url
        Redis.from_url(url).flushdb()
    made = Site(store=url, store_deadline=5.0)
    yield made
    await made.layer._close()
