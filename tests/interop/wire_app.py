"""The application of the tests on raw connections: each path does one thing that a statement about servers speaks of.

What becomes of a call that nobody can see on its own connection is told to who asks for ``/outcome``.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from middlewares.asgi import Message, Receive, Scope, Send

    App = Callable[[Scope, Receive, Send], Awaitable[None]]

__all__ = ("CHUNK", "MOST", "app", "no_lifespan")

CHUNK = 1 << 16
MOST = 64 << 20
"""Bytes that no buffers of a connection hold."""

_STALLED_AFTER = 0.5  # seconds
_outcomes: asyncio.Queue[object] = asyncio.Queue()
_go = asyncio.Event()
_PATHS: dict[str, App] = {}


def at(path: str) -> Callable[[App], App]:
    """Register an application for a path."""

    def register(part: App) -> App:
        _PATHS[path] = part
        return part

    return register


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve HTTP and WebSocket, by path."""
    if scope["type"] not in ("http", "websocket"):
        raise NotImplementedError(scope["type"])
    await _PATHS[scope["path"]](scope, receive, send)


async def no_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Say which lifespan events come; raise instead of answering the startup."""
    if scope["type"] == "lifespan":
        print("lifespan event:", (await receive())["type"])  # noqa: T201 - the test reads what the server prints
        raise RuntimeError("no lifespan here")
    await app(scope, receive, send)


async def answer(send: Send, body: object, *headers: tuple[bytes, bytes]) -> None:
    """Answer with the JSON of ``body``."""
    await send(start(200, (b"content-type", b"application/json"), *headers))
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


def start(status: int, *headers: tuple[bytes, bytes], **keys: object) -> Message:
    """Return the start of a response."""
    return {"type": "http.response.start", "status": status, "headers": list(headers), **keys}


def part(body: bytes) -> Message:
    """Return a part of a body that goes on."""
    return {"type": "http.response.body", "body": body, "more_body": True}


async def outcome_of(call: Awaitable[None]) -> str:
    """Return what a call of ``send`` came to: ``no-op``, or the classes of the exception."""
    try:
        await call
    except OSError as error:
        return f"{type(error).__name__}, an OSError"
    except Exception as error:  # noqa: BLE001 - it is named
        return type(error).__name__
    return "no-op"


# -- what tells of others


@at("/outcome")
async def tell_outcome(_scope: Scope, _receive: Receive, send: Send) -> None:
    await answer(send, await _outcomes.get())


@at("/go")
async def go(_scope: Scope, _receive: Receive, send: Send) -> None:
    _go.set()
    await answer(send, "gone on")


# -- HTTP


@at("/hello")
async def hello(_scope: Scope, _receive: Receive, send: Send) -> None:
    await answer(send, "hello")


@at("/raise")
async def raise_before_start(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise RuntimeError("before the start")


@at("/raise/later")
async def raise_after_start(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send(start(200))
    await send(part(b"truncated"))
    raise RuntimeError("after the start")


@at("/cookies")
async def tell_cookies(scope: Scope, _receive: Receive, send: Send) -> None:
    lines = [value.decode() for name, value in scope["headers"] if name == b"cookie"]
    await answer(send, {"lines": lines, "cookies": Request(scope).cookies})


@at("/echo")
async def echo(_scope: Scope, receive: Receive, send: Send) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await answer(send, body.decode())


@at("/gone")
async def send_to_nobody(_scope: Scope, receive: Receive, send: Send) -> None:
    await send(start(200))
    await send(part(b"here"))
    while (await receive())["type"] != "http.disconnect":
        pass
    _outcomes.put_nowait(await outcome_of(send(part(b"x"))))


@at("/headers")
async def send_headers(scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer ``body`` with the headers of the query: ``name:value`` joined with ``&``."""
    pairs = (line.partition(b":") for line in scope["query_string"].split(b"&"))
    await send(start(200, *((name, value) for name, _, value in pairs)))
    await send({"type": "http.response.body", "body": b"body"})


@at("/chunk")
async def send_chunk_and_wait(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send(start(200))
    await send(part(b"at once"))
    await _go.wait()
    _go.clear()
    await send({"type": "http.response.body", "body": b" and later"})


@at("/flood")
async def flood(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Send as much as goes without waiting, and tell how much that was; then end, once it goes on."""
    await send(start(200))
    returned = 0
    for _ in range(MOST // CHUNK):
        sending = asyncio.ensure_future(send(part(bytes(CHUNK))))
        if not (await asyncio.wait([sending], timeout=_STALLED_AFTER))[0]:
            _outcomes.put_nowait(returned)
            await sending
            break
        returned += CHUNK
    else:
        _outcomes.put_nowait(returned)
    await send({"type": "http.response.body"})


@at("/trailers")
async def send_trailers(scope: Scope, _receive: Receive, send: Send) -> None:
    """Send trailers, if the server has them."""
    has_trailers = "http.response.trailers" in scope.get("extensions", {})
    await send(start(200, (b"trailer", b"x-end"), trailers=has_trailers))
    await send({"type": "http.response.body", "body": b"extension" if has_trailers else b"none"})
    if has_trailers:
        await send({"type": "http.response.trailers", "headers": [(b"x-end", b"trailer")], "more_trailers": False})


# -- WebSocket


async def accept(receive: Receive, send: Send) -> None:
    """Accept the socket."""
    await receive()
    await send({"type": "websocket.accept"})


@at("/ws/refuse")
async def refuse_socket(_scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.close", "code": 4001})


@at("/ws/close")
async def close_socket(_scope: Scope, receive: Receive, send: Send) -> None:
    await accept(receive, send)
    await send({"type": "websocket.close", "code": 4002, "reason": "enough"})


@at("/ws/events")
async def tell_events(_scope: Scope, receive: Receive, send: Send) -> None:
    """Answer every event with its text."""
    await accept(receive, send)
    while (message := await receive())["type"] != "websocket.disconnect":
        await send({"type": "websocket.send", "text": f"{message['type']}: {message.get('text')}"})


@at("/ws/raise")
async def raise_in_socket(_scope: Scope, receive: Receive, send: Send) -> None:
    await accept(receive, send)
    raise RuntimeError("in the socket")


@at("/ws/gone")
async def send_to_no_socket(_scope: Scope, receive: Receive, send: Send) -> None:
    """Send once the client has gone, tell what came of it, and let the exception of the server out."""
    await accept(receive, send)
    while (await receive())["type"] != "websocket.disconnect":
        pass
    sent: Any = asyncio.ensure_future(send({"type": "websocket.send", "text": "x"}))
    _outcomes.put_nowait(await outcome_of(sent))
    await sent
