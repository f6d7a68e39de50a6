"""GZip obeys HTTP: what it encodes, for whom, and what its headers then say.

``compression 1`` and so on number the requirements of RFC 9110, 9111 and 9530 on content coding.
"""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest

from middlewares import GZip
from middlewares.core.exchange import EXCHANGE, Coding, Exchange
from middlewares.testing import Driver, http_scope, request
from tests.compression.answers import ETAG, GZ, NOISE, TEXT, answering, body, is_compressed, start, streaming, whole

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Message
    from middlewares.testing import Response

NOT_A_TYPE = "must hold media types such as 'text/html', 'text/*' or 'application/*+json'"


def assert_untouched(response: Response, app_start: Message, data: bytes) -> None:
    assert response.messages[0] == app_start
    assert response.body == data


# -- negotiation


@pytest.mark.parametrize(
    ("lines", "compressed"),
    [
        # compression 1
        ([], False),
        ([""], False),
        # compression 2
        (["gzip"], True),
        (["GZip"], True),
        (["gzip;q=0"], False),
        (["gzip;q=0.000"], False),
        (["deflate, br, gzip"], True),
        (["br", "gzip"], True),
        (["br", "gzip", "gzip;q=0"], False),
        (["notgzip"], False),
        # compression 3
        (["*"], True),
        (["gzip;q=0, *"], False),
        (["br, *;q=0"], False),
        # compression 4
        (["identity;q=1, gzip;q=0.5"], False),
        (["identity;q=0.5, gzip;q=0.5"], True),
        # compression 5: identity is sent to who refuses everything; an unencoded answer beats none
        (["br, identity;q=0"], False),
        (["*;q=0"], False),
        # compression 6
        (["x-gzip"], True),
        # compression 7
        (["gzip;q=0.1234"], False),
        (["gzip;q=2"], False),
        (["gzip;q="], False),
        ([";;,\xff,=" * 50], False),
    ],
)
async def test_the_client_decides_whether_a_response_is_encoded(lines: list[str], compressed: bool) -> None:
    """Compression 1 to 7; and with 15, Vary stands on either variant."""
    response = await request(GZip(whole()), headers=[("Accept-Encoding", line) for line in lines])
    assert is_compressed(response) is compressed
    assert (gzip.decompress(response.body) if compressed else response.body) == TEXT
    assert response.values("vary") == ["Accept-Encoding"]
    assert response.header("content-length") == str(len(response.body))


async def test_field_names_of_the_request_may_be_in_any_case() -> None:
    scope = {**http_scope(), "headers": [(b"Accept-Encoding", b"br"), (b"ACCEPT-ENCODING", b"gzip")]}
    async with Driver(GZip(whole()), scope) as call:
        started = await call.receive()
        await call.finish()
    assert (b"content-encoding", b"gzip") in started["headers"]


# -- what the headers say of an encoded response


async def test_headers_describe_the_encoded_bytes() -> None:
    """Compression 8, 9, 10, 13: what described the bytes as they were is gone, the rest stands in its order."""
    app = whole(
        headers=[
            ("x-first", "1"),
            ("x-request-id", "2"),
            ("x-request-uuid", "3"),
            ("x-first-of-them-", "4"),
            ("etag", ETAG),
            ("content-digest", "sha-256=:x:"),
            ("repr-digest", "sha-256=:x:"),
            ("digest", "sha-256=x"),
            ("content-md5", "x"),
            ("accept-ranges", "bytes"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("last-modified", "Tue, 01 Jan 2030 00:00:00 GMT"),
        ]
    )
    response = await request(GZip(app), headers=GZ)
    assert response.headers == [
        (b"content-type", b"application/json"),
        (b"x-first", b"1"),
        (b"x-request-id", b"2"),
        (b"x-request-uuid", b"3"),
        (b"x-first-of-them-", b"4"),
        (b"etag", b'W/"33a64df5"'),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"last-modified", b"Tue, 01 Jan 2030 00:00:00 GMT"),
        (b"vary", b"Accept-Encoding"),
        (b"content-encoding", b"gzip"),
        (b"content-length", b"%d" % len(response.body)),
    ]
    assert gzip.decompress(response.body) == TEXT


@pytest.mark.parametrize(
    ("etag", "after"),
    [(ETAG, f"W/{ETAG}"), (f"W/{ETAG}", f"W/{ETAG}"), ('""', 'W/""'), ("unquoted", "unquoted"), ('"a"b"', '"a"b"')],
)
async def test_only_a_strong_entity_tag_is_changed(etag: str, after: str) -> None:
    """Compression 10: ``W/`` stays, and what is no entity tag is not made to look like one."""
    response = await request(GZip(whole(headers={"etag": etag})), headers=GZ)
    assert response.values("etag") == [after]


async def test_the_identity_variant_keeps_its_strong_tag_and_ranges() -> None:
    """Compression 10, 14: its bytes are the application's, so that its validators still hold."""
    given = {"etag": ETAG, "accept-ranges": "bytes", "content-digest": "sha-256=:x:"}
    response = await request(GZip(whole(headers=given)))
    assert {name: response.header(name) for name in given} == given


@pytest.mark.parametrize(
    ("vary", "merged"),
    [
        ([], "Accept-Encoding"),
        (["Cookie"], "Cookie, Accept-Encoding"),
        (["accept-ENCODING"], "accept-ENCODING"),
        (["Origin, accept-encoding", "Cookie"], "Origin, accept-encoding, Cookie"),
        (["*"], "*"),
        (["Cookie", "*"], "*"),
        ([""], "Accept-Encoding"),
    ],
)
@pytest.mark.parametrize("headers", [GZ, {}], ids=["gzip", "identity"])
@pytest.mark.parametrize("data", [TEXT, b"small"], ids=["large", "small"])
async def test_vary_is_merged_on_every_variant(
    vary: list[str], merged: str, headers: dict[str, str], data: bytes
) -> None:
    """Compression 15: other members stay, none is doubled, ``*`` stays alone."""
    app = whole(data, [("Vary", line) for line in vary])
    response = await request(GZip(app), headers=headers)
    assert response.values("vary") == [merged]


# -- what is left as it is


@pytest.mark.parametrize("headers", [GZ, {}], ids=["gzip", "identity"])
@pytest.mark.parametrize(
    ("status", "more_headers", "content_type"),
    [
        (200, {"content-encoding": "br"}, "application/json"),
        (200, {"Content-Encoding": ""}, "application/json"),
        (200, {"content-range": "bytes 0-1/9"}, "application/json"),
        (206, {"content-range": "bytes 0-1/9"}, "application/json"),
        (206, {}, "multipart/byteranges; boundary=x"),
        (416, {"content-range": "bytes */9"}, "text/plain"),
        (200, {"cache-control": "public, No-Transform"}, "application/json"),
        (200, [("cache-control", "public"), ("Cache-Control", "no-transform")], "application/json"),
        (200, {}, "image/png"),
        (200, {}, None),
        (304, {}, "image/png"),
    ],
)
@pytest.mark.parametrize("data", [TEXT, b"small"], ids=["large", "small"])
async def test_what_must_not_be_encoded_is_passed_on_unchanged(
    status: int, more_headers: dict[str, str], content_type: str | None, data: bytes, headers: dict[str, str]
) -> None:
    """Compression 13, 15, 16: parts, encoded bodies, no-transform, and types that are never encoded."""
    given = start(more_headers, status=status, content_type=content_type)
    given["headers"] += [(b"etag", ETAG.encode()), (b"content-length", b"%d" % len(data))]
    assert_untouched(await request(GZip(answering(given, body(data))), headers=headers), given, data)


@pytest.mark.parametrize("status", [204, 205])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("streamed", [True, False])
async def test_responses_without_content_stay_without_a_byte(status: int, method: str, streamed: bool) -> None:
    """Compression 12: also where the application sends an empty body in pieces."""
    given = start({"etag": ETAG}, status=status)
    pieces = [body(b"", more=True), body(b"")] if streamed else [body(b"")]
    assert_untouched(await request(GZip(answering(given, *pieces)), method, headers=GZ), given, b"")


@pytest.mark.parametrize("content_type", ["application/json", None])
@pytest.mark.parametrize("streamed", [True, False])
async def test_a_304_carries_the_vary_and_the_tag_of_the_200(content_type: str | None, streamed: bool) -> None:
    """Compression 12: and never a body."""
    given = start({"etag": ETAG, "cache-control": "max-age=60"}, status=304, content_type=content_type)
    pieces = [body(b"", more=True), body(b"")] if streamed else [body(b"")]
    app = GZip(answering(given, *pieces))
    for headers, etag in ((GZ, f"W/{ETAG}"), ({}, ETAG)):
        response = await request(app, headers=headers)
        assert response.status == 304
        assert response.header("etag") == etag
        assert response.header("vary") == "Accept-Encoding"
        assert response.header("cache-control") == "max-age=60"
        assert response.header("content-encoding") is None
        assert response.body == b""


@pytest.mark.parametrize("lines", [["no-transform"], ["max-age=0", "max-age=0, NO-Transform"]])
async def test_a_request_can_forbid_transformation(lines: list[str]) -> None:
    """Compression 16: Vary still tells caches that other clients get something else."""
    headers = [*GZ.items(), *(("cache-control", line) for line in lines)]
    response = await request(GZip(whole(headers={"etag": ETAG})), headers=headers)
    assert response.body == TEXT
    assert response.header("content-encoding") is None
    assert response.header("etag") == ETAG
    assert response.header("vary") == "Accept-Encoding"


async def test_an_interim_response_is_none_of_its_business() -> None:
    given = start(status=103)
    assert_untouched(await request(GZip(answering(given)), headers=GZ), given, b"")


@pytest.mark.parametrize("status", [200, 201, 203, 400, 404, 500])
async def test_errors_are_encoded_as_other_responses_are(status: int) -> None:
    response = await request(GZip(whole(status=status)), headers=GZ)
    assert response.status == status
    assert is_compressed(response)


# -- what others learn


@pytest.mark.parametrize(
    ("app", "method", "coding"),
    [
        (whole(), "GET", Coding(b"gzip")),
        (streaming([TEXT]), "GET", Coding(b"gzip")),
        (answering(start(), body(b"small")), "GET", Coding(None, "small")),
        (whole(NOISE), "GET", Coding(None, "not smaller")),
        (answering(start(), body(b"")), "HEAD", Coding(None, "no body")),
        (answering(start(), {"type": "http.response.from_the_future"}), "GET", Coding(None, "not a body")),
        (answering(start(), {"type": "http.response.pathsend", "path": "/f"}), "GET", Coding(None, "no file")),
        (whole(content_type="image/png"), "GET", Coding(None, "type")),
        (whole(status=206), "GET", Coding(None, "status")),
        (whole(status=304), "GET", Coding(None, "no content")),
        (whole(headers={"cache-control": "no-transform"}), "GET", Coding(None, "no-transform")),
        (whole(headers={"content-encoding": "br"}), "GET", Coding(None, "encoded")),
        (whole(headers={"content-encoding": "identity"}), "GET", Coding(None, "opted out")),
    ],
)
async def test_the_exchange_tells_what_was_done(app: ASGIApp, method: str, coding: Coding) -> None:
    exchange = Exchange()
    scope = {**http_scope(method, headers=GZ), EXCHANGE: exchange}
    async with Driver(GZip(app), scope) as call:
        await call.finish()
    assert exchange.codings == [coding]


# -- options


@pytest.mark.parametrize(
    ("options", "problems"),
    [
        ({"minimum_size": -1}, ["GZip: minimum_size must not be negative; got -1"]),
        (
            {"minimum_size": "1k", "compresslevel": True},
            [
                "GZip: minimum_size must be an integer; got '1k'",
                "GZip: compresslevel must be an integer or None; got True",
            ],
        ),
        (
            {"compresslevel": 0, "include_types": ["text"]},
            [
                "GZip: compresslevel must be from 1 to 9; got 0",
                f"GZip: include_types {NOT_A_TYPE}; got 'text'",
            ],
        ),
        (
            {"include_types": "text/html"},
            ["GZip: include_types must be a list of strings; got 'text/html' (write ['text/html'])"],
        ),
    ],
)
def test_options_that_cannot_be_right_are_refused_together(options: dict[str, Any], problems: list[str]) -> None:
    with pytest.raises(ValueError, match="GZip") as caught:
        GZip(whole(), **options)
    assert str(caught.value).splitlines() == problems


async def test_types_to_compress_can_be_chosen() -> None:
    app = GZip(whole(content_type="application/x-thing; v=1"), include_types=["application/x-thing"])
    assert is_compressed(await request(app, headers=GZ))
    assert not is_compressed(await request(GZip(whole(), include_types=["text/*"]), headers=GZ))


async def test_the_level_trades_time_for_size() -> None:
    text = b"".join(b"%d, " % (n * n) for n in range(2000))
    sizes = [len((await request(GZip(whole(text), compresslevel=level), headers=GZ)).body) for level in (1, 9)]
    assert sizes[0] > sizes[1]
