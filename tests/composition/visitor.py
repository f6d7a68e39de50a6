"""A visitor who was here before: the cookie that tells so, of every session with its name and key."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from middlewares import Sessions
from middlewares.testing import request

if TYPE_CHECKING:
    from middlewares.asgi import Receive, Scope, Send

__all__ = ("COOKIE", "KEY", "NAME", "VISITS")

KEY: Final = "Zr8wLxTngv1yXkQYJb4Sg0m5hQ0eD7p2"
NAME: Final = "session"
VISITS: Final = 4
"""How often the visitor was here."""


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    scope["session"]["visits"] = VISITS
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body"})


async def _visit() -> str:
    response = await request(Sessions(_app, secret_key=KEY, session_cookie=NAME))
    line: Any = response.header("set-cookie")
    return str(line).partition(";")[0]


COOKIE: Final = asyncio.run(_visit())
"""Name and value."""
