"""An application under a timeout, for real servers: it begins an answer and never ends it, or never begins one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from middlewares.timeout import Timeout

if TYPE_CHECKING:
    from middlewares.asgi import Receive, Scope, Send

__all__ = ("app",)


async def _slow(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    if scope["path"] == "/silent":
        await anyio.sleep_forever()
    headers = [(b"content-length", b"1000")] if scope["path"] == "/sized" else []
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"the beginning", "more_body": scope["path"] != "/whole"})
    if scope["path"] != "/whole":
        await anyio.sleep_forever()


app = Timeout(_slow, first_byte=0.3, idle=0.3)
