"""Servers each of which breaks one rule: scopes, events and sends as a server must not give them."""

from __future__ import annotations

from typing import Any

import anyio

from tests.testing.lint.course import CONNECT, FAREWELL, REQUEST, SHUTDOWN, STARTUP, body, make_scope, start

SCOPES: list[tuple[str, str, dict[Any, Any]]] = [
    ("G1", "http", {1: 2}),
    ("G2", "http", {"asgi": None}),
    ("G2", "websocket", {"asgi": {"version": 3}}),
    ("G2", "lifespan", {"asgi": {"version": "3.0", "spec_version": 2.0}}),
    ("G19", "http", {"extensions": ["http.response.push"]}),
    ("G19", "websocket", {"extensions": {"websocket.http.response": None}}),
    ("H1", "http", {"http_version": "1"}),
    ("H1", "http", {"http_version": None}),
    ("H2", "http", {"method": "get"}),
    ("H2", "http", {"method": ""}),
    ("H3", "http", {"scheme": ""}),
    ("H3", "http", {"scheme": None}),
    ("H4", "http", {"path": b"/"}),
    ("H4", "http", {"path": "/a?b=1", "raw_path": b"/a"}),
    ("H4", "http", {"path": "/a%20b", "raw_path": b"/a%20b"}),
    ("H5", "http", {"raw_path": "/"}),
    ("H5", "websocket", {"raw_path": b"/?a"}),
    ("H6", "http", {"query_string": "a=1"}),
    ("H6", "http", {"query_string": b"?a=1"}),
    ("H6", "websocket", {"query_string": b"a=1 2"}),
    ("H7", "http", {"root_path": "/api", "path": "/users"}),
    ("H7", "http", {"root_path": b"/api"}),
    ("H8", "http", {"headers": [("host", "a")]}),
    ("H8", "http", {"headers": [(b"host", b"a", b"b")]}),
    ("H8", "websocket", {"headers": None}),
    ("H9", "http", {"headers": [(b"Host", b"a")]}),
    ("H10", "http", {"headers": [(b":authority", b"a")]}),
    ("H12", "http", {"client": ("127.0.0.1", "80")}),
    ("H12", "http", {"client": "127.0.0.1"}),
    ("H13", "http", {"server": ("127.0.0.1", "80")}),
    ("H13", "websocket", {"server": (None, 80)}),
    ("H14", "http", {"state": []}),
    ("W1", "websocket", {"method": "GET"}),
    ("W1", "websocket", {"scheme": ""}),
    ("W2", "websocket", {"subprotocols": [b"chat"]}),
    ("W2", "websocket", {"subprotocols": "chat"}),
    ("L1", "lifespan", {"state": None}),
    ("L1", "lifespan", {"path": "/"}),
    ("E9", "http", {"extensions": {"tls": {"server_cert": None, "tls_version": None}}}),
    ("E9", "http", {"extensions": {"tls": {"server_cert": 1, "tls_version": None, "cipher_suite": None}}}),
    ("E9", "http", {"extensions": {"tls": {"server_cert": "", "tls_version": 1, "cipher_suite": 1 << 16}}}),
    ("E10", "http", {"extensions": {"tls": {"server_cert": "", "tls_version": 1, "cipher_suite": 1,
                                            "client_cert_chain": ["PEM"]}}}),
    ("E10", "http", {"extensions": {"tls": {"server_cert": "", "tls_version": 1, "cipher_suite": 1,
                                            "client_cert_error": ""}}}),
]  # fmt: skip
"""Rule, scope type, and what is changed in a legal scope."""

RECEIVE, GONE = {"type": "websocket.receive", "text": "a"}, FAREWELL["websocket"]

EVENTS: list[tuple[str, str, list[Any]]] = [
    ("G5", "http", [{"body": b""}]),
    ("G5", "http", [CONNECT]),
    ("G6", "http", [{**REQUEST, "extra": object()}]),
    ("H16", "http", [{"type": "http.response.start"}]),
    ("H17", "http", [{**REQUEST, "body": "text"}]),
    ("H17", "http", [{**REQUEST, "more_body": 0}]),
    ("H18", "http", [REQUEST, REQUEST]),
    ("H19", "http", [FAREWELL["http"], REQUEST]),
    ("W3", "websocket", [RECEIVE]),
    ("W3", "websocket", [CONNECT, CONNECT]),
    ("W5", "websocket", [CONNECT, RECEIVE]),
    ("W8", "websocket", [CONNECT, "accept", {**RECEIVE, "bytes": b"a"}]),
    ("W8", "websocket", [CONNECT, "accept", {**RECEIVE, "text": b"a"}]),
    ("W13", "websocket", [CONNECT, "accept", {"type": "websocket.disconnect"}]),
    ("W13", "websocket", [CONNECT, "accept", {**GONE, "code": None}]),
    ("W13", "websocket", [CONNECT, "accept", {**GONE, "reason": b"bytes"}]),
    ("W13", "websocket", [CONNECT, "accept", GONE, RECEIVE]),
    ("L3", "lifespan", [SHUTDOWN]),
    ("L3", "lifespan", [STARTUP, STARTUP]),
    ("L8", "lifespan", [STARTUP, SHUTDOWN]),
    ("L8", "lifespan", [STARTUP, "startup.complete", SHUTDOWN, SHUTDOWN]),
]
"""Rule, scope type, and the events in their order; a word is what the application sends meanwhile."""


async def raises(_message: Any) -> Any:
    raise RuntimeError("closed")


async def raises_over_a_key(message: Any) -> Any:
    if "extra" in message:
        raise TypeError("unexpected key 'extra'")


async def gives_something(_message: Any) -> Any:
    return 1


def gives_nothing(_message: Any) -> Any:
    return None


async def refuses_a_body(message: Any) -> Any:
    if message.get("body"):
        raise RuntimeError("a body for HEAD")


async def changes(message: Any) -> Any:
    message["seen"] = True


async def takes_everything(_message: Any) -> Any:
    pass


ANSWER = [start(extra=1), body()]

SENDS: list[tuple[str, dict[str, Any], Any, list[Any]]] = [
    ("G7", {}, takes_everything, [{"type": "http.response.start"}, body()]),
    ("G7", {}, takes_everything, [start("200"), body()]),
    ("G7", {}, takes_everything, [start(), body("text"), body()]),
    ("G7", {}, takes_everything, [{"type": "other.event"}, start(), body()]),
    ("G9", {}, raises_over_a_key, ANSWER),
    ("G10", {}, raises, ANSWER),
    ("G16", {}, gives_something, ANSWER),
    ("G16", {}, gives_nothing, ANSWER),
    ("G18", {}, changes, ANSWER),
    ("H33", {"method": "HEAD"}, refuses_a_body, [start(), body(b"x")]),
]
"""Rule, options of the scope, the server's ``send``, and what the application sends."""


def changed_scope(kind: Any, change: Any) -> Any:
    return {**make_scope(kind), **change}


async def hangs() -> Any:
    await anyio.sleep_forever()


def not_awaitable() -> Any:
    return dict(REQUEST)
