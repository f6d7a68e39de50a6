"""A small honest server for the tests of the lint, whose parts a mutant replaces."""

from __future__ import annotations

from typing import Any

import anyio

from middlewares.testing import Lint, http_scope, lifespan_scope, websocket_scope

EVERY_EXTENSION = [
    "http.response.push",
    "http.response.zerocopysend",
    "http.response.pathsend",
    "http.response.early_hint",
    "http.response.trailers",
    "http.response.debug",
    "websocket.http.response",
]
REQUEST = {"type": "http.request", "body": b"", "more_body": False}
CONNECT = {"type": "websocket.connect"}
STARTUP, SHUTDOWN = {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}
FAREWELL: dict[str, Any] = {
    "http": {"type": "http.disconnect"},
    "websocket": {"type": "websocket.disconnect", "code": 1001, "reason": ""},
    "lifespan": SHUTDOWN,
}
SCOPES: dict[str, Any] = {"http": http_scope, "websocket": websocket_scope, "lifespan": lifespan_scope}
EVENTS: dict[str, list[Any]] = {"http": [REQUEST], "websocket": [CONNECT], "lifespan": [STARTUP, SHUTDOWN]}


def start(status: Any = 200, headers: Any = ((b"x-a", b"1"),), **more: Any) -> Any:
    return {"type": "http.response.start", "status": status, "headers": [*headers], **more}


def body(data: Any = b"", **more: Any) -> Any:
    return {"type": "http.response.body", "body": data, **more}


def make_scope(kind: Any = "http", **options: Any) -> Any:
    if kind not in SCOPES:
        return {"type": kind, "asgi": {"version": "3.0"}}
    if kind != "lifespan":
        options.setdefault("extensions", EVERY_EXTENSION)
    return SCOPES[kind](**options)


def refuse(message: Any) -> Any:
    """Raise as servers do on what they cannot encode."""
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise TypeError("no event")
    if message["type"].endswith(".start") and not isinstance(message.get("status"), int):
        raise TypeError("no status")
    if not isinstance(message.get("body", b""), (bytes, memoryview)) or not isinstance(message.get("code", 1), int):
        raise TypeError("wrong value")
    if not isinstance(message.get("text", ""), (str, type(None))) or message["type"].startswith("other."):
        raise TypeError("wrong value")


async def serve(app: Any, scope: Any = None, events: Any = None, *, send: Any = None, receive: Any = None) -> Any:
    """Call an application as a server does, and return what it sent; its exceptions end here."""
    scope = make_scope() if scope is None else scope
    kind = scope["type"]
    waiting = [*(EVENTS.get(kind, ()) if events is None else events)]
    sent = []

    async def receive_next() -> Any:
        await anyio.lowlevel.checkpoint()
        return dict(waiting.pop(0)) if waiting else dict(FAREWELL[kind])

    async def send_next(message: Any) -> Any:
        await anyio.lowlevel.checkpoint()
        refuse(message)
        sent.append(message)

    with anyio.fail_after(5):
        try:
            await app(scope, receive or receive_next, send or send_next)
        except Exception as error:  # noqa: BLE001 - a server goes on whatever it is
            sent.append(error)
    return sent


def passes_on(app: Any) -> Any:
    """Return a layer that does nothing."""

    async def Transparent(scope: Any, receive: Any, send: Any) -> None:  # noqa: N802 - it stands for a class
        await app(scope, receive, send)

    layer: Any = Transparent
    layer.app = app
    return layer


def ids(findings: Any) -> Any:
    return {finding.id for finding in findings}


def around(app: Any, **options: Any) -> Any:
    return Lint(app, deadline=0.05, **options)
