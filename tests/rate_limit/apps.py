"""An application that tells what it saw, and how to ask it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from middlewares.testing import request

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Receive, Scope, Send

__all__ = ("answering", "hello", "statuses")


def answering(status: int = 200, headers: tuple[tuple[bytes, bytes], ...] = ()) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": [*headers]})
        await send({"type": "http.response.body", "body": b"hello"})

    return app


hello = answering()


async def statuses(app: ASGIApp, times: int, method: str = "GET", path: str = "/", **options: Any) -> list[int | None]:
    """Return the statuses of so many requests, one after another."""
    return [(await request(app, method, path, **options)).status for _ in range(times)]
