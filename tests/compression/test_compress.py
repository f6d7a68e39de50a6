"""Compress offers all codings that are installed; its options are checked, and reach those who act on them."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import pytest
from backports import zstd

from middlewares import Brotli, Compress, GZip, MissingExtra, OptionError, Zstd
from middlewares.compression import codecs
from middlewares.compression.dictionaries import Dictionary
from middlewares.core.exchange import EXCHANGE, Coding, Exchange
from middlewares.testing import Driver, http_scope, request
from tests.compression.answers import NOISE, TEXT, answering, body, start, streaming, whole
from tests.compression.coders import CODERS, Coder

if TYPE_CHECKING:
    from middlewares.asgi import Scope

ALL = {"accept-encoding": "gzip, deflate, br, zstd"}
each_coding = pytest.mark.parametrize("coder", CODERS, ids=str)


# -- codings


@pytest.mark.parametrize("codings", [("gzip", "br"), ("br", "zstd"), ["zstd"]])
async def test_the_server_settles_ties(codings: Any) -> None:
    response = await request(Compress(whole(), codings=codings), headers=ALL)
    assert response.header("content-encoding") == codings[0]


def lose(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """Take libraries away, as if they were not installed."""
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
    for name, module in (("BrotliCodec", "brotli"), ("ZstdCodec", "zstd")):
        monkeypatch.delitem(vars(codecs), name, raising=False)
        monkeypatch.delitem(sys.modules, f"middlewares.compression.codecs.{module}", raising=False)


async def test_what_is_not_installed_is_not_offered_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    lose(monkeypatch, "backports.zstd", "compression.zstd")
    response = await request(Compress(whole()), headers=ALL)
    assert response.header("content-encoding") == "br"
    with pytest.raises(MissingExtra, match="zstd"):
        Compress(whole(), codings=("zstd", "br", "gzip"))
    with pytest.raises(MissingExtra, match="zstd"):
        Zstd(whole())


# -- options


@pytest.mark.parametrize(
    ("layer", "options", "problem"),
    [
        (Compress, {"codings": []}, "codings must hold some of 'zstd', 'br' and 'gzip', each once; got []"),
        (Compress, {"codings": ["deflate"]}, "codings must hold some of"),
        (Compress, {"codings": ["gzip", "gzip"]}, "codings must hold some of"),
        (Compress, {"codings": "gzip"}, "codings must be a list of strings; got 'gzip' (write ['gzip'])"),
        (Compress, {"gzip_level": 10}, "gzip_level must be from 1 to 9; got 10"),
        (Compress, {"brotli_quality": 12}, "brotli_quality must be from 0 to 11; got 12"),
        (Compress, {"zstd_level": 0}, "zstd_level must be from 1 to 22; got 0"),
        (Compress, {"dictionaries": [{"match": "/a", "learn": 3}]}, "dictionaries[1].learn must be"),
        (Brotli, {"quality": -1}, "quality must be from 0 to 11; got -1"),
        (Zstd, {"level": 23}, "level must be from 1 to 22; got 23"),
        (GZip, {"exclude_types": ["text"]}, "exclude_types must hold media types"),
        (GZip, {"exclude_paths": ["account"]}, "exclude_paths must hold patterns that begin with '/'"),
        (GZip, {"flush": "never"}, "flush must be one of 'always', 'events'; got 'never'"),
        (GZip, {"etags": "strong"}, "etags must be one of 'weaken', 'suffix'"),
        (GZip, {"breach": True}, "breach must be one of 'off', 'pad', 'guard'"),
        (GZip, {"predicate": 1}, "predicate must be a callable or None; got 1"),
    ],
)
def test_options_that_cannot_be_right_are_refused(layer: Any, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(OptionError) as caught:
        layer(whole(), **options)
    assert str(caught.value).startswith(f"{layer.__name__}: {problem}")


@each_coding
async def test_excluded_paths_and_types_are_left_alone(coder: Coder) -> None:
    app = coder.make(whole(), exclude_paths=["/account/*"], exclude_types=["text/csv", "image/*"])
    response = await request(app, "GET", "/account/1", headers=coder.accepts)
    assert response.messages == (await request(whole())).messages
    for content_type, kept in (("text/csv; header=present", True), ("text/html", False)):
        app = coder.make(whole(content_type=content_type), exclude_types=["text/csv"])
        response = await request(app, headers=coder.accepts)
        assert (response.header("vary") is None) is kept
        assert (response.header("content-encoding") is None) is kept


@each_coding
@pytest.mark.parametrize("verdict", [True, False])
async def test_a_predicate_decides_for_every_client_alike(coder: Coder, verdict: bool) -> None:
    asked: list[tuple[str, int, int]] = []

    def is_worth_it(scope: Scope, status: int, headers: list[tuple[bytes, bytes]]) -> bool:
        asked.append((scope["path"], status, len(headers)))
        headers.clear()  # a copy
        return verdict

    app = coder.make(whole(status=201), predicate=is_worth_it)
    for headers in (coder.accepts, {}):
        response = await request(app, "GET", "/items", headers=headers)
        assert (response.header("content-encoding") is not None) is (verdict and bool(headers))
        assert response.header("vary") == ("Accept-Encoding" if verdict else None)
        assert coder.read(response) == TEXT
    assert asked == [("/items", 201, 2)] * 2


@each_coding
async def test_flushing_can_be_left_to_the_end_but_for_events(coder: Coder) -> None:
    for content_type, flushed in (("text/html", False), ("text/event-stream", True)):
        app = coder.make(streaming([TEXT[:40]] * 3, content_type=content_type), flush="events")
        response = await request(app, headers=coder.accepts)
        assert (coder.so_far(response.chunks[:1]) == TEXT[:40]) is flushed
        assert coder.read(response) == TEXT[:40] * 3


# -- facts


@each_coding
@pytest.mark.parametrize("app", [whole(), streaming([TEXT, TEXT])], ids=["whole", "streamed"])
async def test_the_exchange_and_the_log_tell_sizes(coder: Coder, app: Any, caplog: pytest.LogCaptureFixture) -> None:
    exchange = Exchange()
    with caplog.at_level(logging.DEBUG, "middlewares.compression"):
        async with Driver(coder.make(app), {**http_scope(headers=coder.accepts), EXCHANGE: exchange}) as call:
            await call.finish()
            wire = sum(len(message["body"]) for message in call.sent[1:])
    (fact,) = exchange.codings
    assert fact.coding == coder.coding.encode()
    assert (fact.raw_bytes % len(TEXT), fact.wire_bytes) == (0, wire)
    assert fact.raw_bytes > 0
    assert fact.seconds > 0
    assert caplog.messages[-1].startswith(f"GET /: {coder.coding}, {fact.raw_bytes} to {wire} bytes in ")


@each_coding
@pytest.mark.parametrize("data", [b"small", NOISE])
async def test_the_log_tells_why_nothing_was_done(coder: Coder, data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "middlewares.compression"):
        await request(coder.make(answering(start(), body(data))), headers=coder.accepts)
    assert caplog.messages == [f"GET /: not compressed: {'small' if data == b'small' else 'not smaller'}"]


async def test_no_path_makes_two_lines_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "middlewares.compression"):
        for data in (TEXT, b"small"):
            await request(Compress(answering(start(), body(data))), path="/a\nb", headers=ALL)
    assert [message.partition(":")[0] for message in caplog.messages] == ["GET /a%0Ab"] * 2


@each_coding
@pytest.mark.parametrize("accepted", [{}, {"accept-encoding": "deflate"}])
async def test_the_exchange_tells_that_a_client_takes_no_coding(coder: Coder, accepted: dict[str, str]) -> None:
    exchange = Exchange()
    async with Driver(coder.make(whole()), {**http_scope(headers=accepted), EXCHANGE: exchange}) as call:
        await call.finish()
    assert exchange.codings == [Coding(None, "not accepted")]


# -- dictionaries


async def test_a_client_that_holds_the_version_before_gets_what_has_changed() -> None:
    """RFC 9842: announced, learned, then used; everybody else gets what they would get anyway."""
    versions = [NOISE.hex().encode() + b"%d" % number for number in range(2)]
    public = {"cache-control": "public, max-age=60"}

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        await whole(versions[0] if scope["query_string"] == b"" else versions[1], public)(scope, receive, send)

    layer = Compress(app, dictionaries=[Dictionary(match="/products", learn=True)])
    asks = {**ALL, "host": "localhost", "accept-encoding": "gzip, br, zstd, dcb, dcz"}
    first = await request(layer, "GET", "/products", headers=asks)
    assert first.header("use-as-dictionary") == 'match="/products"'
    assert first.header("vary") == "Accept-Encoding, Available-Dictionary"
    assert first.header("content-encoding") == "zstd"
    dictionaries = layer._plan.dictionaries
    assert dictionaries is not None
    assert dictionaries.settle()

    import base64
    import hashlib

    digest = hashlib.sha256(versions[0]).digest()
    holds = {**asks, "available-dictionary": f":{base64.b64encode(digest).decode()}:", "sec-fetch-site": "same-origin"}
    second = await request(layer, "GET", "/products", query="2", headers=holds)
    assert second.header("content-encoding") == "dcz"
    assert second.header("vary") == "Accept-Encoding, Available-Dictionary"
    assert second.body[:40] == b"\x5e\x2a\x4d\x18\x20\x00\x00\x00" + digest
    decoder = zstd.ZstdDecompressor(zstd.ZstdDict(versions[0], is_raw=True).as_prefix)
    assert decoder.decompress(second.body[40:]) == versions[1]
    assert len(second.body) < len(first.body)
    other = await request(layer, "GET", "/elsewhere", headers=holds)
    assert (other.header("content-encoding"), other.header("vary")) == ("zstd", "Accept-Encoding")
