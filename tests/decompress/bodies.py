"""Encoders for request bodies, and applications that read them: what the tests of decompression have in common."""

from __future__ import annotations

import gzip
import json
import random
import zlib
from typing import TYPE_CHECKING, Any

import brotli  # type: ignore[import-untyped]  # it has no types
from backports import zstd

from middlewares.testing import request

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send
    from middlewares.testing import Response

__all__ = ("ENCODERS", "NOISY", "TEXT", "Reader", "encoded", "event", "post", "reason")

TEXT = b'{"name": "chair", "price": 3900}, ' * 50
"""A body that shrinks, of 1,700 bytes."""

NOISY = bytes(random.Random(1).choices(b"abcdef", k=300_000))  # noqa: S311 - the same each time
"""A large body that shrinks to a third."""

ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "deflate": zlib.compress,
    "br": lambda data: bytes(brotli.compress(data, quality=5)),
    "zstd": zstd.compress,
}


def encoded(data: bytes, *codings: str) -> bytes:
    """Return data in codings that are applied in this order."""
    for coding in codings:
        data = ENCODERS[coding](data)
    return data


class Reader:
    """An application that reads its body to the end, as the ASGI specification shows it, and answers with a summary."""

    def __init__(self, *, keeps: bool = True) -> None:
        self.keeps = keeps
        self.body = b""
        self.sizes: list[int] = []
        self.scope: Scope = {}
        self.is_whole = False
        self.calls = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.__init__(keeps=self.keeps)  # type: ignore[misc]  # each call begins anew
        self.calls, self.scope = 1, scope
        more = True
        while more:
            message = await receive()
            if self.keeps:
                self.body += message.get("body", b"")
            self.sizes.append(len(message.get("body", b"")))
            more = message.get("more_body", False)
        self.is_whole = True
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"%d" % len(self.body)})


async def post(app: ASGIApp, body: Any, *codings: str, **headers: str) -> Response:
    """Make a request with a body whose ``Content-Encoding`` names these codings."""
    named = {"content-encoding": ", ".join(codings)} if codings else {}
    return await request(app, "POST", headers={**named, **headers}, body=body)


def reason(response: Response) -> str:
    """Return what a problem document tells the client."""
    detail: str = json.loads(response.body)["detail"]
    return detail


def event(body: bytes, *, more: bool = False) -> Message:
    """Return an event with a piece of a request body."""
    return {"type": "http.request", "body": body, "more_body": more}
