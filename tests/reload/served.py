"""What is served while its configuration changes: an application, and layers that tell what becomes of them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import anyio

from middlewares import from_config
from middlewares.reload import ReloadingApp
from middlewares.reload.app import Loaded

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send

FILE = "RELOADED_FILE"
"""The environment variable that holds the path of the configuration."""

PARTS = 100
"""Parts of a stream."""


class Named:
    """A layer that is not ours: it says in each response which configuration it is of, and prints its lifespan."""

    def __init__(self, app: ASGIApp, *, name: str) -> None:
        self.app = app
        self.name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":

            async def note() -> Message:
                event = await receive()
                print(f"{self.name} {event['type']}")  # noqa: T201 - the test reads it
                return event

            return await self.app(scope, note, send)

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"x-stack", self.name.encode())]}
            await send(message)

        await self.app({**scope}, receive, send_named)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer in one part, in many over time, or as a WebSocket that echoes."""
    if scope["type"] == "lifespan":
        for step in ("startup", "shutdown"):
            await receive()
            print(f"application {step}")  # noqa: T201 - the test reads it
            await send({"type": f"lifespan.{step}.complete"})
        return
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": event["text"]})
        return
    start = {"type": "http.response.start", "status": 200}
    if scope["path"] != "/stream":
        await send({**start, "headers": [(b"content-length", b"5")]})
        return await send({"type": "http.response.body", "body": b"hello"})
    await send({**start, "headers": [(b"content-type", b"text/event-stream")]})
    for _ in range(PARTS):
        await send({"type": "http.response.body", "body": b"part\n", "more_body": True})
        await anyio.sleep(0.02)
    await send({"type": "http.response.body"})


def load() -> Loaded:
    """Load the configuration."""
    path = os.environ[FILE]
    return Loaded(from_config(path), (path,))


def served() -> ReloadingApp:
    """Return what is served."""
    return ReloadingApp(app, load, watch=True, interval=0.02, grace=30)
