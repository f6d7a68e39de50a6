"""WebSocket handshakes are charged like requests, and messages have limits of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from middlewares.rate_limit import RateLimit
from middlewares.testing import Driver, ManualClock, websocket_scope

if TYPE_CHECKING:
    from middlewares.asgi import Receive, Scope, Send


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def handshake(app: Any, **options: Any) -> dict[str, Any]:
    async with Driver(app, websocket_scope(**options)) as call:
        call.feed({"type": "websocket.connect"})
        first = await call.receive()
        call.disconnect()
        if first["type"] == "websocket.http.response.start":
            await call.receive()
        await call.finish()
    return dict(first)


async def test_a_handshake_over_the_quota_is_denied() -> None:
    app = RateLimit(echo, limit="1/minute")
    assert (await handshake(app))["type"] == "websocket.accept"
    assert await handshake(app) == {"type": "websocket.close", "code": 1008}
    denied = await handshake(app, extensions=["websocket.http.response"])
    assert (denied["type"], denied["status"]) == ("websocket.http.response.start", 429)
    assert b"retry-after" in dict(denied["headers"])


async def test_a_connection_with_too_many_messages_is_closed(clock: ManualClock) -> None:
    app = RateLimit(echo, messages="2/second", clock=clock.ns)
    async with Driver(app, websocket_scope()) as call:
        call.feed({"type": "websocket.connect"})
        await call.receive()
        for number in range(3):
            call.feed({"type": "websocket.receive", "text": str(number)})
        assert [(await call.receive()).get("text") for _ in range(2)] == ["0", "1"]
        closed = await call.receive()
        assert (closed["type"], closed["code"]) == ("websocket.close", 1008)
        await call.finish()


async def test_messages_over_the_limit_can_be_dropped(clock: ManualClock) -> None:
    app = RateLimit(echo, messages="1/second", over_messages="drop", clock=clock.ns)
    async with Driver(app, websocket_scope()) as call:
        call.feed({"type": "websocket.connect"})
        await call.receive()
        for text in ("a", "b", "c"):
            call.feed({"type": "websocket.receive", "text": text})
        assert (await call.receive())["text"] == "a"
        await call.assert_silent()
        clock.advance(1)
        call.feed({"type": "websocket.receive", "text": "d"})
        assert (await call.receive())["text"] == "d"
        call.disconnect()
        await call.finish()


async def test_messages_over_the_limit_can_be_delayed() -> None:
    app = RateLimit(echo, messages="50/second", over_messages="delay")
    async with Driver(app, websocket_scope()) as call:
        call.feed({"type": "websocket.connect"})
        await call.receive()
        with anyio.fail_after(5):
            for number in range(52):
                call.feed({"type": "websocket.receive", "text": str(number)})
            assert [(await call.receive())["text"] for _ in range(52)] == [str(n) for n in range(52)]
        call.disconnect()
        await call.finish()


@pytest.mark.parametrize("body", [{"text": "x" * 60}, {"bytes": b"x" * 60}, {"text": "x" * 500}])
async def test_bytes_of_messages_have_a_limit_too(clock: ManualClock, body: dict[str, Any]) -> None:
    async def taking(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": "taken"})

    app = RateLimit(taking, message_bytes="100/second", over_messages="drop", clock=clock.ns)
    async with Driver(app, websocket_scope()) as call:
        call.feed({"type": "websocket.connect"})
        await call.receive()
        for _ in range(2):
            call.feed({"type": "websocket.receive", **body})
        assert (await call.receive())["text"] == "taken"
        await call.assert_silent()
        call.disconnect()
        await call.finish()
