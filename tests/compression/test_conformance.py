"""Every coding obeys HTTP, requirement by requirement: ``compression N`` numbers them.

Each holds for GET and HEAD, and for a body that is sent whole, as a chunk and an empty end, and as a stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from middlewares import Compress
from middlewares.testing import request
from tests.compression.answers import ETAG, NOISE, TEXT, answering, body, start
from tests.compression.coders import CODERS, Coder

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send
    from middlewares.testing import Response
    from middlewares.testing.scopes import Headers

SHAPES = {
    "whole": lambda data: [body(data)],
    "chunk and end": lambda data: [body(data, more=True), body(b"")],
    "streamed": lambda data: [*(body(data[at : at + 400], more=True) for at in range(0, len(data), 400)), body(b"")],
}
pytestmark = [pytest.mark.parametrize("coder", CODERS, ids=str)]
methods = pytest.mark.parametrize("method", ["GET", "HEAD"])
shapes = pytest.mark.parametrize("shape", SHAPES)


def app_of(shape: str, data: bytes = TEXT, headers: Headers = (), **of: Any) -> ASGIApp:
    """Return an application that answers GET in that shape, and HEAD with the same fields and no byte."""
    first = start(headers, **of)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        pieces: list[Message] = SHAPES[shape](data)
        for message in (first, *pieces):
            is_left_out = scope["method"] == "HEAD" and "body" in message
            await send({**message, "body": b""} if is_left_out else message)

    return app


def assert_untouched(response: Response, given: Response) -> None:
    assert response.headers == given.headers
    assert response.body == given.body


async def both(coder: Coder, app: ASGIApp, method: str = "GET", **options: Any) -> tuple[Response, Response]:
    """Return what the layer makes of a response, for its coding, and what the application sends."""
    return (
        await request(coder.make(app, **options), method, headers=coder.accepts),
        await request(app, method, headers=coder.accepts),
    )


# -- 1 to 7: the client decides

SIZED = {"content-length": str(len(TEXT))}


@pytest.mark.parametrize(
    ("lines", "takes"),
    [
        pytest.param([], False, id="1 no field"),
        pytest.param([""], False, id="1 empty"),
        pytest.param(["{c};q=0"], False, id="2 refused"),
        pytest.param(["{c};q=0.0"], False, id="2 refused"),
        pytest.param(["{c};q=0.000"], False, id="2 refused"),
        pytest.param(["{C}"], True, id="2 case"),
        pytest.param(["deflate", "{c}"], True, id="2 lines"),
        pytest.param(["{c}", "{c};q=0"], False, id="2 lines"),
        pytest.param(["not{c}"], False, id="2 whole tokens"),
        pytest.param(["{c}, *;q=0"], True, id="3 listed"),
        pytest.param(["*;q=0"], False, id="3 all refused"),
        pytest.param(["identity;q=1, {c};q=.5"], False, id="4 identity preferred"),
        pytest.param(["identity;q=0.5, {c};q=0.5"], True, id="4 tie"),
        pytest.param(["deflate"], False, id="5 nothing on offer"),
        pytest.param(["deflate, identity;q=0"], False, id="5 never a 406"),
        pytest.param(["{c};q=0.1234"], False, id="7 four decimals"),
        pytest.param(["{c};q=2"], False, id="7 above 1"),
        pytest.param(["{c};q="], False, id="7 no weight"),
        pytest.param(["{c};q=x, {c}"], True, id="7 only that item"),
        pytest.param([";;,\xff,=" * 50], False, id="7 garbage"),
    ],
)
@methods
@shapes
async def test_1_to_7_the_client_decides(coder: Coder, lines: list[str], takes: bool, shape: str, method: str) -> None:
    """Also compression 15: Vary stands on either variant."""
    asked = [("accept-encoding", line.format(c=coder.coding, C=coder.coding.upper())) for line in lines]
    response = await request(coder.make(app_of(shape, headers=SIZED)), method, headers=asked)
    assert response.status == 200
    assert response.values("content-encoding") == ([coder.coding] if takes else [])
    assert response.values("vary") == ["Accept-Encoding"]
    if method == "GET":
        assert coder.read(response) == TEXT
    else:
        assert response.body == b""


@pytest.mark.parametrize(
    ("field", "coding"),
    [
        ("gzip, br, zstd", "zstd"),
        ("gzip, br", "br"),
        ("*", "zstd"),
        ("zstd;q=0, *", "br"),  # 3: * covers only what is not listed
        ("gzip;q=1, zstd;q=0.9, br;q=0.9", "gzip"),  # 4
        ("gzip;q=0.5, identity;q=0.6, *;q=0", None),
        ("x-gzip", "gzip"),  # 6
    ],
)
async def test_3_4_6_the_best_of_several_is_chosen(coder: Coder, field: str, coding: str | None) -> None:
    response = await request(Compress(app_of("whole")), headers={"accept-encoding": field})
    assert response.header("content-encoding") == coding


# -- 8 to 10: what the headers say

DESCRIPTIONS = {
    "etag": ETAG,
    "content-digest": "sha-256=:x:",
    "repr-digest": "sha-256=:x:",
    "digest": "sha-256=x",
    "content-md5": "x",
    "accept-ranges": "bytes",
    "content-length": str(len(TEXT)),
    "x-other": "1",
    "last-modified": "Tue, 01 Jan 2030 00:00:00 GMT",
}


@methods
@shapes
async def test_8_9_10_13_headers_describe_the_encoded_bytes(coder: Coder, shape: str, method: str) -> None:
    response, _ = await both(coder, app_of(shape, headers=DESCRIPTIONS), method)
    length = [str(len(response.body))] if shape == "whole" and method == "GET" else []
    assert response.values("content-length") == length
    assert response.values("content-encoding") == [coder.coding]
    assert response.values("etag") == [f"W/{ETAG}"]
    for name in ("content-digest", "repr-digest", "digest", "content-md5", "accept-ranges"):
        assert response.header(name) is None
    assert response.header("x-other") == "1"
    assert response.header("last-modified") == DESCRIPTIONS["last-modified"]


@methods
@shapes
async def test_10_14_identity_keeps_what_describes_its_bytes(coder: Coder, shape: str, method: str) -> None:
    response = await request(coder.make(app_of(shape, headers=DESCRIPTIONS)), method)
    assert {name: response.header(name) for name in DESCRIPTIONS} == DESCRIPTIONS
    assert response.header("vary") == "Accept-Encoding"


@shapes
async def test_8_identity_is_never_written_and_opts_a_response_out(coder: Coder, shape: str) -> None:
    """The field is how any framework can ask that one response be left alone, by all layers."""
    app = app_of(shape, headers={"content-encoding": "identity", "etag": ETAG})
    for layers in (coder.make(app), coder.make(coder.make(app))):
        for headers in (coder.accepts, {}):
            response = await request(layers, headers=headers)
            assert response.header("content-encoding") is None
            assert response.header("vary") is None
            assert response.header("etag") == ETAG
            assert response.body == TEXT


# -- 11: HEAD


@shapes
@pytest.mark.parametrize("data", [TEXT, b"small", NOISE], ids=["text", "small", "noise"])
@pytest.mark.parametrize("content_type", ["application/json", "image/png", "text/event-stream"])
async def test_11_head_has_the_fields_of_get(coder: Coder, shape: str, data: bytes, content_type: str) -> None:
    """Content-Length equals GET's or is absent; where only encoding tells that it would not pay, so is the coding."""
    app = coder.make(app_of(shape, data, {"content-length": str(len(data)), "etag": ETAG}, content_type=content_type))
    get = await request(app, headers=coder.accepts)
    head = await request(app, "HEAD", headers=coder.accepts)
    assert head.body == b""
    if data is NOISE and shape == "whole" and content_type != "image/png":
        assert get.header("content-encoding") is None
        return
    assert head.header("content-length") in (None, get.header("content-length"))
    assert [pair for pair in head.headers if pair[0] != b"content-length"] == [
        pair for pair in get.headers if pair[0] != b"content-length"
    ]


# -- 12, 13, 16: what is not touched


@methods
@shapes
@pytest.mark.parametrize(
    ("headers", "of"),
    [
        ({}, {"status": 204}),
        ({}, {"status": 205}),
        ({"content-range": "bytes 0-1/9"}, {"status": 206}),
        ({}, {"status": 206, "content_type": "multipart/byteranges; boundary=x"}),
        ({"content-range": "bytes */9"}, {"status": 416}),
        ({"content-range": "bytes 0-1/9"}, {}),
        ({"cache-control": "public, No-Transform"}, {}),
        ({"content-encoding": "zz"}, {}),
        ({"content-encoding": ""}, {}),
        ([("content-encoding", "identity"), ("content-encoding", "zz")], {}),
        ({}, {"content_type": "image/png"}),
        ({}, {"content_type": None}),
    ],
)
async def test_12_13_16_what_is_not_to_be_encoded_is_untouched(
    coder: Coder, headers: Headers, of: dict[str, Any], shape: str, method: str
) -> None:
    data = b"" if of.get("status") in (204, 205) else TEXT
    assert_untouched(*await both(coder, app_of(shape, data, headers, **of), method))


@methods
@shapes
async def test_12_a_304_has_the_fields_of_its_200_and_no_byte(coder: Coder, shape: str, method: str) -> None:
    app = coder.make(app_of(shape, b"", {"etag": ETAG, "cache-control": "max-age=60"}, status=304, content_type=None))
    for headers, etag in ((coder.accepts, f"W/{ETAG}"), ({}, ETAG)):
        response = await request(app, method, headers=headers)
        assert response.status == 304
        assert (response.header("etag"), response.header("vary")) == (etag, "Accept-Encoding")
        assert response.header("content-encoding") is None
        assert response.body == b""


@methods
async def test_12_a_304_describes_no_bytes_that_its_200_did_not_have(coder: Coder, method: str) -> None:
    """RFC 9110, 8.6 and 15.4.5: a cache would put these fields beside the encoded bytes that it has."""
    app = app_of("whole", b"", DESCRIPTIONS, status=304)
    response, _ = await both(coder, app, method)
    kept = {name for name in DESCRIPTIONS if response.header(name) is not None}
    assert kept == {"etag", "x-other", "last-modified"}
    plain = await request(coder.make(app), method)
    assert {name: plain.header(name) for name in DESCRIPTIONS} == DESCRIPTIONS


@shapes
async def test_16_a_request_can_forbid_transformation(coder: Coder, shape: str) -> None:
    headers = {**coder.accepts, "cache-control": "no-transform"}
    for status, data in ((200, TEXT), (304, b"")):
        app = app_of(shape, data, {"etag": ETAG}, status=status)
        response = await request(coder.make(app), headers=headers)
        assert response.body == data
        assert (response.header("etag"), response.header("vary")) == (ETAG, "Accept-Encoding")


# -- 15, 19: caches


@methods
@shapes
@pytest.mark.parametrize(
    ("vary", "merged"),
    [
        (["Cookie"], "Cookie, Accept-Encoding"),
        (["accept-ENCODING"], "accept-ENCODING"),
        (["Origin", "Cookie"], "Origin, Cookie, Accept-Encoding"),
        (["*"], "*"),
    ],
)
async def test_15_vary_is_merged_on_every_variant(
    coder: Coder, vary: list[str], merged: str, shape: str, method: str
) -> None:
    app = coder.make(app_of(shape, headers=[("vary", line) for line in vary]))
    for headers in (coder.accepts, {}):
        assert (await request(app, method, headers=headers)).values("vary") == [merged]


@shapes
async def test_19_a_cache_that_reads_vary_serves_each_client_what_it_takes(coder: Coder, shape: str) -> None:
    app = coder.make(app_of(shape))
    stored: dict[tuple[str | None, ...], Response] = {}
    for accepted in (coder.coding, None, "deflate", coder.coding, "identity", None):
        headers = {} if accepted is None else {"accept-encoding": accepted}
        response = await request(app, headers=headers)
        key = tuple(headers.get(name.strip().lower()) for name in (response.header("vary") or "").split(","))
        served = stored.setdefault(key, response)
        assert served.header("content-encoding") == (coder.coding if accepted == coder.coding else None)
        assert coder.read(served) == TEXT


# -- 20, 22, 23: what is in the bytes


@shapes
@pytest.mark.parametrize("options", [{}, {"flush": "events"}, {"breach": "pad"}], ids=["plain", "unflushed", "padded"])
async def test_20_22_23_bodies_decode_in_one_piece(coder: Coder, shape: str, options: dict[str, Any]) -> None:
    data = b"".join(b"%d: some text, " % number for number in range(30_000))
    response, _ = await both(coder, app_of(shape, data), **options)
    assert response.header("content-encoding") == coder.coding
    assert coder.whole(response.body) == data
    assert len(response.body) < len(data) / 2


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream", "application/x-ndjson"])
async def test_chunks_can_be_decoded_as_they_come_and_grow_by_little(coder: Coder, content_type: str) -> None:
    """At most 12 bytes for a chunk and 32 for the stream, whatever is in it."""
    chunks = [NOISE[:size] for size in (1, 10, 100, 2000)]
    app = answering(start(content_type=content_type), *(body(chunk, more=True) for chunk in chunks), body(b""))
    response = await request(coder.make(app), headers=coder.accepts)
    for number in range(1, len(chunks) + 1):
        assert coder.so_far(response.chunks[:number]) == b"".join(chunks[:number])
    assert len(response.body) <= sum(map(len, chunks)) + 12 * (len(chunks) + 1) + 32


async def test_a_whole_body_never_grows(coder: Coder) -> None:
    response, given = await both(coder, app_of("whole", NOISE, {"etag": ETAG}))
    assert response.body == given.body
    assert response.header("etag") == ETAG


async def test_trailers_follow_an_encoded_body_without_digests_of_other_bytes(coder: Coder) -> None:
    fields = [(b"server-timing", b"app;dur=1"), (b"content-digest", b"sha-256=:x:")]
    app = answering({**start(), "trailers": True}, body(TEXT), {"type": "http.response.trailers", "headers": fields})
    response = await request(coder.make(app), headers=coder.accepts)
    assert response.trailers == fields[:1]
    assert response.header("content-length") is None
    assert coder.read(response) == TEXT
