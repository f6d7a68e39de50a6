"""GZip takes what applications hand it in any shape, changes none of it, and stands in any order."""

from __future__ import annotations

import copy
import gzip
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import zlib_ng.zlib_ng
from hypothesis import given
from hypothesis import strategies as st

from middlewares import CORS, GZip, Middleware, Stack
from middlewares.testing import request
from tests.compression.answers import GZ, TEXT, answering, body, decoded_so_far, start, streaming, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send

ORIGIN = "https://app.example.com"
FIELDS = [(b"Content-Type", b"application/json"), (b"ETag", b'"a"'), (b"VARY", b"Cookie"), (b"Set-Cookie", b"a=1")]


def starting(**fields: Any) -> Message:
    return {"type": "http.response.start", "status": 200, **fields}


# -- what applications hand over


@pytest.mark.parametrize(
    "shape",
    [list, tuple, iter, lambda pairs: (pair for pair in pairs), lambda pairs: [list(pair) for pair in pairs]],
    ids=["list", "tuple", "iterator", "generator", "lists"],
)
@pytest.mark.parametrize("headers", [GZ, {}], ids=["gzip", "identity"])
async def test_headers_may_come_in_any_shape_and_case(shape: Callable[[Any], Any], headers: dict[str, str]) -> None:
    """Compression 2: names compare without case, and one-shot iterators are read once."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(starting(headers=shape(FIELDS)))
        await send(body(TEXT))

    response = await request(GZip(app), headers=headers)
    assert response.header("vary") == "Cookie, Accept-Encoding"
    assert response.header("etag") == ('W/"a"' if headers else '"a"')
    assert response.values("set-cookie") == ["a=1"]
    assert (gzip.decompress(response.body) if headers else response.body) == TEXT


@pytest.mark.parametrize("headers", [GZ, {}], ids=["gzip", "identity"])
async def test_headers_may_be_absent(headers: dict[str, str]) -> None:
    response = await request(GZip(answering(starting(), body(TEXT))), headers=headers)
    assert response.messages == [starting(headers=[]), body(TEXT)]


@pytest.mark.parametrize("shape", [bytes, bytearray, memoryview], ids=["bytes", "bytearray", "memoryview"])
@pytest.mark.parametrize("streamed", [True, False])
async def test_bodies_may_be_any_bytes(shape: Callable[[bytes], Any], streamed: bool) -> None:
    data: list[Message] = [body(shape(TEXT), more=True), body(shape(b""))] if streamed else [body(shape(TEXT))]
    response = await request(GZip(answering(start(), *data)), headers=GZ)
    assert gzip.decompress(response.body) == TEXT
    assert all(isinstance(message["body"], bytes) for message in response.messages[1:] if message["body"])


@pytest.mark.parametrize(
    "pieces",
    [
        [{}],
        [{"more_body": False}],
        [{"more_body": True}, {"body": b""}],
        [{"body": TEXT, "more_body": True}, {"more_body": True}, {}],
        [{"body": TEXT}],
    ],
)
async def test_keys_may_be_absent_from_body_messages(pieces: list[dict[str, Any]]) -> None:
    app = answering(start(), *({"type": "http.response.body", **piece} for piece in pieces))
    response = await request(GZip(app), headers=GZ)
    wanted = b"".join(piece.get("body", b"") for piece in pieces)
    sent = b"".join(message.get("body", b"") for message in response.messages[1:])
    assert (gzip.decompress(sent) if response.header("content-encoding") else sent) == wanted


async def test_unknown_keys_of_messages_are_kept() -> None:
    app = answering({**start(), "x-note": 1}, {**body(TEXT), "x-note": 2})
    response = await request(GZip(app), headers=GZ)
    assert [message["x-note"] for message in response.messages] == [1, 2]


@pytest.mark.parametrize(
    "data", [[body(TEXT)], [body(b"small")], [body(TEXT, more=True), body(b"")]], ids=["whole", "small", "streamed"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("headers", [GZ, {}], ids=["gzip", "identity"])
async def test_nothing_handed_in_is_changed(data: list[Message], method: str, headers: dict[str, str]) -> None:
    """An application may send one message object for all its responses."""
    messages = [{**start({"etag": '"a"', "vary": "Cookie"}), "trailers": True}, *data]
    messages.append({"type": "http.response.trailers", "headers": [(b"digest", b"x")]})
    before = copy.deepcopy(messages)
    app = GZip(answering(*messages))
    first, second = [await request(app, method, headers=headers) for _ in range(2)]
    assert messages == before
    assert first == second


# -- other layers


@pytest.mark.parametrize("headers", [GZ, {}], ids=["gzip", "identity"])
@pytest.mark.parametrize("app", [whole(headers={"etag": '"a"'}), streaming([TEXT])], ids=["whole", "streamed"])
async def test_a_second_layer_changes_nothing(app: ASGIApp, headers: dict[str, str]) -> None:
    once = await request(GZip(app), headers=headers)
    twice = await request(GZip(GZip(app)), headers=headers)
    assert (twice.headers, twice.chunks) == (once.headers, once.chunks)
    eager_outside = await request(GZip(GZip(app, minimum_size=10_000), minimum_size=1), headers=headers)
    assert eager_outside.values("vary") == once.values("vary")


@pytest.mark.parametrize("outer", [GZip, CORS])
@pytest.mark.parametrize("origin", [ORIGIN, "https://evil.example", None])
@pytest.mark.parametrize("coding", ["gzip", "identity"])
async def test_cors_may_stand_on_either_side(outer: type, origin: str | None, coding: str) -> None:
    layers = [Middleware(GZip), Middleware(CORS, allow_origins=[ORIGIN, "https://b.example"])]
    stack = Stack(*sorted(layers, key=lambda layer: layer.cls is not outer))
    headers = {"accept-encoding": coding} | ({"origin": origin} if origin else {})
    response = await request(stack(whole(headers={"vary": "Cookie"})), headers=headers)
    assert (gzip.decompress(response.body) if coding == "gzip" else response.body) == TEXT
    assert response.header("access-control-allow-origin") == (origin if origin == ORIGIN else None)
    (vary,) = response.values("vary")
    assert sorted(vary.split(", ")) == ["Accept-Encoding", "Cookie", "Origin"]


@pytest.mark.parametrize("outer", [GZip, CORS])
async def test_a_preflight_is_answered_the_same_on_either_side(outer: type) -> None:
    layers = [Middleware(GZip), Middleware(CORS, allow_origins=[ORIGIN])]
    stack = Stack(*sorted(layers, key=lambda layer: layer.cls is not outer))
    headers = GZ | {"origin": ORIGIN, "access-control-request-method": "POST"}
    response = await request(stack(whole()), "OPTIONS", headers=headers)
    assert response.status == 204
    assert response.body == b""
    assert response.header("access-control-allow-origin") == ORIGIN
    assert response.header("content-encoding") is None


# -- where a body is split does not matter


def pieces_of(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for begin, end in pairwise(edges):
        yield data[begin:end]


bodies = st.one_of(
    st.binary(max_size=3000),
    st.lists(st.sampled_from([b"chair", b"table", b"\x00", b"{}", b"\xff" * 70]), max_size=400).map(b"".join),
)


@given(
    data=bodies,
    cuts=st.lists(st.integers(0, 1 << 20), max_size=12),
    level=st.integers(1, 9),
    content_type=st.sampled_from(["text/plain", "text/event-stream"]),
    ends_empty=st.booleans(),
)
async def test_any_body_in_any_pieces_arrives_as_it_was(
    data: bytes, cuts: list[int], level: int, content_type: str, ends_empty: bool
) -> None:
    chunks = [*pieces_of(data, cuts), *([b""] if ends_empty else [])]
    messages = [body(chunk, more=number < len(chunks) - 1) for number, chunk in enumerate(chunks)]
    app = GZip(answering(start(content_type=content_type), *messages), minimum_size=0, compresslevel=level)
    response = await request(app, headers=GZ)
    if response.header("content-encoding") is None:
        assert response.body == data
        return
    assert gzip.decompress(response.body) == data
    # zlib-ng's inflate is an implementation of its own, here fed chunk by chunk.
    decoder = zlib_ng.zlib_ng.decompressobj(31)
    arrived = b""
    for number, (chunk, message) in enumerate(zip(response.chunks, messages, strict=True)):
        arrived += decoder.decompress(chunk)
        assert arrived == b"".join(chunks[: number + 1]), message
    assert decoder.eof
    assert not decoder.unused_data
    assert len(response.body) <= len(data) + 12 * len(chunks) + 32
    assert decoded_so_far(response.chunks) == data
