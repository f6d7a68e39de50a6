"""Every coding obeys its own standard behind the layer, and RFC 9110 where responses have no body or ranges.

The names of tests hold the numbers of requirements, as in ``test_conformance``.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from middlewares import Brotli, Compress, Zstd
from middlewares.compression.dictionaries import Dictionary
from middlewares.testing import request
from tests.compression.answers import ETAG, TEXT, answering, body, start, whole
from tests.compression.coders import CODERS, Coder
from tests.compression.versions import ALL, NEW, OLD, available, decoded, noise

if TYPE_CHECKING:
    from pathlib import Path

    from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send
    from middlewares.testing import Response
    from middlewares.testing.scopes import Headers

MB = 1 << 20
each_coding = pytest.mark.parametrize("coder", CODERS, ids=str)
shapes = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


def app_of(data: bytes, headers: Headers = (), *, streamed: bool = False) -> ASGIApp:
    if not streamed:
        return answering(start(headers), body(data))
    half = len(data) // 2
    return answering(start(headers), body(data[:half], more=True), body(data[half:], more=True), body(b""))


# -- 12: 1xx


@each_coding
@pytest.mark.parametrize("status", [100, 102, 103])
async def test_12_interim_responses_are_untouched(coder: Coder, status: int) -> None:
    """A server that sends what is no final response gets it as it is, and the one that follows is encoded."""
    hint: Message = {"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]}
    interim = start({"link": "</a.css>; rel=preload"}, status=status)
    response = await request(coder.make(answering(hint, interim)), headers=coder.accepts)
    assert response.messages == [hint, interim]
    response = await request(coder.make(answering(hint, start(), body(TEXT))), headers=coder.accepts)
    assert response.messages[0] == hint
    assert coder.read(response) == TEXT


# -- 14: ranges


async def ranged(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer as a file server does: ``If-Range`` and ``If-Match`` by strong comparison (RFC 9110, 13.1)."""
    asked = dict(scope["headers"])
    tag = ETAG.encode()
    if asked.get(b"if-match", tag) != tag:
        return await whole(b"", status=412)(scope, receive, send)
    if b"range" in asked and asked.get(b"if-range", tag) == tag:
        part = {"content-range": f"bytes 0-999/{len(TEXT)}", "etag": ETAG}
        return await whole(TEXT[:1000], part, status=206)(scope, receive, send)
    await whole(TEXT, {"etag": ETAG, "accept-ranges": "bytes"})(scope, receive, send)


@each_coding
@pytest.mark.parametrize("etags", ["weaken", "suffix"])
async def test_14_a_range_is_never_spliced_into_encoded_bytes(coder: Coder, etags: str) -> None:
    app = coder.make(ranged, etags=etags)
    first = await request(app, headers=coder.accepts)
    tag = first.header("etag")
    assert tag != ETAG
    assert first.header("accept-ranges") is None
    more = {**coder.accepts, "range": "bytes=0-999"}
    again = await request(app, headers={**more, "if-range": str(tag)})
    assert again.status == 200
    assert coder.read(again) == TEXT
    # Without If-Range the part is one of the bytes as they are, and says so by another tag.
    part = await request(app, headers=more)
    assert (part.status, part.header("etag"), part.header("content-encoding")) == (206, ETAG, None)
    assert part.body == TEXT[:1000]
    assert (await request(app, headers={**more, "if-range": ETAG})).status == 206


@each_coding
async def test_14_if_match_is_compared_strongly(coder: Coder) -> None:
    """A weak tag matches nothing there; one with a suffix is as strong as the application's."""
    for etags, status in (("weaken", 412), ("suffix", 200)):
        app = coder.make(ranged, etags=etags)
        tag = (await request(app, headers=coder.accepts)).header("etag")
        assert (await request(app, headers={**coder.accepts, "if-match": str(tag)})).status == status


# -- 19: caches


class ModelCache:
    """A shared cache that selects stored responses by their ``Vary`` alone (RFC 9111, 4.1)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.stored: list[tuple[dict[str, str | None], Response]] = []

    async def get(self, headers: dict[str, str]) -> Response:
        for wanted, response in self.stored:
            if all(headers.get(name) == value for name, value in wanted.items()):
                return response
        response = await request(self.app, headers=headers)
        names = [name.strip().lower() for name in (response.header("vary") or "").split(",") if name.strip()]
        self.stored.append(({name: headers.get(name) for name in names}, response))
        return response


fields = st.sampled_from(["gzip", "br", "zstd", "gzip;q=0", "*", "identity", "gzip, br", "br;q=0.5, gzip", "", None])
sites = st.sampled_from([None, "cross-site", "same-origin"])


@given(asked=st.lists(st.tuples(fields, sites), min_size=2, max_size=8), guards=st.booleans(), streamed=st.booleans())
async def test_19_no_client_gets_from_a_cache_what_it_does_not_take(
    asked: list[tuple[str | None, str | None]], guards: bool, streamed: bool
) -> None:
    """Nor what is kept from its site, where that is guarded."""
    secret = app_of(TEXT, {"set-cookie": "a=1", "cache-control": "max-age=60"}, streamed=streamed)
    layer = Compress(secret, breach="guard" if guards else "off")
    cache = ModelCache(layer)
    for accepted, site in asked:
        headers = {} if accepted is None else {"accept-encoding": accepted}
        headers |= {} if site is None else {"sec-fetch-site": site}
        direct, served = await request(layer, headers=headers), await cache.get(headers)
        assert served.header("content-encoding") == direct.header("content-encoding")
        assert served.body == direct.body


# -- 20, 22, 23: what the bytes declare


@shapes
@pytest.mark.parametrize("level", [1, 4, 6, 9])
async def test_20_gzip_is_one_member_with_its_sum_and_length(level: int, streamed: bool) -> None:
    data = TEXT * 400
    app = CODERS[0].make(app_of(data, streamed=streamed), compresslevel=level)
    response = await request(app, headers={"accept-encoding": "gzip"})
    assert response.body[:4] == b"\x1f\x8b\x08\x00"
    assert int.from_bytes(response.body[-8:-4], "little") == zlib.crc32(data)
    assert int.from_bytes(response.body[-4:], "little") == len(data)
    decoder = zlib.decompressobj(31)
    assert decoder.decompress(response.body) == data
    assert decoder.eof
    assert decoder.unused_data == b""


def brotli_window(encoded: bytes) -> int:
    """Return the bits of the window that a stream declares (RFC 7932, 9.1); large-window streams have none."""
    first = encoded[0]
    if not first & 1:
        return 16
    if first >> 1 & 0b111:
        return 17 + (first >> 1 & 0b111)
    low = first >> 4 & 0b111
    assert low != 1, "a large window, which is no Brotli of RFC 7932"
    return 17 if not low else 8 + low


@shapes
@pytest.mark.parametrize(("quality", "size"), [(0, 17 * MB), (4, 2_000), (4, 17 * MB), (9, 17 * MB), (11, MB)])
async def test_22_brotli_declares_no_window_above_16_mb(quality: int, size: int, streamed: bool) -> None:
    app = Brotli(app_of(bytes(size), streamed=streamed), quality=quality)
    response = await request(app, headers={"accept-encoding": "br"})
    assert response.header("content-encoding") == "br"
    assert brotli_window(response.body) <= 24


@shapes
@pytest.mark.parametrize(
    ("level", "size"),
    [(None, 2_000), (None, 9 * MB), (1, 9 * MB), (9, 9 * MB), (19, 9 * MB), (20, 9 * MB), (22, 2_000)],
)
async def test_23_zstd_declares_no_window_above_8_mb(level: int | None, size: int, streamed: bool) -> None:
    layer = Zstd(app_of(bytes(size), streamed=streamed), level=level, breach="off" if level else "pad")
    encoded = (await request(layer, headers={"accept-encoding": "zstd"})).body
    if level is None:
        assert encoded[:4] == b"\x50\x2a\x4d\x18"  # RFC 8878, 3.1.2: a skippable frame
        encoded = encoded[8 + int.from_bytes(encoded[4:8], "little") :]
    assert zstandard.get_frame_parameters(encoded).window_size <= 8 * MB
    decoder = zstandard.ZstdDecompressor(max_window_size=8 * MB).decompressobj()
    assert len(decoder.decompress(encoded)) == size


@each_coding
@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
@pytest.mark.parametrize("size", [65_535, 65_536, MB, 4 * MB])
async def test_a_large_chunk_grows_by_what_the_formats_need(coder: Coder, content_type: str, size: int) -> None:
    """At most 12 bytes, and 6 for each further 65,535 that it begins: gzip's stored blocks hold so many."""
    messages = [body(b"begin", more=True), body(noise(size), more=True), body(b"")]
    response = await request(coder.make(answering(start(content_type=content_type), *messages)), headers=coder.accepts)
    assert len(response.chunks[1]) <= size + 12 + 6 * ((size - 1) // 65_535)
    assert coder.read(response) == b"begin" + noise(size)


# -- 24 to 26: dictionaries

HOLDS = {
    "host": "localhost",
    "accept-encoding": ALL.decode(),
    "available-dictionary": available(OLD).decode(),
    "sec-fetch-site": "same-origin",
    "sec-fetch-mode": "cors",
}


@pytest.fixture
def layer(tmp_path: Path) -> Compress:
    """A layer that knows the version before as a dictionary, for both codings."""
    (tmp_path / "old.json").write_bytes(OLD)
    declared = Dictionary(match="/products", path=tmp_path)
    app = Compress(whole(NEW, {"cache-control": "public, max-age=60"}), dictionaries=[declared])
    dictionaries = app._plan.dictionaries
    assert dictionaries is not None
    assert dictionaries.settle()
    scope = {"type": "http", "scheme": "https", "method": "GET", "path": "/products", "headers": []}
    dictionaries.offer(scope, b"dcb", available(OLD))
    assert dictionaries.settle()
    return app


@pytest.mark.parametrize(("coding", "header"), [("dcz", 40), ("dcb", 36)])
async def test_24_dictionaries_are_named_and_windows_small(layer: Compress, coding: str, header: int) -> None:
    asks = {**HOLDS, "accept-encoding": f"gzip, {coding}"}
    response = await request(layer, "GET", "/products", headers=asks)
    assert response.header("content-encoding") == coding
    assert decoded(response.body, coding.encode(), OLD) == NEW  # which looks at the magic number and the hash too
    frame = response.body[header:]
    if coding == "dcz":
        assert zstandard.get_frame_parameters(frame).window_size <= max(8 * MB, len(OLD) * 5 // 4)
    else:
        assert brotli_window(frame) <= 24


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"accept-encoding": "gzip"}, id="25 not listed"),
        pytest.param({"accept-encoding": "gzip, dcb;q=0, dcz;q=0"}, id="25 refused"),
        pytest.param({"accept-encoding": "*"}, id="25 a star does not list it"),
        pytest.param({"available-dictionary": available(NEW).decode()}, id="25 another dictionary"),
        pytest.param({"available-dictionary": available(OLD).decode().strip(":")}, id="25 no byte sequence"),
        pytest.param({"available-dictionary": ":AA==:", "dictionary-id": '"old"'}, id="25 an id alone"),
        pytest.param({"host": "shop.example"}, id="25 no HTTPS"),
        pytest.param({"sec-fetch-site": "cross-site"}, id="26 another site"),
        pytest.param({"sec-fetch-site": "same-site"}, id="26 another origin"),
        pytest.param({"sec-fetch-site": "cross-site", "origin": "http://evil.example"}, id="26 with CORS"),
    ],
)
async def test_25_26_others_get_a_plain_coding(layer: Compress, changed: dict[str, str]) -> None:
    response = await request(layer, "GET", "/products", headers={**HOLDS, **changed})
    assert response.header("content-encoding") in ("zstd", "gzip")
    vary = {name.strip().lower() for name in (response.header("vary") or "").split(",")}
    assert "accept-encoding" in vary
    assert changed.get("host") or "available-dictionary" in vary


async def test_26_what_clients_are_told_to_keep(layer: Compress) -> None:
    response = await request(layer, "GET", "/products", headers=HOLDS)
    assert response.header("use-as-dictionary") == 'match="/products"'
    assert response.header("content-encoding") == "dcz"
    elsewhere = await request(layer, "GET", "/elsewhere", headers=HOLDS)
    assert elsewhere.header("use-as-dictionary") is None
