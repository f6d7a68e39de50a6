"""The bare applications that benchmarks wrap: as little work as an answer takes.

Those of the harness keep no state. `bare`, `ours` and `starlette` make what `benchmarks.http` serves.
"""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

from .pool import ANSWER, POOL_SIZE, json_answer

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Receive, Scope, Send

__all__ = (
    "LEVEL",
    "ORIGINS",
    "POLICY",
    "SIZES",
    "answer_from_pool",
    "bare",
    "close_websocket",
    "ours",
    "ours_around",
    "starlette",
    "starlette_around",
    "start_lifespan",
)

LEVEL = 6
"""Compression level wherever ours and a peer do the same work."""
ORIGINS = (
    "https://shop.example",
    "https://www.shop.example",
    "https://admin.shop.example",
    "https://partner.example",
    "http://localhost:5173",
)
POLICY: dict[str, Any] = {
    "allow_origins": ORIGINS,
    "allow_methods": ("GET", "POST", "PUT", "DELETE"),
    "allow_headers": ("Authorization", "X-Requested-With"),
    "allow_credentials": True,
    "expose_headers": ("X-Request-ID",),
}
"""The CORS policy wherever there is one: several explicit origins, so answers depend on the request."""
SIZES = {"/small": 100, "/json": 10_000}
"""Paths of the served applications, and about how many bytes of JSON each answers."""


async def answer_from_pool(scope: Scope, receive: Receive, send: Send) -> None:
    """Send the answer that stands in the scope, in fresh messages with a fresh header list."""
    headers, body = scope[ANSWER]
    await send({"type": "http.response.start", "status": 200, "headers": [*headers]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def close_websocket(scope: Scope, receive: Receive, send: Send) -> None:
    """Accept a WebSocket and close it."""
    await receive()
    await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
    await send({"type": "websocket.close", "code": 1000, "reason": ""})


async def start_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer the startup of a lifespan, and end there."""
    await receive()
    await send({"type": "lifespan.startup.complete"})


def ours_around(app: ASGIApp) -> ASGIApp:
    """Put our CORS and GZip around an application."""
    from middlewares import CORS, GZip, Middleware, Stack

    return Stack(Middleware(CORS, **POLICY), Middleware(GZip, compresslevel=LEVEL))(app)


def starlette_around(app: ASGIApp) -> ASGIApp:
    """Put Starlette's pair around an application."""
    from starlette.middleware.cors import CORSMiddleware
    from starlette.middleware.gzip import GZipMiddleware

    return CORSMiddleware(GZipMiddleware(app, compresslevel=LEVEL), **POLICY)


def bare() -> ASGIApp:
    """Return the application that answers `SIZES`, one place of the pool after the other."""
    answers = {path: cycle([json_answer(size, index) for index in range(POOL_SIZE)]) for path, size in SIZES.items()}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer_from_pool({**scope, ANSWER: next(answers[scope["path"]])}, receive, send)

    return app


def ours() -> ASGIApp:
    """Return the served application behind our pair."""
    return ours_around(bare())


def starlette() -> ASGIApp:
    """Return the served application behind Starlette's pair."""
    return starlette_around(bare())
