"""GZip compresses what is worth it, never makes a whole body larger, and answers HEAD as it would answer GET.

``compression 11`` numbers a requirement of RFC 9110.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from middlewares import GZip
from middlewares.testing import request
from tests.compression.answers import ETAG, GZ, NOISE, TEXT, answering, body, is_compressed, start, streaming, whole

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp

# -- sizes


@pytest.mark.parametrize(
    ("size", "minimum", "compressed"),
    [(499, 500, False), (500, 500, True), (1000, 1001, False), (99, 100, False), (100, 99, True), (0, 0, False)],
)
@pytest.mark.parametrize("with_length", [True, False])
async def test_a_whole_body_is_judged_by_its_size(size: int, minimum: int, compressed: bool, with_length: bool) -> None:
    headers = {"content-length": str(size)} if with_length else {}
    app = GZip(answering(start(headers), body(b"a" * size)), minimum_size=minimum)
    response = await request(app, headers=GZ)
    assert is_compressed(response) is compressed
    assert response.values("content-length") == ([str(len(response.body))] if with_length or compressed else [])


@pytest.mark.parametrize(
    ("length", "compressed"), [(None, True), ("20", False), ("499", False), ("500", True), ("12345", True)]
)
async def test_a_stream_is_judged_by_the_length_it_announces(length: str | None, compressed: bool) -> None:
    """What other layers made of one body, a chunk and an empty end, is judged like the body; without a length, the
    size of the first chunk says nothing.
    """
    headers = {} if length is None else {"content-length": length}
    chunks = [b"a" * 20] if length is None else [b"a", b"a" * (int(length) - 1)]
    response = await request(GZip(streaming(chunks, headers)), headers=GZ)
    assert is_compressed(response) is compressed
    assert response.values("content-length") == ([] if compressed or length is None else [length])


@pytest.mark.parametrize("data", [NOISE, NOISE[:500]])
async def test_a_whole_body_never_becomes_larger(data: bytes) -> None:
    response = await request(GZip(whole(data, {"etag": ETAG})), headers=GZ)
    assert response.body == data
    assert response.values("content-length") == [str(len(data))]
    assert response.header("content-encoding") is None
    assert response.header("etag") == ETAG
    assert response.header("vary") == "Accept-Encoding"


@pytest.mark.parametrize("headers", [[("transfer-encoding", "chunked")], [("Transfer-Encoding", "chunked")]])
async def test_no_length_stands_beside_a_framing_of_the_application(headers: list[tuple[str, str]]) -> None:
    """RFC 9112, 6.2: a message has one or the other."""
    response = await request(GZip(answering(start(headers), body(TEXT))), headers=GZ)
    assert is_compressed(response)
    assert response.header("content-length") is None


# -- HEAD


def head_of(app: ASGIApp) -> ASGIApp:
    """Return the application as a framework makes it answer to HEAD: the same fields, and no body."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        async def send_head(message: Any) -> None:
            await send(message if message["type"] != "http.response.body" else {**message, "body": b""})

        await app(scope, receive, send_head if scope["method"] == "HEAD" else send)

    return answer


@pytest.mark.parametrize(
    ("app", "without"),
    [
        (whole(headers={"etag": ETAG}), {"content-length"}),
        (whole(b"small", {"etag": ETAG}), set[str]()),
        (whole(content_type="image/png"), set[str]()),
        (streaming([TEXT, TEXT], {"etag": ETAG}), set[str]()),
        (streaming([TEXT], {"content-length": "1700"}), set[str]()),
        (streaming([b"data: 1\n\n"], content_type="text/event-stream"), set[str]()),
    ],
    ids=["whole", "small", "image", "stream", "file", "events"],
)
async def test_head_has_the_fields_of_get_and_no_body(app: ASGIApp, without: set[str]) -> None:
    """Compression 11: but for the length, which only encoding the body would tell. A server must find no body,
    whether the application leaves it out or not.
    """
    for headers in (GZ, {}):
        get = await request(GZip(app), headers=headers)
        for inner in (app, head_of(app)):
            head = await request(GZip(inner), "HEAD", headers=headers)
            leaves_out = without if inner is not app and headers else set[str]()
            assert head.headers == [pair for pair in get.headers if pair[0].decode() not in leaves_out]
            if get.header("content-encoding") or inner is not app:
                assert head.body == b""


async def test_head_of_what_may_have_no_body_is_left_alone() -> None:
    given = start({"etag": ETAG})
    response = await request(GZip(answering(given, body(b""))), "HEAD", headers=GZ)
    assert response.headers == [*given["headers"], (b"vary", b"Accept-Encoding")]
