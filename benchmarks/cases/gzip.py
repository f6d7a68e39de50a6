"""GZip: with nothing to compress, and on JSON bodies of three sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.answer import Answer, compressed, expect, unchanged
from benchmarks.apps import LEVEL, answer_from_pool
from benchmarks.case import Bar, Case, ours, peer
from benchmarks.pool import browser_head, http_scope

if TYPE_CHECKING:
    from middlewares.asgi import Scope

__all__ = ("CASES",)

_STARLETTE = "starlette GZipMiddleware"
_SMALL = 100


def _no_accept_encoding(index: int) -> Scope:
    return http_scope(index, browser_head(index, gzip=False), size=_SMALL)


def _small_body(index: int) -> Scope:
    return http_scope(index, browser_head(index), size=_SMALL)


def _nothing(got: Answer, bare: Answer, scope: Scope) -> None:
    unchanged(got, bare, scope)
    expect(len(got.body) == _SMALL, f"the body has {len(got.body)} bytes")


_NOTHING_SUBJECTS = (
    ours("middlewares:GZip"),
    peer(_STARLETTE, "starlette.middleware.gzip:GZipMiddleware"),
    peer("starlette-compress", "starlette_compress:CompressMiddleware"),
    peer("brotli-asgi", "brotli_asgi:BrotliMiddleware"),
)
_NOTHING_BARS = (
    Bar(peer=_STARLETTE, ratio=1 / 3),
    Bar(peer="starlette-compress", ratio=0.85),
    Bar(peer="brotli-asgi", ratio=0.85),
)
# At the same level, and gzip coding alone. Without brotli-asgi: its gzip is Starlette's, always at level 9.
_LEVEL_SUBJECTS = (
    ours("middlewares:GZip", compresslevel=LEVEL),
    peer(_STARLETTE, "starlette.middleware.gzip:GZipMiddleware", compresslevel=LEVEL),
    peer(
        "starlette-compress",
        "starlette_compress:CompressMiddleware",
        gzip_level=LEVEL,
        brotli=False,
        zstd=False,
    ),
)


_BARS = {"1k": 0.6, "10k": 0.6, "100k": 0.5}
"""With the extra ``fast``."""


def _json(label: str, size: int) -> Case:
    return Case(
        f"gzip-json-{label}",
        f"JSON of {size:,} bytes at level {LEVEL}",
        answer_from_pool,
        lambda index: http_scope(index, browser_head(index), size=size),
        _LEVEL_SUBJECTS,
        compressed,
        totals=True,
        bars=(
            Bar(peer=_STARLETTE, ratio=_BARS[label], totals=True),
            Bar(peer=_STARLETTE, ratio=1.02, body_bytes=True),
        ),
    )


CASES = (
    Case(
        "gzip-nothing-unasked",
        f"nothing to compress: no Accept-Encoding, {_SMALL} bytes of JSON",
        answer_from_pool,
        _no_accept_encoding,
        _NOTHING_SUBJECTS,
        _nothing,
        bars=_NOTHING_BARS,
    ),
    Case(
        "gzip-nothing-small",
        f"nothing to compress: gzip is accepted, {_SMALL} bytes of JSON",
        answer_from_pool,
        _small_body,
        _NOTHING_SUBJECTS,
        _nothing,
        bars=_NOTHING_BARS,
    ),
    _json("1k", 1_000),
    _json("10k", 10_000),
    _json("100k", 100_000),
)
