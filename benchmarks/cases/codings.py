"""Compress, Brotli and Zstd: with nothing to compress, and on JSON bodies of three sizes."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from benchmarks.answer import Answer, WrongOutputError, described_as, expect, unchanged
from benchmarks.apps import answer_from_pool
from benchmarks.case import Bar, Case, Subject, ours, peer
from benchmarks.pool import browser_head, http_scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.answer import Verify
    from middlewares.asgi import Scope

__all__ = ("CASES",)

_QUALITY = 4
"""Of brotli, wherever ours and a peer do the same work: the default of both peers."""
_ZSTD_LEVEL = 3
_SIZES = {"1k": 1_000, "10k": 10_000, "100k": 100_000}
_STARLETTE = "starlette GZipMiddleware"
_COMPRESS_PEER = "starlette-compress"


def _decode(coding: bytes, body: bytes) -> bytes:
    try:
        if coding == b"br":
            import brotli  # type: ignore[import-untyped]  # it has no annotations

            return bytes(brotli.decompress(body))
        if coding == b"zstd":
            from backports import zstd

            return zstd.decompress(body)
        return gzip.decompress(body)
    except Exception as error:
        raise WrongOutputError(f"the body is not in the coding {coding!r}: {error}") from error


def _in(coding: bytes) -> Verify:
    def verify(got: Answer, bare: Answer, scope: Scope) -> None:
        described_as(coding, got, bare)
        expect(_decode(coding, got.body) == bare.body, "the body does not decode to the application's")

    return verify


def _nothing(got: Answer, bare: Answer, scope: Scope) -> None:
    unchanged(got, bare, scope)


def _scope(size: int) -> Callable[[int], Scope]:
    return lambda index: http_scope(index, browser_head(index), size=size)


_BROTLI = peer("brotli-asgi", "brotli_asgi:BrotliMiddleware", quality=_QUALITY)
_ZSTD = peer("zstd-asgi", "zstd_asgi:ZstdMiddleware", level=_ZSTD_LEVEL)


def _compress_peer(**options: object) -> Subject:
    return peer(_COMPRESS_PEER, "starlette_compress:CompressMiddleware", **options)


def _at_most(ratio: float, other: str) -> tuple[Bar, ...]:
    """Return the bars of a share of either peer's time, with bodies of its size but for a few bits of a header."""
    peers = (other, _COMPRESS_PEER)
    times = [Bar(peer=name, ratio=ratio, totals=True) for name in peers]
    return (*times, *(Bar(peer=name, ratio=1.001, body_bytes=True) for name in peers))


def _brotli(label: str, size: int) -> Case:
    return Case(
        f"brotli-json-{label}",
        f"JSON of {size:,} bytes in brotli at quality {_QUALITY}",
        answer_from_pool,
        _scope(size),
        (
            ours("middlewares:Brotli", quality=_QUALITY),
            _BROTLI,
            _compress_peer(brotli_quality=_QUALITY, zstd=False, gzip=False),
        ),
        _in(b"br"),
        totals=True,
        bars=_at_most(1.05, "brotli-asgi"),
    )


def _zstd(label: str, size: int) -> Case:
    return Case(
        f"zstd-json-{label}",
        f"JSON of {size:,} bytes in zstd at level {_ZSTD_LEVEL}",
        answer_from_pool,
        _scope(size),
        (
            ours("middlewares:Zstd", level=_ZSTD_LEVEL),
            _ZSTD,
            _compress_peer(zstd_level=_ZSTD_LEVEL, brotli=False, gzip=False),
        ),
        _in(b"zstd"),
        totals=True,
        bars=_at_most(0.7, "zstd-asgi") if label == "10k" else (),
    )


def _default(label: str, size: int) -> Case:
    return Case(
        f"compress-json-{label}",
        f"JSON of {size:,} bytes for a browser, everything at its default",
        answer_from_pool,
        _scope(size),
        (ours("middlewares:Compress"), _compress_peer(), peer("zstd-asgi", "zstd_asgi:ZstdMiddleware")),
        _in(b"zstd"),
        totals=True,
    )


CASES = (
    Case(
        "compress-nothing-small",
        "nothing to compress: all codings are accepted, 100 bytes of JSON",
        answer_from_pool,
        _scope(100),
        (
            ours("middlewares:Compress"),
            peer(_STARLETTE, "starlette.middleware.gzip:GZipMiddleware"),
            _compress_peer(),
            peer("zstd-asgi", "zstd_asgi:ZstdMiddleware"),
        ),
        _nothing,
        bars=(
            Bar(peer=_STARLETTE, ratio=1 / 3),
            Bar(peer=_COMPRESS_PEER, ratio=0.85),
            Bar(peer="zstd-asgi", ratio=0.85),
        ),
    ),
    *(_default(label, size) for label, size in _SIZES.items()),
    *(_brotli(label, size) for label, size in _SIZES.items()),
    *(_zstd(label, size) for label, size in _SIZES.items()),
)
