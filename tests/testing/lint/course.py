"""A small honest server for the tests of the lint, whose parts a mutant replaces."""

from __future__ import annotations

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
FAREWELL = {
    "http": {"type": "http.disconnect"},
    "websocket": {"type": "websocket.disconnect", "code": 1001, "reason": ""},
    "lifespan": SHUTDOWN,
}
SCOPES = {"http": http_scope, "websocket": websocket_scope, "lifespan": lifespan_scope}
EVENTS = {"http": [REQUEST], "websocket": [CONNECT], "lifespan": [STARTUP, SHUTDOWN]}


def start(status=200, headers=((b"x-a", b"1"),), **more):
    return {"type": "http.response.start", "status": status, "headers": [*headers], **more}


def body(data=b"", **more):
    return {"type": "http.response.body", "body": data, **more}


def make_scope(kind="http", **options):
    if kind not in SCOPES:
        return {"type": kind, "asgi": {"version": "3.0"}}
    if kind != "lifespan":
        options.setdefault("extensions", EVERY_EXTENSION)
    return SCOPES[kind](**options)


def refuse(message):
    """Raise as servers do on what they cannot encode."""
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise TypeError("no event")
    if message["type"].endswith(".start") and not isinstance(message.get("status"), int):
        raise TypeError("no status")
    if not isinstance(message.get("body", b""), (bytes, memoryview)) or not isinstance(message.get("code", 1), int):
        raise TypeError("wrong value")
    if not isinstance(message.get("text", ""), (str, type(None))) or message["type"].startswith("other."):
        raise TypeError("wrong value")


async def serve(app, scope=None, events=None, *, send=None, receive=None):
    """Call an application as a server does, and return what it sent; its exceptions end here."""
    scope = make_scope() if scope is None else scope
    kind = scope["type"]
    waiting = [*(EVENTS.get(kind, ()) if events is None else events)]
    sent = []

    async def receive_next():
        await anyio.lowlevel.checkpoint()
        return dict(waiting.pop(0)) if waiting else dict(FAREWELL[kind])

    async def send_next(message):
        await anyio.lowlevel.checkpoint()
        refuse(message)
        sent.append(message)

    with anyio.fail_after(5):
        try:
            await app(scope, receive or receive_next, send or send_next)
        except Exception as error:
            sent.append(error)
    return sent


def passes_on(app):
    """Return a layer that does nothing."""

    async def Transparent(scope, receive, send):  # noqa: N802 - it stands for a class
        await app(scope, receive, send)

    Transparent.app = app
    return Transparent


def ids(findings):
    return {finding.id for finding in findings}


def around(app, **options):
    return Lint(app, deadline=0.05, **options)
