"""With ``etags="suffix"`` each coding has a tag of its own, which requests bring back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from middlewares import Compress
from middlewares.compression.entity_tags import SuffixedTags
from middlewares.testing import header_pairs, request
from tests.compression.answers import TEXT, body, start
from tests.compression.coders import CODERS, Coder

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Receive, Scope, Send

TAGS = SuffixedTags([b"zstd", b"br", b"gzip"])


def conditional(seen: list[dict[bytes, bytes]], etag: str = '"v1"') -> ASGIApp:
    """Return an application that answers 304 if it finds its tag in If-None-Match."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["endpoint"] = app
        headers = dict(scope["headers"])
        seen.append(headers)
        is_known = etag.encode().removeprefix(b"W/") in headers.get(b"if-none-match", b"")
        await send(start({"etag": etag}, status=304 if is_known else 200))
        await send(body(b"" if is_known else TEXT))

    return app


@pytest.mark.parametrize("coder", CODERS, ids=str)
async def test_a_client_comes_back_with_the_tag_it_got(coder: Coder) -> None:
    seen: list[dict[bytes, bytes]] = []
    app = coder.make(conditional(seen), etags="suffix")
    first = await request(app, headers=coder.accepts)
    assert first.values("etag") == [f'"v1-{coder.coding}"']
    for tag in (f'"v1-{coder.coding}"', f'W/"v1-{coder.coding}"', f'"a,b", "v1-{coder.coding}"'):
        for accepts in (coder.accepts, {}):
            again = await request(app, headers={**accepts, "if-none-match": tag})
            assert again.status == 304
            assert again.values("etag") == [f'"v1-{coder.coding}"']
            assert again.header("vary") == "Accept-Encoding"
    assert seen[-1][b"if-none-match"] == b'"a,b", "v1"'
    plain = await request(app, headers={"if-none-match": '"v1"'})
    assert (plain.status, plain.header("etag")) == (304, '"v1"')


async def test_a_304_has_the_tag_that_the_client_knows_and_not_another_of_ours() -> None:
    app = Compress(conditional([]), etags="suffix")
    response = await request(app, headers={"accept-encoding": "zstd", "if-none-match": '"v0-zstd", "v1-gzip"'})
    assert (response.status, response.header("etag")) == (304, '"v1-gzip"')


async def test_a_weak_tag_without_suffix_comes_back_weak() -> None:
    """So a response has that was encoded with a dictionary, and a cache looks for this very tag."""
    response = await request(
        Compress(conditional([]), etags="suffix"), headers={"accept-encoding": "br", "if-none-match": 'W/"v1"'}
    )
    assert (response.status, response.header("etag")) == (304, 'W/"v1"')


@pytest.mark.parametrize("etag", ['W/"v1"', "unquoted"])
async def test_what_is_no_strong_tag_stays(etag: str) -> None:
    response = await request(Compress(conditional([], etag), etags="suffix"), headers={"accept-encoding": "br"})
    assert response.values("etag") == [etag]
    response = await request(
        Compress(conditional([], 'W/"v1"'), etags="suffix"), headers={"accept-encoding": "br", "if-none-match": '"v1"'}
    )
    assert (response.status, response.header("etag")) == (304, 'W/"v1"')


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"if-match": '"a-gzip"'}, {"if-match": '"a"'}),
        ({"If-Match": 'W/"a-br" , "b-zstd","c"'}, {"if-match": 'W/"a", "b", "c"'}),
        ({"if-match": '"-gzip"'}, {"if-match": '""'}),
        ({"if-match": '"a-gzip-br"'}, {"if-match": '"a-gzip"'}),
        ({"if-match": "*"}, None),
        ({"if-match": '"a"'}, None),
        ({"if-match": '"a-deflate"'}, None),
        ({"if-match": "a-gzip"}, None),
        ({"if-range": '"a-gzip"'}, None),
        ({"x-tag": '"a-gzip"'}, None),
    ],
)
def test_suffixes_of_our_codings_are_taken_off_conditions(given: dict[str, str], wanted: dict[str, str] | None) -> None:
    """Compression 14: but not off If-Range, or ranges of other bytes would be spliced."""
    headers = TAGS.request_headers(header_pairs(given))
    assert headers == (None if wanted is None else header_pairs(wanted))


async def test_the_scope_that_was_handed_in_is_not_changed() -> None:
    from middlewares.testing import Driver, http_scope

    scope = http_scope(headers={"if-none-match": '"v1-gzip"'})
    before = [*scope["headers"]]
    async with Driver(Compress(conditional([]), etags="suffix"), scope) as call:
        await call.finish()
    assert scope["headers"] == before
    assert "endpoint" in scope
