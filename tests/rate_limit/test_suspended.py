"""Clocks that jump, and a process that stands still for a while: no second quota, and nobody is locked out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from middlewares.rate_limit import RateLimit
from middlewares.rate_limit.sqlite import SQLiteLimits

from .apps import hello

if TYPE_CHECKING:
    from tests.stores.valkey import Server

STANDSTILL = 0.8
"""Seconds, in which four bursts come back."""
WORKER = """
import asyncio, json, sys, time
from middlewares.rate_limit import RateLimit

async def app(scope, receive, send): ...

async def main():
    limiter = RateLimit(app, limit="50/2 seconds", burst=5, store=sys.argv[1])
    while True:
        decision = await limiter.hit("k")
        print(json.dumps([time.monotonic(), decision.allowed, decision.degraded]), flush=True)
        await asyncio.sleep(0.005)

asyncio.run(main())
"""
ROOT = Path(__file__).parents[2]


def _read(worker: subprocess.Popen[bytes], until: float) -> list[tuple[float, bool, str | None]]:
    """Return what the hits came to, up to the first one after a time of the clock that never goes back."""
    assert worker.stdout is not None
    found: list[tuple[float, bool, str | None]] = []
    while not found or found[-1][0] < until:
        found.append(tuple(json.loads(worker.stdout.readline())))
    return found


@pytest.mark.parametrize("kind", ["memory", "sqlite", "valkey"])
def test_a_process_that_stood_still_has_one_burst_and_goes_on(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """As when its machine is suspended: the limit is 25 a second, five of them at once."""
    url = {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path}/limits.db"}.get(kind)
    if url is None:
        server: Server = request.getfixturevalue("valkey")
        url = server.url
    command = [sys.executable, "-W", "ignore", "-c", WORKER, url]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    with subprocess.Popen(command, env={**environment, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE) as worker:
        try:
            before = _read(worker, _read(worker, 0)[0][0] + 0.6)
            os.kill(worker.pid, signal.SIGSTOP)
            os.waitpid(worker.pid, os.WUNTRACED)
            time.sleep(STANDSTILL)  # what is tested: no event tells of it
            woken = time.monotonic()
            os.kill(worker.pid, signal.SIGCONT)
            after = [hit for hit in _read(worker, woken + 0.6) if hit[0] >= woken]
        finally:
            worker.kill()
    assert not all(allowed for _, allowed, _ in before), "it is over its limit when it stops"
    let_in = sum(allowed for _, allowed, _ in after)
    # A hit may be under way on either side, and one may not hear of its server in time.
    assert let_in <= 5 + 25 * (after[-1][0] - woken) + 2
    assert let_in >= 5, "nobody is locked out"
    assert [degraded for _, _, degraded in after][2:] == [None] * (len(after) - 2)


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_wall_clock_that_is_set_changes_nothing(
    hours: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, valkey: Server
) -> None:
    """Beside a peer that goes by it: an hour back locks out for as long, an hour on gives a second quota."""
    peer, item = FixedWindowRateLimiter(MemoryStorage()), parse("5/minute")
    stores = ("memory://", SQLiteLimits(f"{tmp_path}/limits.db", deadline=5), valkey.url)
    namespace = "back" if hours < 0 else "on"
    apps = [RateLimit(hello, limit="5/minute", namespace=namespace, store=store, deadline=5) for store in stores]
    assert [peer.hit(item, "k") for _ in range(6)] == [True] * 5 + [False]
    for app in apps:
        assert [(await app.hit("k")).allowed for _ in range(6)] == [True] * 5 + [False]
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + hours * 3600)
    assert peer.hit(item, "k") is (hours > 0)
    assert (peer.get_window_stats(item, "k").reset_time - time.time() > 3600) is (hours < 0)
    for app in apps:
        decision = await app.hit("k")
        assert not decision.allowed
        assert 0 < (decision.retry_after or 0) <= 12
        await app._engine.aclose() if app._engine.shared else None
