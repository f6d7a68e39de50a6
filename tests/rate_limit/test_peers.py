"""Attacks on limits, beside what two peers do under them: ``limits`` 5.8.0, and ``slowapi`` 0.1.10 on top of it.

That the peers give way shows that an attack is one. Raise them together with what stands here.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from limits import parse
from limits.aio.storage import RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter as AsyncFixedWindow
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from slowapi import Limiter
from slowapi.errors import RateLimitExceeded
from slowapi.util import get_remote_address
from starlette.requests import Request

from middlewares.rate_limit import RateLimit
from middlewares.rate_limit.memory import MemoryLimits
from middlewares.stores import StoreUnavailable
from middlewares.testing import ManualClock, http_scope
from tests.stores.valkey import Server

from .apps import hello, statuses
from .between import Between

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class SlowApi:
    """One endpoint under slowapi."""

    def __init__(self, limit: str, key: Any = get_remote_address) -> None:
        limiter = Limiter(key_func=key, key_style="endpoint")

        @limiter.limit(limit)
        def endpoint(request: Request) -> int:
            return 200

        self._endpoint = endpoint
        self.limiter = limiter

    def ask(self, host: str = "192.0.2.1", **headers: str) -> int:
        fields = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
        try:
            return self._endpoint(request=Request({**http_scope(), "client": (host, 1), "headers": fields}))  # type: ignore[no-any-return]
        except RateLimitExceeded:
            return 429


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    server.start()
    yield server
    server.kill()


async def ours(app: RateLimit, hosts: list[str]) -> int:
    """Return how many requests of these hosts are let in."""
    return sum([(await statuses(app, 1, client=(host, 1)))[0] == 200 for host in hosts])


@pytest.mark.parametrize(
    "hosts",
    [
        [f"2001:db8::{number:x}" for number in range(1, 41)],
        ["1.2.3.4", "::ffff:1.2.3.4", "::ffff:102:304", "::FFFF:1.2.3.4"] * 10,
    ],
)
async def test_one_client_with_many_addresses(hosts: list[str]) -> None:
    """Of one network, and of one IPv4 address in several notations."""
    peer = SlowApi("10/hour")
    assert sum(peer.ask(host) == 200 for host in hosts) == len(hosts), "each notation has a quota of its own"
    assert await ours(RateLimit(hello, limit="10/hour"), hosts) == 10


async def test_keys_without_number() -> None:
    """The memory of the peers grows with every key that a client makes up."""
    storage, item = MemoryStorage(), parse("10/hour")
    limiter = FixedWindowRateLimiter(storage)
    for number in range(5000):
        limiter.hit(item, f"key {number}")
    assert len(storage.storage) == 5000
    store = MemoryLimits(max_keys=1000)
    app = RateLimit(hello, limit="10/hour", store=store)
    victim = [await app.hit("victim") for _ in range(11)][-1]
    for number in range(5000):
        await app.hit(f"key {number}")
    assert len(store) <= 1280
    assert not victim.allowed
    assert not (await app.hit("victim")).allowed, "and no key wins its quota back by them"


async def test_the_edge_of_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_800_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    limiter, item = FixedWindowRateLimiter(MemoryStorage()), parse("20/minute")
    limiter.hit(item, "k")
    now += 59.9
    passed = sum(limiter.hit(item, "k") for _ in range(30))
    now += 0.2
    assert passed + sum(limiter.hit(item, "k") for _ in range(30)) == 39
    clock = ManualClock()
    app = RateLimit(hello, limit="20/minute", algorithm="strict", clock=clock.ns)
    await app.hit("k")
    clock.advance(59.9)
    let_in = [(await app.hit("k")).allowed for _ in range(30)]
    clock.advance(0.2)
    let_in += [(await app.hit("k")).allowed for _ in range(30)]
    assert sum(let_in) <= 20


async def test_negative_costs() -> None:
    limiter, item = FixedWindowRateLimiter(MemoryStorage()), parse("3/hour")
    assert [limiter.hit(item, "k") for _ in range(4)] == [True, True, True, False]
    limiter.hit(item, "k", cost=-100)
    assert limiter.hit(item, "k"), "a quota can be won back"
    app = RateLimit(hello, limit="3/hour")
    assert [(await app.hit("k")).allowed for _ in range(4)] == [True, True, True, False]
    for cost in (-100, float("nan"), "1"):
        with pytest.raises(ValueError, match="whole number"):
            await app.hit("k", cost)  # type: ignore[arg-type]  # what a callable may give
    assert not (await app.hit("k", 10**18)).allowed
    assert not (await app.hit("k")).allowed


async def test_keys_of_any_length_and_bytes(server: Server) -> None:
    key = "{a}\r\n" + "x" * 100_000
    storage: Any = RedisStorage(f"async+{server.url}", implementation="redispy")
    await AsyncFixedWindow(storage).hit(parse("5/hour"), key)
    async with RateLimitOn(server.url) as app:
        await app.hit(key)
        client = storage.bridge.get_connection()
        lengths = sorted([len(name) async for name in client.scan_iter("*")])
        assert (lengths[0] < 200, lengths[1] > 100_000, len(lengths)) == (True, True, 2)
    await client.aclose(close_connection_pool=True)


class RateLimitOn:
    """A limiter on a server, for as long as a block lasts."""

    def __init__(self, url: str, **options: Any) -> None:
        given = {"limit": "5/hour", "deadline": 2, "on_store_failure": "closed", **options}
        self._app = RateLimit(hello, store=url, **given)

    async def __aenter__(self) -> RateLimit:
        return self._app

    async def __aexit__(self, *_: object) -> None:
        await self._app._engine.aclose()


async def test_a_flood_of_refused_requests(server: Server) -> None:
    """Every one of the peer's reaches the server."""
    async with Between(server.url) as between, RateLimitOn(between.url) as app:
        storage: Any = RedisStorage(f"async+{between.url}", implementation="redispy")
        limiter, item = AsyncFixedWindow(storage), parse("5/hour")
        for hits in range(1, 201):
            await limiter.hit(item, "k")
            assert between.scripts >= hits
        before = between.scripts
        for _ in range(200):
            await app.hit("k")
        assert between.scripts - before <= 5 + 1 + 1, "those let in, one that is not, and the script itself"
        await storage.bridge.get_connection().aclose(close_connection_pool=True)


async def test_a_server_that_starts_empty(server: Server) -> None:
    """Whoever has used a quota has another with the peer."""
    async with RateLimitOn(server.url) as app:
        storage: Any = RedisStorage(f"async+{server.url}", implementation="redispy")
        limiter, item = AsyncFixedWindow(storage), parse("5/hour")
        passed = [0, 0]
        for _ in range(5):
            passed[0] += await limiter.hit(item, "k")
            passed[1] += (await app.hit("k")).allowed
        server.kill()
        server.start()
        for _ in range(20):
            with suppress(Exception):
                passed[0] += await limiter.hit(item, "k")
            with suppress(StoreUnavailable):
                passed[1] += (await app.hit("k")).allowed
        assert passed[0] >= 9
        assert passed[1] <= 6
        await storage.bridge.get_connection().aclose(close_connection_pool=True)
