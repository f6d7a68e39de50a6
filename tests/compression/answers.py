"""Applications that send given messages, and what the tests of compression have in common."""

from __future__ import annotations

import random
import zlib
from typing import TYPE_CHECKING

from middlewares.testing import header_pairs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send
    from middlewares.testing import Response
    from middlewares.testing.scopes import Headers

__all__ = (
    "ETAG",
    "GZ",
    "NOISE",
    "TEXT",
    "answering",
    "body",
    "decoded_so_far",
    "is_compressed",
    "start",
    "streaming",
    "whole",
)

TEXT = b'{"name": "chair", "price": 3900}, ' * 50
"""A body that shrinks, of 1,700 bytes."""

NOISE = random.Random(0).randbytes(2000)  # noqa: S311 - the same noise each time
"""A body that does not."""

ETAG = '"33a64df5"'

GZ = {"accept-encoding": "gzip"}


def start(headers: Headers = (), *, status: int = 200, content_type: str | None = "application/json") -> Message:
    """Return the start of a response."""
    typed = [] if content_type is None else [(b"content-type", content_type.encode())]
    return {"type": "http.response.start", "status": status, "headers": [*typed, *header_pairs(headers)]}


def body(data: bytes, *, more: bool = False) -> Message:
    """Return a body message."""
    return {"type": "http.response.body", "body": data, "more_body": more}


def answering(*messages: Message) -> ASGIApp:
    """Return an application that sends these very messages, each time."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


def whole(
    data: bytes = TEXT, headers: Headers = (), *, status: int = 200, content_type: str | None = "application/json"
) -> ASGIApp:
    """Return an application that answers with a whole body and its length, as frameworks do."""
    sized = [*header_pairs(headers), (b"content-length", b"%d" % len(data))]
    return answering(start(sized, status=status, content_type=content_type), body(data))


def streaming(chunks: Iterable[bytes], headers: Headers = (), *, content_type: str = "application/json") -> ASGIApp:
    """Return an application that sends chunks, then an empty end."""
    return answering(
        start(headers, content_type=content_type), *(body(chunk, more=True) for chunk in chunks), body(b"")
    )


def decoded_so_far(chunks: Iterable[bytes]) -> bytes:
    """Return what a client has decoded of a gzip stream that may not have ended."""
    decoder = zlib.decompressobj(zlib.MAX_WBITS | 16)
    return b"".join(map(decoder.decompress, chunks))


def is_compressed(response: Response) -> bool:
    """Tell whether a response is gzip that decodes; it must be one thing or the other."""
    coding = response.header("content-encoding")
    assert coding in (None, "gzip")
    assert response.body.startswith(b"\x1f\x8b") == (coding == "gzip")
    return coding == "gzip"
