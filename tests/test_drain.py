"""The shutdown of an application waits for its requests, and new ones are sent elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
import trio

from middlewares import Drain, Middleware, OptionError
from middlewares.testing import Driver, http_scope, lifespan_scope, request, websocket_scope
from tests.readable import Policy
from tests.virtual_time import run_virtually

if TYPE_CHECKING:
    from middlewares.asgi import Receive, Scope, Send

STARTUP = {"type": "lifespan.startup"}
SHUTDOWN = {"type": "lifespan.shutdown"}


class Shop:
    """An application whose requests last until the test says so, and which notes what it is told."""

    def __init__(self) -> None:
        self.door = anyio.Event()
        self.told: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for _ in range(2):
                event = await receive()
                self.told.append(event["type"])
                await send({"type": f"{event['type']}.complete"})
            return
        await self.door.wait()
        self.told.append("served")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def _check_that_the_shutdown_waits() -> None:
    app = Shop()
    layer = Drain(app, retry_after=3)
    async with Driver(layer, lifespan_scope()) as life:
        await life.send(STARTUP)
        await life.receive()
        async with Driver(layer, http_scope()) as call:
            await call.assert_silent()
            assert layer.in_flight == 1
            life.feed(SHUTDOWN)
            await life.assert_silent()
            refused = await request(layer)
            assert refused.status == 503
            assert (refused.header("connection"), refused.header("retry-after")) == ("close", "3")
            app.door.set()
            assert (await call.receive())["status"] == 200
            await call.receive()
        assert (await life.receive())["type"] == "lifespan.shutdown.complete"
    assert app.told == ["lifespan.startup", "served", "lifespan.shutdown"]
    assert layer.in_flight == 0


async def test_the_shutdown_waits_for_requests_in_flight() -> None:
    await _check_that_the_shutdown_waits()


def test_on_trio_too() -> None:
    trio.run(_check_that_the_shutdown_waits)


def test_it_waits_no_longer_than_its_grace() -> None:
    async def run() -> float:
        layer = Drain(Shop(), grace=20)
        async with Driver(layer, http_scope(), timeout=100) as call:
            await call.assert_silent()
            async with Driver(layer, lifespan_scope(), timeout=100) as life:
                life.feed(STARTUP, SHUTDOWN)
                await life.receive()
                began = anyio.current_time()
                await life.receive()
                return anyio.current_time() - began

    assert run_virtually(run()) == pytest.approx(20)


async def test_requests_that_fail_or_are_cancelled_are_not_waited_for() -> None:
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    layer = Drain(failing)
    with pytest.raises(ZeroDivisionError):
        await request(layer)
    assert layer.in_flight == 0
    layer = Drain(Shop())
    async with Driver(layer, http_scope()) as call:
        await call.assert_silent()
        assert layer.in_flight == 1
    assert layer.in_flight == 0


@pytest.mark.parametrize(("version", "connection"), [("1.0", "close"), ("1.1", "close"), ("2", None), ("3", None)])
async def test_only_http_1_has_a_connection_to_close(version: str, connection: str | None) -> None:
    """RFC 9113, 8.2.2."""
    layer = Drain(Shop())
    layer._flights.is_closing = True
    response = await request(layer, http_version=version)
    assert (response.status, response.header("connection")) == (503, connection)


async def test_websockets_are_counted_and_denied() -> None:
    layer = Drain(Shop())
    async with Driver(layer, websocket_scope()) as call:
        await call.assert_silent()
        assert layer.in_flight == 1
    layer._flights.is_closing = True
    async with Driver(layer, websocket_scope(extensions=())) as call:
        await call.send({"type": "websocket.connect"})
        assert await call.receive() == {"type": "websocket.close", "code": 1012}


async def test_refusals_are_readable_for_pages_of_a_policy_inside() -> None:
    layer = Drain(Policy(Shop()))
    layer._flights.is_closing = True
    assert (await request(layer)).header("access-control-allow-origin") == "*"


async def test_an_application_that_starts_again_is_open_again() -> None:
    layer = Drain(Shop())
    for _ in range(2):
        async with Driver(layer, lifespan_scope()) as life:
            life.feed(STARTUP)
            await life.receive()
            assert not layer._flights.is_closing
            life.feed(SHUTDOWN)
            await life.receive()
            assert layer._flights.is_closing


async def test_other_scopes_pass_untouched() -> None:
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((scope, receive, send))

    scope: Scope = {"type": "other"}
    await Drain(app)(scope, app, app)  # type: ignore[arg-type]  # nobody calls them
    assert (seen[0][0] is scope, seen[0][1] is app, seen[0][2] is app) == (True, True, True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grace": -1}, "Drain: grace must be a number of seconds that is not negative; got -1"),
        ({"grace": float("inf")}, "Drain: grace must be a number of seconds that is not negative; got inf"),
        ({"retry_after": 0}, "Drain: retry_after must be at least 1; got 0"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as raised:
        Middleware(Drain, **options)
    assert message in str(raised.value)
