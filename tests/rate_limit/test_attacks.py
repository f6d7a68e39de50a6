"""Attacks on what is counted and when, beside limiters that fall for them.

Where one is a way of using ``limits`` 5.8.0, that is the control; else a limiter of a few lines, as many are written.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from middlewares import ConcurrencyLimit
from middlewares.rate_limit import RateLimit
from middlewares.rate_limit.memory import MemoryLimits
from middlewares.testing import http_scope, request

from .apps import hello, statuses

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Receive, Scope, Send


class Recent:
    """A limiter that keeps the keys which were seen last, as many do to bound their memory."""

    def __init__(self, amount: int, most: int) -> None:
        self._amount = amount
        self._most = most
        self._used: OrderedDict[str, int] = OrderedDict()

    def hit(self, key: str) -> bool:
        self._used[key] = self._used.pop(key, 0) + 1
        if len(self._used) > self._most:
            self._used.popitem(last=False)
        return self._used[key] <= self._amount


async def test_pushing_the_own_key_out_of_memory() -> None:
    """Whoever has used a quota sends as many other keys as are kept, and one more."""
    control = Recent(10, most=1000)
    app = RateLimit(hello, limit="10/hour", store=MemoryLimits(max_keys=1000))
    assert [control.hit("victim") for _ in range(11)] == [True] * 10 + [False]
    assert await statuses(app, 11) == [200] * 10 + [429]
    for number in range(1001):
        control.hit(f"other {number}")
        await statuses(app, 1, client=(f"10.0.{number >> 8}.{number & 255}", 1))
    assert control.hit("victim"), "a new quota"
    assert await statuses(app, 1) == [429]


class Places:
    """A limiter of what goes on at once that holds a place until the application returns."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._free = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._free:
            return await send({"type": "http.response.start", "status": 503, "headers": []})
        self._free -= 1
        await self._app(scope, receive, send)
        self._free += 1


async def _streams(scope: Scope, receive: Receive, send: Send) -> None:
    headers = [(b"content-type", b"text/event-stream")] if scope["path"] == "/events" else []
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if headers:
        await anyio.sleep_forever()
    await send({"type": "http.response.body", "body": b"hello"})


@pytest.mark.parametrize("hold", ["first_byte", "end"])
async def test_idle_streams_hold_no_places(hold: Any) -> None:
    control, app = Places(_streams, 10), ConcurrencyLimit(_streams, limit=10, max_queue=0, hold=hold)
    async with anyio.create_task_group() as group:
        for limited in (control, app):
            for _ in range(50):
                group.start_soon(limited, http_scope("GET", "/events"), _stay, _drop)
        await anyio.wait_all_tasks_blocked()
        assert (await request(control)).status == 503
        assert (await request(app)).status == 200
        group.cancel_scope.cancel()
    assert app.load.in_flight == 0


async def test_leaving_before_the_response_wins_nothing() -> None:
    """As by resetting streams of HTTP/2: whoever charges afterwards never does, and places that are lost stay so."""
    reached = {"control": 0, "ours": 0}

    def slow(name: str) -> ASGIApp:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            reached[name] += 1
            await receive()
            raise asyncio.CancelledError

        return app

    limiter, item = FixedWindowRateLimiter(MemoryStorage()), parse("5/hour")
    control = Places(slow("control"), 1000)

    async def charging_afterwards(scope: Scope, receive: Receive, send: Send) -> None:
        if limiter.test(item, "k"):
            await control(scope, receive, send)
            limiter.hit(item, "k")

    places = ConcurrencyLimit(slow("ours"), limit=1000)
    app = RateLimit(places, limit="5/hour", refund_on=["5xx", "exception"])
    for limited in (charging_afterwards, app):
        for _ in range(100):
            with suppress(asyncio.CancelledError):
                await limited(http_scope(), _leave, _drop)
    assert reached == {"control": 100, "ours": 5}
    assert (control._free, places.load.in_flight) == (900, 0)


async def test_guesses_side_by_side() -> None:
    """Peers are asked before a login, and told after one that failed, so that success costs nothing."""
    reached = {"peer": 0, "ours": 0}

    def login(name: str) -> ASGIApp:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            reached[name] += 1
            await anyio.lowlevel.checkpoint()
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        return app

    limiter, item = FixedWindowRateLimiter(MemoryStorage()), parse("5/hour")
    inner = login("peer")

    async def peer(scope: Scope, receive: Receive, send: Send) -> None:
        if limiter.test(item, "k"):
            await inner(scope, receive, send)
            limiter.hit(item, "k")

    app = RateLimit(login("ours"), limit="5/hour", refund_on=["2xx"])
    async with anyio.create_task_group() as group:
        for limited in (peer, app):
            for _ in range(200):
                group.start_soon(limited, http_scope(), _stay, _drop)
    assert reached == {"peer": 200, "ours": 5}


async def _stay() -> Any:
    await anyio.sleep_forever()


async def _leave() -> Any:
    return {"type": "http.disconnect"}


async def _drop(message: Any) -> None: ...
