"""One span for each WebSocket, from the handshake to the end."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.trace import StatusCode

from middlewares import Tracing
from middlewares.testing import Driver, websocket, websocket_scope
from tests.tracing.collected import Broken, Collected, attributes_of, ending


async def test_messages_are_counted_and_make_no_spans(spans: Collected) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["middlewares.exchange"].route = "/chat/{room}"
        await receive()
        await send({"type": "websocket.accept"})
        for _ in range(2):
            await receive()
        await send({"type": "websocket.send", "text": "hello"})
        assert (await receive())["type"] == "websocket.disconnect"

    layer = Tracing(app, tracer_provider=spans.provider, response_headers=["traceresponse"])
    async with websocket(layer, "/chat/blue", headers={"host": "shop.example"}) as ws:
        await ws.send_text("one")
        await ws.send_bytes(b"two")
        assert await ws.receive_text() == "hello"
    [span] = spans.all
    assert span.name == "GET /chat/{room}"
    found = attributes_of(span)
    expected = {
        "http.request.method": "GET",
        "http.response.status_code": 101,
        "http.route": "/chat/{room}",
        "network.protocol.name": "websocket",
        "server.address": "shop.example",
        "server.port": 80,
        "url.path": "/chat/blue",
        "url.scheme": "ws",
        "websocket.close.code": 1000,
        "websocket.messages.received": 2,
        "websocket.messages.sent": 1,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert "network.protocol.version" not in found
    assert ending(span) == (101, None, StatusCode.UNSET, None)


@pytest.mark.parametrize(("code", "error"), [(1000, None), (1001, None), (3000, None), (1006, "client_disconnected")])
async def test_a_client_that_closes_makes_no_error(code: int, error: str | None, spans: Collected) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()

    async with Driver(Tracing(app, tracer_provider=spans.provider), websocket_scope()) as call:
        call.feed({"type": "websocket.connect"})
        await call.receive("websocket.accept")
        call.feed({"type": "websocket.disconnect", "code": code})
        await call.finish()
    assert ending(spans.one) == (101, error, StatusCode.UNSET, None)
    assert attributes_of(spans.one)["websocket.close.code"] == code


async def test_a_handshake_that_is_refused_has_its_status(spans: Collected) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.close", "code": 1008})

    async with Driver(Tracing(app, tracer_provider=spans.provider), websocket_scope()) as call:
        call.feed({"type": "websocket.connect"})
        await call.receive("websocket.close")
        await call.finish()
    assert ending(spans.one) == (403, None, StatusCode.UNSET, None)


async def test_an_exception_is_an_error(spans: Collected) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        raise Broken

    async with Driver(Tracing(app, tracer_provider=spans.provider), websocket_scope()) as call:
        call.feed({"type": "websocket.connect"})
        await call.receive("websocket.accept")
        with pytest.raises(Broken):
            await call.finish()
    assert ending(spans.one) == (101, f"{Broken.__module__}.Broken", StatusCode.ERROR, None)


async def test_over_http_2_the_method_is_connect(spans: Collected) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.close"})

    scope = websocket_scope(http_version="2")
    async with Driver(Tracing(app, tracer_provider=spans.provider), scope) as call:
        call.feed({"type": "websocket.connect"})
        await call.receive("websocket.close")
        await call.finish()
    assert spans.one.name == "CONNECT"
