"""An application whose log goes into a pipe that nobody reads; it tells how many lines were lost."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from middlewares import AccessLog

if TYPE_CHECKING:
    from middlewares.asgi import Receive, Scope, Send

reader, writer = os.pipe()


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    """Take part in the lifespan, and answer the number of lost lines."""
    while scope["type"] == "lifespan":
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return
    body = b"%d" % app.dropped
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


app = AccessLog(page, output=writer, queue_size=50)
