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
from benchmarks.case import Bar, Case, Subject, peer
from benchmarks.pool import ANSWER, browser_head, http_scope, json_body

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send
    from middlewares.core.headers import HeaderList

__all__ = ("CASES",)

_SIZE = 185_000
_VERSIONS = 16
"""Lists of which each has an old and a new version; a pool of a thousand would fill the memory."""
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


class _Encoded:
    """The least that a layer does with `Dictionaries`: negotiate, and encode a body that is sent whole."""

    def __init__(self, app: ASGIApp) -> None:
        from middlewares.compression.dictionaries import Dictionaries, Dictionary

        self.app = app
        self.dictionaries = Dictionaries([Dictionary(match=_PATH, learn=True)], maximum_bytes=2**28)
        public: HeaderList = [(b"cache-control", b"public, max-age=60")]
        for coding in ("dcz", "dcb"):
            for index in range(_VERSIONS):
                scope = {**_scope(index, coding), "headers": []}
                learner = self.dictionaries.learner(scope, 200, public)
                assert learner is not None
                learner.add(_versions(index)[0])
                learner.finish()
                self.dictionaries.settle()
                # The first client that wants it has it prepared.
                self.dictionaries.offer(scope, coding.encode(), dict(_scope(index, coding)["headers"])[_AVAILABLE])
                self.dictionaries.settle()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        accepted = available = None
        for name, value in scope["headers"]:
            if len(name) == 15 and name == b"accept-encoding":
                accepted = value
            elif len(name) == 20 and name == _AVAILABLE:
                available = value
        codec = self.dictionaries.offer(scope, accepted, available)
        assert codec is not None
        held: list[Message] = []

        async def _held() -> None: ...

        def send_encoded(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                held.append(message)
                return _held()
            return _send_both(message)

        async def _send_both(message: Message) -> None:
            [start] = held
            body = codec.whole(message["body"])
            headers = [line for line in start["headers"] if line[0] != b"content-length"]
            self.dictionaries.vary.extend(headers)
            headers += [(b"content-encoding", codec.name), (b"content-length", b"%d" % len(body))]
            await send({**start, "headers": headers})
            await send({**message, "body": body})

        await self.app(scope, receive, send_encoded)


_AVAILABLE = b"available-dictionary"


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
            Subject(f"ours {coding}", _Encoded, peer=False),
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
