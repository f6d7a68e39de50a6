"""Dictionaries: a JSON list of which a sixth has changed since the client fetched it, against gzip of the whole."""

from __future__ import annotations

import base64
import zlib
from functools import cache
from hashlib import sha256
from random import Random
from typing import TYPE_CHECKING

from benchmarks.answer import Answer, compressed, expect
from benchmarks.apps import LEVEL, answer_from_pool
from benchmarks.case import Bar, Build, Case, Subject, peer
from benchmarks.pool import ANSWER, browser_head, http_scope, json_body

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Scope
    from middlewares.core.headers import HeaderList

__all__ = ("CASES",)

_SIZE = 185_000
_VERSIONS = 8
"""Lists of which each has an old and a new version: as many as the layer keeps prepared in its 64 MB."""
_PATH = "/api/products/*"
_STARLETTE = "starlette GZipMiddleware"


@cache
def _versions(number: int) -> tuple[bytes, bytes]:
    """Return a list as it was and as it is: each sixth product is another."""
    old = json_body(_SIZE, number)
    others = json_body(_SIZE, number + _VERSIONS)[1:-1].split(b"},{")
    products = old[1:-1].split(b"},{")
    random = Random(number)  # noqa: S311 - repeatable on purpose
    for place in random.sample(range(1, min(len(products), len(others)) - 1), len(products) // 6):
        products[place] = others[place]
    return old, b"[" + b"},{".join(products) + b"]"


@cache
def _head(index: int, coding: str) -> bytes:
    old, _ = _versions(index % _VERSIONS)
    digest = base64.b64encode(sha256(old).digest()).decode()
    fields = (("accept-encoding", f"gzip, deflate, {coding}"), ("available-dictionary", f":{digest}:"))
    return browser_head(index, gzip=False, extra=(*fields, ("sec-fetch-site", "same-origin")))


def _scope(index: int, coding: str) -> Scope:
    _, new = _versions(index % _VERSIONS)
    scope = http_scope(index, _head(index, coding), size=100)
    headers = ((b"content-type", b"application/json"), (b"content-length", b"%d" % len(new)))
    return {**scope, "scheme": "https", ANSWER: (headers, new)}


_AVAILABLE = b"available-dictionary"


def _layer(coding: str) -> Build:
    """Return the layer, which has learned the old lists from responses."""

    def build(app: ASGIApp) -> ASGIApp:
        from middlewares import Compress
        from middlewares.compression.dictionaries import Dictionary

        layer = Compress(app, dictionaries=[Dictionary(match=_PATH, learn=True)])
        dictionaries = layer._plan.dictionaries  # noqa: SLF001 - nothing public waits until a response is learned
        assert dictionaries is not None
        public: HeaderList = [(b"cache-control", b"public, max-age=60")]
        for index in range(_VERSIONS):
            scope = _scope(index, coding)
            learner = dictionaries.learner({**scope, "headers": []}, 200, public)
            assert learner is not None
            learner.add(_versions(index)[0])
            learner.finish()
            dictionaries.settle()
            # The first client that wants it has it prepared.
            dictionaries.offer(scope, coding.encode(), dict(scope["headers"])[_AVAILABLE])
            dictionaries.settle()
        return layer

    return build


def _verify(got: Answer, bare: Answer, scope: Scope) -> None:
    [coding] = got.values(b"content-encoding")
    if coding == b"gzip":
        compressed(got, bare, scope)
        return
    from tests.compression.versions import decoded

    old, _ = _versions(int(scope["path"].rpartition("/")[2]) % _VERSIONS)
    expect(decoded(got.body, coding, old) == bare.body, "the body does not decode to the application's")
    size = len(zlib.compress(bare.body, LEVEL))
    expect(len(got.body) * 4 <= size, f"{len(got.body)} bytes are more than a quarter of gzip's {size}")
    expect(_AVAILABLE in got.members(b"vary"), f"vary is {got.values(b'vary')!r}")


def _case(coding: str, *bars: Bar) -> Case:
    return Case(
        f"dictionary-{coding}",
        f"JSON of {_SIZE:,} bytes, a sixth of it new: {coding} against gzip at level {LEVEL}",
        answer_from_pool,
        lambda index: _scope(index, coding),
        (
            Subject(f"ours {coding}", _layer(coding), peer=False),
            peer(_STARLETTE, "starlette.middleware.gzip:GZipMiddleware", compresslevel=LEVEL),
            peer(
                "starlette-compress",
                "starlette_compress:CompressMiddleware",
                gzip_level=LEVEL,
                brotli=False,
                zstd=False,
            ),
        ),
        _verify,
        bars=bars,
        totals=True,
    )


_BYTES = Bar(peer=_STARLETTE, ratio=1 / 4, body_bytes=True)
CASES = (_case("dcz", Bar(peer=_STARLETTE, ratio=1 / 5, totals=True), _BYTES), _case("dcb", _BYTES))
