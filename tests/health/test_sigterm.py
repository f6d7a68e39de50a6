"""SIGTERM reaches the server later than the health checks, where the server can be asked to wait."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from middlewares import Health
from middlewares.testing import Driver, lifespan_scope, request
from tests.interop.servers import serve

from .apps import shop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STARTUP = {"type": "lifespan.startup"}
SHUTDOWN = {"type": "lifespan.shutdown"}


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run each test on both."""
    return str(request.param)


@pytest.fixture
def heard() -> Iterator[list[int]]:
    """Signals that reached the server: here the handler that stood before."""
    signals: list[int] = []

    def handler(number: int, frame: Any) -> None:
        signals.append(number)

    before = signal.signal(signal.SIGTERM, handler)
    yield signals
    assert signal.signal(signal.SIGTERM, before) is handler, "not put back"


async def until(condition: Callable[[], object]) -> None:
    with anyio.fail_after(5):
        while not condition():  # noqa: ASYNC110 - a signal handler sets it, at any time
            await anyio.sleep(0.001)


async def test_the_application_is_not_ready_before_the_server_hears_of_it(heard: list[int]) -> None:
    layer = Health(shop, sigterm_delay=0.05)
    async with Driver(layer, lifespan_scope()) as life:
        life.feed(STARTUP)
        await life.receive()
        os.kill(os.getpid(), signal.SIGTERM)
        await until(lambda: layer.is_closing)
        assert not heard
        assert (await request(layer, path="/readyz")).status == 503
        assert (await request(layer, path="/")).text == "shop"
        await until(lambda: heard)
        life.feed(SHUTDOWN)
        await life.receive()


async def test_a_second_signal_goes_on_at_once(heard: list[int]) -> None:
    layer = Health(shop, sigterm_delay=3600)
    async with Driver(layer, lifespan_scope()) as life:
        life.feed(STARTUP)
        await life.receive()
        for _ in range(2):
            assert not heard
            os.kill(os.getpid(), signal.SIGTERM)
        await until(lambda: heard)
        await life.settle()
        life.feed(SHUTDOWN)
        await life.receive()
    assert heard == [signal.SIGTERM]


async def test_without_the_option_the_signal_is_left_alone(heard: list[int]) -> None:
    layer = Health(shop)
    async with Driver(layer, lifespan_scope()) as life:
        life.feed(STARTUP)
        await life.receive()
        os.kill(os.getpid(), signal.SIGTERM)
        await until(lambda: heard)
        assert not layer.is_closing


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_server_that_cannot_be_asked_to_wait_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    import asyncio

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, list)
    before = signal.getsignal(signal.SIGTERM)
    try:
        async with Driver(Health(shop, sigterm_delay=1), lifespan_scope()) as life:
            life.feed(STARTUP)
            await life.receive()
            assert signal.getsignal(signal.SIGTERM) is before
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
    assert "SIGTERM cannot be held back: the server handles it in a way of its own" in caplog.text


def test_in_a_thread_nothing_is_installed(caplog: pytest.LogCaptureFixture) -> None:
    """As with test clients: only the main thread may handle signals."""

    async def main() -> None:
        async with Driver(Health(shop, sigterm_delay=1), lifespan_scope()) as life:
            life.feed(STARTUP)
            assert (await life.receive())["type"] == "lifespan.startup.complete"

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=anyio.run, args=(main,))
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is before
    assert "runs in a thread of its own" in caplog.text


# -- real servers


def test_uvicorn_serves_on_while_the_application_is_not_ready() -> None:
    with serve("uvicorn", "tests.health.apps:held") as server, httpx.Client(trust_env=False) as client:
        assert client.get(f"{server.url}/readyz").status_code == 200
        began = time.monotonic()
        server.process.terminate()
        give_up = began + 5
        while (ready := httpx.get(f"{server.url}/readyz", trust_env=False)).status_code == 200:
            assert time.monotonic() < give_up
        assert ready.json() == {"status": "fail", "notes": ["shutting down"]}
        # Over a new connection, as from a load balancer that has not heard of it.
        assert httpx.get(server.url, trust_env=False).text == "shop"
        assert httpx.get(f"{server.url}/livez", trust_env=False).status_code == 200
        status = server.process.wait(10)
        assert time.monotonic() - began >= 1
        assert status in (0, -signal.SIGTERM)
        assert "Application shutdown complete" in server.output()


@pytest.mark.parametrize("name", ["hypercorn", "granian"])
def test_servers_that_cannot_be_asked_to_wait_end_as_always(name: str) -> None:
    with serve(name, "tests.health.apps:held") as server:
        assert httpx.get(f"{server.url}/readyz", trust_env=False).status_code == 200
        server.process.terminate()
        server.process.wait(10)


@pytest.mark.parametrize("name", ["uvicorn", "hypercorn", "granian", "daphne"])
def test_real_servers_answer_health_checks(name: str) -> None:
    """Daphne runs no lifespan."""
    with serve(name, "tests.health.apps:plain") as server, httpx.Client(trust_env=False) as client:
        for path in ("/livez", "/readyz", "/startupz"):
            for method in ("GET", "HEAD"):
                response = client.request(method, f"{server.url}{path}")
                assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
        assert client.post(f"{server.url}/readyz").status_code == 405


@pytest.mark.parametrize("takes_over", [True, False])
async def test_a_stack_that_is_exchanged_delays_it_once(takes_over: bool, heard: list[int]) -> None:
    """Also where the new one has another delay."""
    old = Health(shop, sigterm_delay=0.05 if takes_over else 3600)
    new = Health(shop, sigterm_delay=0.05)
    async with Driver(old, lifespan_scope()) as first:
        first.feed(STARTUP)
        await first.receive()
        if takes_over:
            new.take_over(old)
        async with Driver(new, lifespan_scope()) as second:
            second.feed(STARTUP)
            await second.receive()
            first.feed(SHUTDOWN)
            await first.receive()
            assert not new.is_closing
            os.kill(os.getpid(), signal.SIGTERM)
            await until(lambda: new.is_closing)
            assert not heard
            await until(lambda: heard)
            second.feed(SHUTDOWN)
            await second.receive()
    assert heard == [signal.SIGTERM]
