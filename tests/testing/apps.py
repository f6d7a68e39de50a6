"""Applications for the driver to drive."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from middlewares.asgi import Message, Receive, Scope, Send

START: Message = {"type": "http.response.start", "status": 200, "headers": []}


async def quiet(scope: Scope, receive: Receive, send: Send) -> None:
    """Take events for ever and say nothing."""
    while True:
        await receive()


async def reading(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer once the body is whole."""
    while (await receive()).get("more_body"):
        pass
    await send(START)
    await send({"type": "http.response.body", "body": b"done"})
