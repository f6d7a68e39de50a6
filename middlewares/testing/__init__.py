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

The names below are imported when they are first used (PEP 562): pytest loads the plugin of this package in every run.
"""

from __future__ import annotations

TYPE_CHECKING = False  # read by type checkers as true

if TYPE_CHECKING:
    from .calls import LifespanFailed as LifespanFailed
    from .calls import Response as Response
    from .calls import WebSocket as WebSocket
    from .calls import WebSocketRefused as WebSocketRefused
    from .calls import lifespan as lifespan
    from .calls import request as request
    from .calls import websocket as websocket
    from .clock import ManualClock as ManualClock
    from .driver import ClientDisconnected as ClientDisconnected
    from .driver import Driver as Driver
    from .driver import DriverError as DriverError
    from .lint import Finding as Finding
    from .lint import Lint as Lint
    from .lint import LintError as LintError
    from .messages import Passed as Passed
    from .scopes import header_pairs as header_pairs
    from .scopes import http_scope as http_scope
    from .scopes import lifespan_scope as lifespan_scope
    from .scopes import websocket_scope as websocket_scope

_HOME = {
    "ClientDisconnected": ".driver",
    "Driver": ".driver",
    "DriverError": ".driver",
    "Finding": ".lint",
    "LifespanFailed": ".calls",
    "Lint": ".lint",
    "LintError": ".lint",
    "ManualClock": ".clock",
    "Passed": ".messages",
    "Response": ".calls",
    "WebSocket": ".calls",
    "WebSocketRefused": ".calls",
    "header_pairs": ".scopes",
    "http_scope": ".scopes",
    "lifespan": ".calls",
    "lifespan_scope": ".scopes",
    "request": ".calls",
    "websocket": ".calls",
    "websocket_scope": ".scopes",
}

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


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOME[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
