"""Logging in and out, where `Sessions` stands around the shop. Nobody is asked for a password: this is an example."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from .answers import read_body

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Any

    from starlette.requests import HTTPConnection, Request
    from starlette.websockets import WebSocket

__all__ = ("routes",)

_LONGEST_NAME = 60
_LONGEST_BODY = 1024


async def show(request: Request) -> Response:
    session = _session_of(request)
    return JSONResponse({"user": session.get("user_id"), "visits": session.get("visits", 0)})


async def log_in(request: Request) -> Response:
    session = _session_of(request)
    # A page of another site can send a form with the visitor's cookies, but no JSON without a preflight.
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise HTTPException(415, "Content-Type must be application/json")
    session["user_id"] = _name_in(await read_body(request, _LONGEST_BODY))
    session["visits"] = session.get("visits", 0) + 1
    return await show(request)


async def log_out(request: Request) -> Response:
    _session_of(request).clear()
    return Response(status_code=204)


async def greet(websocket: WebSocket) -> None:
    """Tell over a WebSocket who is logged in, and close it."""
    session = websocket.scope.get("session")
    await websocket.accept()
    await websocket.send_text(f"hello {'stranger' if session is None else session.get('user_id', 'stranger')}")
    await websocket.close()


def _session_of(connection: HTTPConnection) -> MutableMapping[str, Any]:
    session: MutableMapping[str, Any] | None = connection.scope.get("session")
    if session is None:
        raise HTTPException(501, "There are no sessions: put `Sessions` around the shop.")
    return session


def _name_in(body: bytes) -> str:
    try:
        name = json.loads(body)["user"]
    except (ValueError, KeyError, TypeError, RecursionError):
        name = None
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= _LONGEST_NAME:
        raise HTTPException(422, f'The body must be {{"user": "…"}} with a name of 1 to {_LONGEST_NAME} characters.')
    return name


routes = [
    Route("/account", show),
    Route("/login", log_in, methods=["POST"]),
    Route("/logout", log_out, methods=["POST"]),
    WebSocketRoute("/greet", greet),
]
