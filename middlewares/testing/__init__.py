"""Test an app or a middleware message by message: no server, no sleeping, each step in the test's hands.

A whole call in one line::

    response = await request(GZip(app), "GET", "/products", headers={"accept-encoding": "gzip"})
    assert response.header("content-encoding") == "gzip"

    async with lifespan(app) as state:
        response = await request(app, path="/products", state=state)

    async with websocket(app, "/echo", subprotocols=["chat"]) as ws:
        await ws.send_text("hello")
        assert await ws.receive_text() == "hello"

One message at a time, with `Driver`::

    async with Driver(GZip(app), http_scope(path="/events")) as call:
        call.feed({"type": "http.request"})
        start = await call.receive("http.response.start")
        await call.assert_silent()
        call.disconnect()
        await call.finish()

`Lint` is a layer that checks what passes on both its sides against the rules of ASGI::

    lint = Lint(GZip(app))
    await request(lint, "GET", "/products")
    assert lint.findings == []

What takes a clock is given a `ManualClock`. Everything runs on asyncio and on Trio.
"""

from __future__ import annotations

from .calls import LifespanFailed, Response, WebSocket, WebSocketRefused, lifespan, request, websocket
from .clock import ManualClock
from .driver import ClientDisconnected, Driver, DriverError
from .lint import Finding, Lint, LintError
from .messages import Passed
from .scopes import header_pairs, http_scope, lifespan_scope, websocket_scope

__all__ = (
    "ClientDisconnected",
    "Driver",
    "DriverError",
    "Finding",
    "LifespanFailed",
    "Lint",
    "LintError",
    "ManualClock",
    "Passed",
    "Response",
    "WebSocket",
    "WebSocketRefused",
    "header_pairs",
    "http_scope",
    "lifespan",
    "lifespan_scope",
    "request",
    "websocket",
    "websocket_scope",
)
