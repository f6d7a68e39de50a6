"""Small applications without middlewares, one for each way to be an application; all answer the same."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from middlewares.asgi import ASGIApp, Receive, Scope, Send

__all__ = ("BODY", "asgi2", "partial_app", "plain", "wsgi")

BODY = json.dumps([{"id": number, "name": f"Product {number}"} for number in range(300)]).encode()
"""Long enough to be worth compressing."""


async def answer(body: bytes, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer every request with ``body``; raise for any other protocol, as the standard asks."""
    if scope["type"] != "http":
        raise NotImplementedError(f"scope type {scope['type']!r}")
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def plain(scope: Scope, receive: Receive, send: Send) -> None:
    """An ASGI 3 coroutine function."""
    await answer(BODY, scope, receive, send)


partial_app: ASGIApp = partial(answer, BODY)
"""An ASGI 3 application made with ``functools.partial``."""


class asgi2:  # noqa: N801 - used as the double callable that it is
    """An ASGI 2 double callable: called with the scope, then with receive and send."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def __call__(self, receive: Receive, send: Send) -> None:
        await answer(BODY, self.scope, receive, send)


def wsgi(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """A WSGI application."""
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(BODY)))])
    return [BODY]
