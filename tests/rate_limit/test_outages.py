"""A real Valkey, frozen or killed under load: nobody waits, nothing breaks, and it is soon of use again."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from statistics import median
from typing import TYPE_CHECKING, Any

import pytest

from middlewares.rate_limit import RateLimit
from middlewares.rate_limit.backlog import Backlog
from middlewares.stores import StoreUnavailable
from middlewares.testing import request
from tests.stores.valkey import Server

from .apps import hello, statuses

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEADLINE = 0.025
CLIENTS = 16
_ATTEMPTS = 4
"""Outages that are tried until nothing but the store holds anybody up: the machine has other things to do."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A Valkey of this test alone, which forgets everything when it ends."""
    server = Server(tmp_path)
    server.start()
    yield server
    server.kill()


class Load:
    """Clients of a limited application, and beside them the controls: mere timers of the same event loop."""

    def __init__(self, app: RateLimit) -> None:
        self.app = app
        self.answers: list[tuple[float, float, int]] = []
        """When each request began, what it took, and its status."""
        self.late: list[float] = []
        """Seconds by which timers of one deadline were late."""
        self.stalls: list[float] = []
        """Seconds by which timers of a millisecond were late."""

    async def during(self, seconds: float) -> None:
        tasks = [asyncio.create_task(self._client(number)) for number in range(CLIENTS)]
        tasks += [asyncio.create_task(self._timer(DEADLINE, self.late)) for _ in range(4)]
        tasks.append(asyncio.create_task(self._timer(0.001, self.stalls)))
        await asyncio.sleep(seconds)
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(result) for result in results} == {asyncio.CancelledError}

    async def _client(self, number: int) -> None:
        while True:
            start = time.perf_counter()
            response = await request(self.app, client=(f"10.7.0.{number}", 1))
            self.answers.append((start, time.perf_counter() - start, response.status or 0))
            await asyncio.sleep(0.02)

    async def _timer(self, seconds: float, late: list[float]) -> None:
        while True:
            start = time.perf_counter()
            await asyncio.sleep(seconds)
            late.append(time.perf_counter() - start - seconds)


def p99(values: list[float]) -> float:
    return sorted(values)[len(values) * 99 // 100]


@pytest.mark.parametrize(("policy", "statuses_"), [("local", {200}), ("open", {200}), ("closed", {200, 503})])
@pytest.mark.parametrize("how", ["frozen", "killed"])
async def test_answers_keep_to_the_deadline_and_the_loop_is_free(
    server: Server, how: str, policy: Any, statuses_: set[int]
) -> None:
    found: list[tuple[float, float]] = []
    for _ in range(_ATTEMPTS):
        app = RateLimit(hello, limit="100000/second", store=server.url, deadline=DEADLINE, on_store_failure=policy)
        idle = Load(RateLimit(hello, limit="100000/second"))
        await idle.during(0.15)
        load = Load(app)
        task = asyncio.create_task(load.during(0.4))
        await asyncio.sleep(0.1)
        await asyncio.to_thread(server.freeze if how == "frozen" else server.kill)
        await task
        assert {status for _, _, status in load.answers} == statuses_
        over = p99([took for _, took, _ in load.answers]) - DEADLINE - max(0, p99(load.late))
        found.append((over, max(load.stalls) - max(idle.stalls)))
        await app._engine.aclose()
        await asyncio.to_thread(server.thaw if how == "frozen" else server.start)
        if over < 0.002 and found[-1][1] < 0.010:
            return
    raise AssertionError(f"beyond the deadline, and stalls, in seconds: {found}")


@pytest.mark.parametrize("how", ["frozen", "killed"])
async def test_the_server_is_of_use_again_at_once(server: Server, how: str) -> None:
    times = []
    for _ in range(3):
        app = RateLimit(hello, limit="100000/second", store=server.url, deadline=DEADLINE)
        assert (await app.hit("k")).degraded is None
        server.freeze() if how == "frozen" else server.kill()
        for _ in range(10):
            assert (await app.hit("k")).degraded == "local"
        if how == "frozen":
            server.thaw()
        else:
            await asyncio.to_thread(server.start)
        up = time.perf_counter()
        async with asyncio.timeout(5):
            while (await app.hit("k")).degraded is not None:  # noqa: ASYNC110 - it is paced
                await asyncio.sleep(0.001)
        times.append(time.perf_counter() - up)
        await app._engine.aclose()
    assert median(times) < 0.2


@pytest.mark.parametrize("is_remembered", [True, False])
async def test_who_has_used_a_quota_has_no_second_one_when_the_server_starts_empty(
    server: Server, is_remembered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside a control that remembers nothing."""
    if not is_remembered:
        monkeypatch.setattr(Backlog, "lost", lambda *_: [])
    app = RateLimit(hello, limit="10/hour", store=server.url, deadline=2, on_store_failure="closed")
    assert await statuses(app, 8) == [200] * 8
    server.kill()
    server.start()
    found = [status for status in await statuses(app, 20) if status != 503]
    # The first is let in before it is known that the server has lost anything.
    assert found.count(200) == (1 + 2 if is_remembered else 10)
    await app._engine.aclose()


async def test_a_quota_that_was_given_back_is_not_charged_again(server: Server) -> None:
    app = RateLimit(hello, limit="10/hour", store=server.url, deadline=2, on_store_failure="closed")
    assert (await app.hit("k", 8)).remaining == 2
    server.kill()
    server.start()
    await app.reset("k")
    with suppress(StoreUnavailable):  # the connection that is lost
        await app.hit("other")
    assert (await app.hit("k", 9)).allowed
    assert (await app.hit("k", 0)).remaining == 1
    await app._engine.aclose()
