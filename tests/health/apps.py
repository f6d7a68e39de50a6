"""Applications that real servers serve, with health checks in front of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from middlewares import Health

if TYPE_CHECKING:
    from middlewares.asgi import Receive, Scope, Send

__all__ = ("held", "plain", "shop")


async def shop(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer requests, and go through a lifespan."""
    if scope["type"] == "lifespan":
        while True:
            event = await receive()
            await send({"type": f"{event['type']}.complete"})
            if event["type"] == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"shop"})


async def check() -> None:
    """Pass."""


plain = Health(shop, checks={"passes": check})
held = Health(shop, checks={"passes": check}, sigterm_delay=1.0, details=True)
