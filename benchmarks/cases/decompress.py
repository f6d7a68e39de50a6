"""Decompress: with nothing to decode, and on a gzipped upload. No peer is known: none is an ASGI middleware.

There is no released ASGI middleware that decodes request bodies within limits, so ours stands beside the bare
application alone; in the second case that application decodes the whole body itself.
"""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from benchmarks.answer import unchanged
from benchmarks.apps import answer_from_pool
from benchmarks.case import Bar, Case, ours
from benchmarks.pool import browser_head, http_scope, json_body

if TYPE_CHECKING:
    from middlewares.asgi import Receive, Scope, Send

__all__ = ("CASES",)

_SMALL = 100
_UPLOAD = gzip.compress(json_body(100_000, 0), 6, mtime=0)


def _download(index: int) -> Scope:
    return http_scope(index, browser_head(index), size=_SMALL)


def _upload(index: int) -> Scope:
    extra = (("content-encoding", "gzip"), ("content-length", str(len(_UPLOAD))))
    return http_scope(index, browser_head(index, extra=extra), size=_SMALL, method="POST")


async def read_upload(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the body, decode all of it at once if that is still to be done, and answer."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    if body.startswith(b"\x1f\x8b"):
        gzip.decompress(body)
    await answer_from_pool(scope, receive, send)


CASES = (
    Case(
        "decompress-nothing",
        "nothing to decode: no Content-Encoding",
        answer_from_pool,
        _download,
        (ours("middlewares:Decompress"),),
        unchanged,
        bars=(Bar(overhead_us=0.5),),
    ),
    Case(
        "decompress-gzip-100k",
        "JSON of 100,000 bytes, gzipped; the bare application decodes it in one go",
        read_upload,
        _upload,
        (ours("middlewares:Decompress"),),
        unchanged,
        totals=True,
        receive={"type": "http.request", "body": _UPLOAD, "more_body": False},
    ),
)
