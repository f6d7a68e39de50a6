"""What lengths tell is blurred by padding, or kept from requests that other sites make."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from middlewares import Compress
from middlewares.compression.breach import padding_for
from middlewares.testing import header_pairs, request
from tests.compression.answers import TEXT, streaming, whole
from tests.compression.coders import CODERS, Coder

if TYPE_CHECKING:
    from middlewares.testing.scopes import Headers

each_coding = pytest.mark.parametrize("coder", CODERS, ids=str)


@each_coding
@pytest.mark.parametrize("streamed", [False, True])
async def test_padding_depends_on_the_content_and_on_nothing_else(coder: Coder, streamed: bool) -> None:
    grown = set[int]()
    for number in range(40):
        data = b"%d" % number + TEXT
        app = streaming([data]) if streamed else whole(data)
        padded = await request(coder.make(app, breach="pad"), headers=coder.accepts)
        again = await request(coder.make(app, breach="pad"), headers=coder.accepts)
        plain = await request(coder.make(app), headers=coder.accepts)
        assert coder.read(padded) == data
        assert padded.body == again.body
        grown.add(len(padded.body) - len(plain.body))
    assert len(grown) > 10
    assert min(grown) > 0
    assert max(grown) <= 64 + 12


def test_padding_is_from_1_to_64_bytes() -> None:
    assert {padding_for(b"%d" % number) for number in range(3000)} == set(range(1, 65))


SECRET = {"set-cookie": "session=1"}


@each_coding
@pytest.mark.parametrize("response_headers", [SECRET, {"cache-control": "max-age=5, Private"}])
@pytest.mark.parametrize(
    ("headers", "is_cross"),
    [
        ({}, False),
        ({"sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "same-site", "origin": "https://evil.example"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": "Same-Origin"}, False),
        ({"sec-fetch-site": ""}, True),
        ({"sec-fetch-site": "elsewhere", "origin": "https://shop.example"}, True),
        ([("sec-fetch-site", "cross-site"), ("sec-fetch-site", "none")], True),
        ([("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")], True),
        ({"origin": "https://evil.example"}, True),
        ({"origin": "null"}, True),
        ({"origin": "https://shop.example:444"}, False),
        ({"referer": "https://shop.example/page"}, False),
        ({"referer": "https://evil.example/shop.example"}, True),
        ({"referer": "https://[::1"}, True),
    ],
)
async def test_secrets_are_not_compressed_for_other_sites(
    coder: Coder, response_headers: dict[str, str], headers: Headers, is_cross: bool
) -> None:
    app = coder.make(whole(headers=response_headers), breach="guard")
    asking = header_pairs({**coder.accepts, "host": "shop.example"}) + header_pairs(headers)
    response = await request(app, headers=asking)
    assert response.header("content-encoding") == (None if is_cross else coder.coding)
    assert response.header("vary") == "Accept-Encoding, Sec-Fetch-Site, Origin, Referer"
    assert coder.read(response) == TEXT


@each_coding
async def test_what_is_no_secret_is_compressed_for_all(coder: Coder) -> None:
    app = coder.make(whole(headers={"cache-control": "public"}), breach="guard")
    response = await request(app, headers={**coder.accepts, "sec-fetch-site": "cross-site"})
    assert response.header("content-encoding") == coder.coding
    assert response.header("vary") == "Accept-Encoding"


async def test_the_plain_variant_of_a_secret_tells_caches_the_same() -> None:
    response = await request(Compress(whole(headers=SECRET), breach="guard"))
    assert response.header("vary") == "Accept-Encoding, Sec-Fetch-Site, Origin, Referer"
