"""Rate limits where there are many clients, and where they are counted on a Valkey that runs for this alone."""

from __future__ import annotations

import asyncio
import atexit
from functools import cache
from importlib import import_module
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks.answer import Answer, expect, unchanged
from benchmarks.apps import answer_from_pool
from benchmarks.case import Bar, Case, Subject
from benchmarks.pool import browser_head, http_scope

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from middlewares.asgi import ASGIApp, Receive, Scope, Send

__all__ = ("CASES",)

_PLENTY = "1000000/second"
_SIZE = 1_000
_AT_ONCE = 128
_EACH = 30
"""Hits, one after another, of each of those at once."""

_opened: list[Callable[[], Awaitable[None]]] = []


def _scope(index: int) -> Scope:
    return http_scope(index, browser_head(index), size=_SIZE)


def _among(count: int, *, peer: bool) -> Subject:
    """Return a limiter that knows so many clients, asked by any of them."""

    def build(app: ASGIApp) -> ASGIApp:
        from middlewares import RateLimit
        from middlewares.rate_limit.memory import MemoryLimits

        limiter = RateLimit(app, limit=_PLENTY, store=MemoryLimits(max_keys=4 * count))
        (policy,) = limiter._engine.plain  # noqa: SLF001 - so many requests would take a minute
        store = limiter._memory  # noqa: SLF001
        for number in range(count):
            key = _address(number)
            store.take(((policy, key, 1),))
        draw = Random(count).randrange  # noqa: S311 - repeatable on purpose

        async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
            scope["client"] = (_address(draw(count)), 50_000)
            await limiter(scope, receive, send)

        return asgi

    return Subject(f"{'' if peer else 'ours '}RateLimit, {count:,} clients", build, peer=peer)


def _address(number: int) -> str:
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


@cache
def _url() -> str:
    from tests.stores.valkey import Server

    folder = TemporaryDirectory()
    atexit.register(folder.cleanup)
    server = Server(Path(folder.name))
    server.start()
    atexit.register(server.kill)
    return server.url


def _hitting(app: ASGIApp, at_once: int, hit: Callable[[str], Awaitable[Any]]) -> ASGIApp:
    """Return an application that first has so many clients hit a limit side by side, each so many times."""

    async def client(first: int) -> None:
        for number in range(first, first + _EACH):
            await hit(_address(number % 1_000))

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.gather(*(client(number * _EACH) for number in range(at_once)))
        await app(scope, receive, send)

    return asgi


def _ours(at_once: int) -> Subject:
    def build(app: ASGIApp) -> ASGIApp:
        from middlewares import RateLimit

        limiter = RateLimit(app, limit=_PLENTY, store=_url(), deadline=10, on_store_failure="closed")
        _opened.append(limiter._engine.aclose)  # noqa: SLF001 - what a lifespan would do
        return _hitting(app, at_once, limiter.hit)

    return Subject("ours RateLimit.hit", build, peer=False)


def _limits(at_once: int) -> Subject:
    def build(app: ASGIApp) -> ASGIApp:
        limits = import_module("limits")  # by name: type checkers need not have the peers
        storage_module = import_module("limits.aio.storage")
        storage = storage_module.RedisStorage(f"async+{_url()}", implementation="redispy", max_connections=256)
        limiter = import_module("limits.aio.strategies").FixedWindowRateLimiter(storage)
        item = limits.parse(_PLENTY)

        async def close() -> None:
            await storage.bridge.get_connection().aclose(close_connection_pool=True)

        _opened.append(close)
        return _hitting(app, at_once, lambda key: limiter.hit(item, key))

    return Subject("limits with redis-py", build, peer=True)


async def _close() -> None:
    while _opened:
        await _opened.pop()()


def _valkey(name: str, at_once: int, *bars: Bar) -> Case:
    return Case(
        f"rate_limit-valkey-{name}",
        f"{at_once * _EACH:,} hits of {at_once} clients at once, counted on a Valkey",
        answer_from_pool,
        _scope,
        (_ours(at_once), _limits(at_once)),
        unchanged,
        bars=bars,
        totals=True,
        after=_close,
    )


def _verify_told(got: Answer, bare: Answer, scope: Scope) -> None:
    unchanged(got, bare, scope)
    expect(len(got.values(b"ratelimit")) == 1, "the client is not told how it stands")


CASES = (
    Case(
        "rate_limit-keys",
        "a request of one of a million clients, and of one of a thousand",
        answer_from_pool,
        _scope,
        (_among(1_000_000, peer=False), _among(1_000, peer=True)),
        _verify_told,
        bars=(Bar(peer="RateLimit, 1,000 clients", ratio=2.0, totals=True),),
        totals=True,
    ),
    _valkey("128", _AT_ONCE, Bar(peer="limits with redis-py", ratio=1 / 5, totals=True)),
    _valkey("1", 1),
)
