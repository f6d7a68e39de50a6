"""GZip passes on what it does not know, unchanged and in its place, and hides what it could not carry."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest

from middlewares import GZip
from middlewares.testing import Driver, http_scope, request
from tests.compression.answers import GZ, TEXT, answering, body, start

if TYPE_CHECKING:
    from middlewares.asgi import Message, Receive, Scope, Send

PATHSEND: Message = {"type": "http.response.pathsend", "path": "/srv/report.json"}
EARLY_HINT: Message = {"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]}
PUSH: Message = {"type": "http.response.push", "path": "/style.css", "headers": []}
DEBUG: Message = {"type": "http.response.debug", "info": {"template": "page.html"}}
UNKNOWN: Message = {"type": "http.response.from_the_future", "value": object()}


@pytest.mark.parametrize("headers", [GZ, {}], ids=["gzip", "identity"])
async def test_messages_before_the_start_pass_at_once_and_in_order(headers: dict[str, str]) -> None:
    before = [EARLY_HINT, DEBUG, UNKNOWN, PUSH]
    response = await request(GZip(answering(*before, start(), body(TEXT))), headers=headers)
    assert response.messages[:4] == before
    assert (response.header("content-encoding") == "gzip") is bool(headers)


@pytest.mark.parametrize("message", [EARLY_HINT, DEBUG, PUSH])
@pytest.mark.parametrize("headers", [GZ, {}], ids=["gzip", "identity"])
async def test_interim_messages_between_start_and_body_keep_their_place(
    message: Message, headers: dict[str, str]
) -> None:
    """The start goes before them, and what follows is a stream as far as anybody knows."""
    response = await request(GZip(answering(start(), message, body(TEXT))), headers=headers)
    assert [each["type"] for each in response.messages] == [
        "http.response.start",
        message["type"],
        "http.response.body",
    ]
    assert response.messages[1] is message
    assert (gzip.decompress(response.body) if headers else response.body) == TEXT


@pytest.mark.parametrize("headers", [GZ, {}], ids=["gzip", "identity"])
async def test_what_is_unknown_between_start_and_body_keeps_its_place(headers: dict[str, str]) -> None:
    """The start goes before it, without a coding: nobody knows what such a message will bring."""
    response = await request(GZip(answering(start(), UNKNOWN, body(TEXT))), headers=headers)
    assert response.messages[1:] == [UNKNOWN, body(TEXT)]
    assert response.header("content-encoding") is None


async def test_messages_among_chunks_keep_their_place() -> None:
    app = answering(start(), body(TEXT, more=True), PUSH, body(TEXT, more=True), UNKNOWN, body(b""))
    response = await request(GZip(app), headers=GZ)
    assert [message["type"] for message in response.messages] == [
        "http.response.start",
        "http.response.body",
        "http.response.push",
        "http.response.body",
        "http.response.from_the_future",
        "http.response.body",
    ]
    assert response.messages[4] is UNKNOWN
    assert gzip.decompress(response.body) == TEXT * 2


@pytest.mark.parametrize("data", [[body(TEXT)], [body(TEXT, more=True), body(b"")]], ids=["whole", "streamed"])
async def test_trailers_follow_the_body(data: list[Message]) -> None:
    """The flag stays, no length is told, and digests of the bytes as they were are left out (compression 9)."""
    sums = [(b"server-timing", b"app;dur=1"), (b"Content-Digest", b"sha-256=:x:"), (b"repr-digest", b"sha-256=:x:")]
    trailers: Message = {"type": "http.response.trailers", "headers": sums, "more_trailers": False}
    app = GZip(answering({**start(), "trailers": True}, *data, trailers))
    response = await request(app, headers=GZ)
    assert response.messages[0]["trailers"] is True
    assert response.header("content-length") is None
    assert gzip.decompress(response.body) == TEXT
    assert response.trailers == sums[:1]
    assert response.messages[-1]["more_trailers"] is False
    assert (await request(app)).trailers == [(name, value) for name, value in sums]


@pytest.mark.parametrize("headers", [GZ, {}], ids=["gzip", "identity"])
async def test_a_file_sent_by_its_path_passes_with_its_start(headers: dict[str, str]) -> None:
    given = start({"content-length": "5000", "etag": '"a"', "accept-ranges": "bytes"})
    response = await request(GZip(answering(given, PATHSEND)), headers=headers)
    varied = {**given, "headers": [*given["headers"], (b"vary", b"Accept-Encoding")]}
    assert response.messages == [varied, PATHSEND]


ZEROCOPY = "http.response.zerocopysend"


@pytest.mark.parametrize(
    ("headers", "seen"), [(GZ, {"http.response.pathsend"}), ({}, {"http.response.pathsend", ZEROCOPY})]
)
async def test_zerocopysend_is_hidden_where_it_would_pass_the_encoder(headers: dict[str, str], seen: set[str]) -> None:
    """The scope that was handed in keeps it, and gets what inner code adds for outer layers."""
    inner: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        inner.append(scope)
        scope["endpoint"] = app
        scope["path"] = "/changed"

    scope = http_scope(headers=headers, extensions=["http.response.pathsend", ZEROCOPY])
    async with Driver(GZip(app), scope) as call:
        await call.finish()
    assert inner[0]["extensions"].keys() == seen
    assert scope["extensions"].keys() == {"http.response.pathsend", ZEROCOPY}
    assert scope["endpoint"] is app
    if headers:
        assert scope["path"] == "/"


@pytest.mark.parametrize("extensions", [None, {}, {"http.response.pathsend": {}}])
async def test_a_scope_with_nothing_to_hide_is_handed_on_itself(extensions: Any) -> None:
    inner: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        inner.append(scope)

    scope = {**http_scope(headers=GZ), "extensions": extensions}
    async with Driver(GZip(app), scope) as call:
        await call.finish()
    assert inner[0] is scope


@pytest.mark.parametrize("kind", ["lifespan", "websocket", "from_the_future"])
async def test_other_scopes_are_handed_on_untouched(kind: str) -> None:
    given: list[Any] = []

    async def app(*arguments: Any) -> None:
        given.extend(arguments)

    arguments: tuple[Any, Any, Any] = ({"type": kind}, object(), object())
    await GZip(app)(*arguments)
    assert all(one is other for one, other in zip(given, arguments, strict=True))
