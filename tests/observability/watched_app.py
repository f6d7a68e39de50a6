"""An application as Prometheus is to see it: routes, errors, WebSockets, limits and sampled traces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import TracerProvider
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute

from middlewares import Metrics, Middleware, RateLimit, Stack, Tracing

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.websockets import WebSocket


async def product(request: Request) -> Response:
    """Answer, with the body that came."""
    return PlainTextResponse(await request.body() or b"a product")


async def broken(request: Request) -> Response:
    """Fail."""
    raise ValueError


async def unavailable(request: Request) -> Response:
    """Answer 503."""
    return PlainTextResponse("later", 503)


async def echo(socket: WebSocket) -> None:
    """Send one message back, and wait for the end."""
    await socket.accept()
    await socket.send_text(await socket.receive_text())
    await socket.receive()


routes = [
    Route("/products/{id}", product, methods=["GET", "POST"]),
    Route("/broken", broken),
    Route("/unavailable", unavailable),
    WebSocketRoute("/echo", echo),
]
app = Stack(
    Middleware(Tracing, tracer_provider=TracerProvider()),
    Middleware(Metrics, path="/metrics"),
    Middleware(RateLimit, limit=None, rules=[{"paths": ["/products/limited"], "limit": "3/hour", "name": "limited"}]),
)(Starlette(routes=routes))
