"""The seeded pool of 1,000 requests and answers, the same in every run and too many for a cache to win by.

Scopes look as uvicorn makes them for a browser's request. Each call parses the request's head anew, because a
server hands over fresh ``bytes`` too: their hashes are not known yet, and no two are the same object.
"""

from __future__ import annotations

import json
from functools import cache
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from middlewares.asgi import Scope

__all__ = (
    "ANSWER",
    "POOL_SIZE",
    "browser_head",
    "http_scope",
    "json_answer",
    "json_body",
    "lifespan_scope",
    "websocket_scope",
)

POOL_SIZE = 1_000
ANSWER = "benchmarks.answer"
"""Scope key under which the bare application finds its response headers and body."""

_SEED = 20_010_101
_WORDS = """
    air amber anchor apple autumn bamboo basket birch blue board bottle bread bridge bright brush cabin
    candle canvas cedar ceramic chair charcoal cherry clay clear cloud coast coffee copper coral cotton
    cream cup dawn deep desk dry drift early earth elm engine ever fabric fern field fine fire flask
    flint forest frame fresh frost garden glass gold grain granite green hand harbour hazel heavy herb
    hill honey hook house indigo iron island ivory jade jar juniper kettle kitchen lake lamp lantern
    large leaf leather light lime linen little loop maple marble meadow metal mint mirror moon moss
    mountain needle night north oak oat ocean olive orange outdoor oval paper path pearl pebble pepper
    pine plain plum pocket pond porcelain quartz quiet rain red reed ridge ring river road rope rose
    round rust saddle sage salt sand scarf sea shade shell silk silver slate small smoke snow soft south
    spice spring spruce steel stone storm straw sugar summer sun table tea thread tide timber tin travel
    tree twine velvet walnut warm water wave wax wheel white wild willow wind winter wood wool yarn
    yellow
""".split()  # noqa: SIM905 - a list of its own would be as long as this module
_CONTENT_TYPE = (b"content-type", b"application/json")
_FIXED = (
    (b"cache-control", b"private, max-age=60"),
    (b"x-request-id", b"01920c8e-5d1f-7b3a-9c44-2f7e1a6b8d90"),
)


@cache
def json_body(size: int, index: int) -> bytes:
    """Return the JSON document of about ``size`` bytes at one place of the pool: a shop's products."""
    random = Random(f"{_SEED}/{size}/{index}")  # noqa: S311 - repeatable on purpose
    if size < len(_products()[0]):
        head = b'{"id":%d,"token":"' % index
        return head + random.randbytes(size).hex().encode()[: size - len(head) - 2] + b'"}'
    products: list[bytes] = []
    length = 1
    while length < size:
        products.append(random.choice(_products()))
        length += len(products[-1]) + 1
    return b"[" + b",".join(products) + b"]"


@cache
def json_answer(size: int, index: int) -> tuple[tuple[tuple[bytes, bytes], ...], bytes]:
    """Return response headers and JSON body of about ``size`` bytes at one place of the pool."""
    body = json_body(size, index)
    return (_CONTENT_TYPE, (b"content-length", b"%d" % len(body)), *_FIXED), body


@cache
def browser_head(index: int, *, gzip: bool = True, extra: tuple[tuple[str, str], ...] = ()) -> bytes:
    """Return the header lines that a browser sends, with the cookie and id at one place of the pool."""
    random = Random(f"{_SEED}/head/{index}")  # noqa: S311 - repeatable on purpose
    lines = [
        "host: shop.example",
        "user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "accept: application/json, text/plain, */*",
        "accept-language: en-GB,en;q=0.7,de;q=0.3",
        *(["accept-encoding: gzip, deflate, br, zstd"] if gzip else []),
        f"referer: https://shop.example/products/{random.randrange(10**6)}",
        f"cookie: session={random.randbytes(24).hex()}; theme=dark; visits={random.randrange(10**4)}",
        "sec-fetch-mode: cors",
        "connection: keep-alive",
        *(f"{name}: {value}" for name, value in extra),
    ]
    return "\n".join(lines).encode()


def http_scope(index: int, head: bytes, *, size: int, method: str = "GET") -> Scope:
    """Return a fresh HTTP scope with the header lines ``head``, answered by JSON of about ``size`` bytes."""
    path = f"/api/products/{index}"
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 40_000 + index),
        "scheme": "http",
        "method": method,
        "root_path": "",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"page=%d" % index,
        "headers": _parsed(head),
        "state": {},
        ANSWER: json_answer(size, index),
    }


def websocket_scope(index: int) -> Scope:
    """Return a fresh WebSocket scope."""
    path = f"/ws/{index}"
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 40_000 + index),
        "root_path": "",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": _parsed(browser_head(index)),
        "subprotocols": [],
        "state": {},
        "extensions": {"websocket.http.response": {}},
    }


def lifespan_scope(_index: int) -> Scope:
    """Return a fresh lifespan scope."""
    return {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}


def _parsed(head: bytes) -> list[tuple[bytes, bytes]]:
    lines: Iterable[tuple[bytes, bytes, bytes]] = (line.partition(b": ") for line in head.split(b"\n"))
    return [(name, value) for name, _, value in lines]


@cache
def _products() -> tuple[bytes, ...]:
    """Return the shop's 1,000 products, each as compact JSON of about 300 bytes."""
    random = Random(_SEED)  # noqa: S311 - repeatable on purpose

    def words(count: int) -> str:
        return " ".join(random.choices(_WORDS, k=count))

    return tuple(
        json.dumps(
            {
                "id": number,
                "sku": random.randbytes(5).hex(),
                "name": words(3).title(),
                "price": random.randrange(99, 50_000) / 100,
                "currency": "EUR",
                "stock": random.randrange(500),
                "rating": random.randrange(10, 51) / 10,
                "tags": random.sample(_WORDS, 3),
                "description": words(random.randrange(10, 24)).capitalize() + ".",
            },
            separators=(",", ":"),
        ).encode()
        for number in range(POOL_SIZE)
    )
