"""An application without a framework, which asks again after the disconnect: what lets servers show their own ways."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.interop.frameworks.linted import AGAIN, HANGS_AFTER, linted

if TYPE_CHECKING:
    from middlewares.asgi import Receive, Scope, Send

__all__ = ("app",)


async def plain(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer HTTP with the request body, and WebSocket messages with themselves; stay until the client has gone."""
    if scope["type"] == "lifespan":
        return await lifespan(scope, receive, send)
    if scope["type"] == "websocket":
        return await echo_messages(receive, send)
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body"})
    while (await receive())["type"] != "http.disconnect":
        pass
    await receive_again(receive)


async def echo_messages(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] != "websocket.disconnect":
        await send({"type": "websocket.send", "text": message["text"]})
    await receive_again(receive)


async def receive_again(receive: Receive) -> None:
    """Receive once more after the disconnect, but give up on a server that hangs; say that this is done."""
    try:
        await asyncio.wait_for(receive(), 2 * HANGS_AFTER)
    except TimeoutError:
        pass
    finally:
        print(f"\n{AGAIN}", flush=True)  # noqa: T201 - the test reads what the server prints


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    if "state" in scope:
        scope["state"]["of the tests"] = True
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


app = linted(plain)
