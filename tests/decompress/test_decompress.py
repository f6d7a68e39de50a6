"""Decompress by the clauses of the standards: which requests are decoded, which refused, what the application sees."""

from __future__ import annotations

import pickle
import sys
from itertools import product
from typing import Any

import pytest

from middlewares import CORS, Decompress, Middleware, MissingExtra, OptionError, Stack
from middlewares.core.exchange import EXCHANGE, Exchange
from middlewares.core.refusals import Refusal
from middlewares.decompress import RefusedBody, decoders
from middlewares.testing import Lint, http_scope, request, websocket
from tests.decompress.bodies import ENCODERS, NOISY, TEXT, Reader, encoded, post, reason

NAMES = {
    "gzip": "gzip",
    "GZip": "gzip",
    "x-gzip": "gzip",
    "X-GZIP": "gzip",
    "deflate": "deflate",
    "br": "br",
    "zstd": "zstd",
    "identity, gzip": "gzip",
    " , gzip ,, Identity": "gzip",
}


@pytest.mark.parametrize("data", [b"", b"x", TEXT, NOISY], ids=["empty", "byte", "text", "large"])
@pytest.mark.parametrize("name", NAMES)
async def test_a_body_is_decoded(name: str, data: bytes) -> None:
    """RFC 9110, 8.4.1: names compare without case, x-gzip is gzip, identity is nothing."""
    reader = Reader()
    response = await post(Lint(Decompress(Lint(reader))), encoded(data, NAMES[name]), name)
    assert (response.status, reader.body) == (200, data)


@pytest.mark.parametrize("coding", ENCODERS)
async def test_the_end_may_come_in_an_event_of_its_own(coding: str) -> None:
    reader = Reader()
    assert (await post(Decompress(reader), [b"", encoded(TEXT, coding), b"", b""], coding)).status == 200
    assert reader.body == TEXT


@pytest.mark.parametrize(("first", "second"), [*product(ENCODERS, repeat=2)])
async def test_stacked_codings_are_undone_in_reverse(first: str, second: str) -> None:
    """Requirement 18; RFC 9110, 8.4: listed in the order in which they were applied."""
    reader = Reader()
    assert (await post(Decompress(reader), encoded(NOISY, first, second), first, second)).status == 200
    assert reader.body == NOISY


async def test_several_fields_are_one_list() -> None:
    """RFC 9110, 5.3."""
    reader = Reader()
    headers = [("content-encoding", "br"), ("Content-Encoding", "gzip")]
    await request(Decompress(reader), "POST", headers=headers, body=encoded(TEXT, "br", "gzip"))
    assert reader.body == TEXT


async def test_what_described_the_encoded_bytes_is_gone_inside_and_only_there() -> None:
    """Requirement 18: the application may trust what it is told of its body."""
    reader, body = Reader(), encoded(TEXT, "gzip")
    scope = http_scope("POST", headers={"content-encoding": "gzip", "content-length": str(len(body)), "x-other": "1"})
    before = {**scope, "headers": [*scope["headers"]]}

    async def receive() -> Any:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None: ...

    await Decompress(reader)(scope, receive, send)
    assert reader.scope["headers"] == [(b"x-other", b"1")]
    assert scope == before


@pytest.mark.parametrize("value", ["identity", "", " , ", "Identity, identity, identity"])
async def test_a_request_without_coding_passes_untouched(value: str) -> None:
    passed: list[Any] = []

    async def app(*arguments: Any) -> None:
        passed.extend(arguments)

    given: Any = (http_scope("POST", headers={"content-encoding": value}), object(), object())
    await Decompress(app)(*given)
    assert all(one is other for one, other in zip(passed, given, strict=True))


async def test_websockets_pass() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()

    async with websocket(Decompress(app), headers={"content-encoding": "zz"}):
        pass


@pytest.mark.parametrize("value", ["compress", "gzip, zz", "zz, gzip", "gzip;q=1", '"gzip"', "*", "aws-chunked,gzip"])
async def test_an_unsupported_coding_is_refused_and_ours_are_listed(value: str) -> None:
    """Requirement 17; RFC 9110, 15.5.16 and 12.5.3: and the application is not called."""
    reader = Reader()
    response = await post(Decompress(reader), TEXT, value)
    assert (response.status, reader.calls) == (415, 0)
    assert response.header("accept-encoding") == "gzip, deflate, br, zstd"


async def test_a_415_for_another_reason_lists_no_codings() -> None:
    """Requirements 17 and 18: the count is bounded, and that of the application is its own."""
    response = await post(Decompress(Reader(), max_codings=2), TEXT, "gzip", "identity", "gzip", "gzip")
    assert (response.status, response.header("accept-encoding")) == (415, None)
    assert reason(response) == "The request body has 3 content codings, and at most 2 are decoded."


async def test_codings_can_be_chosen() -> None:
    app = Decompress(Reader(), codings=["br", "gzip"])
    assert (await post(app, encoded(TEXT, "gzip"), "gzip")).status == 200
    assert (await post(app, encoded(TEXT, "zstd"), "zstd")).header("accept-encoding") == "br, gzip"


async def test_a_coding_whose_extra_is_missing_is_left_out_or_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Any:
        raise MissingExtra("Decompress: the coding zstd", "zstd")

    monkeypatch.setitem(decoders.DECODERS, "zstd", missing)
    response = await post(Decompress(Reader()), TEXT, "zstd")
    assert (response.status, response.header("accept-encoding")) == (415, "gzip, deflate, br")
    with pytest.raises(MissingExtra, match=r"middlewares\[zstd\]"):
        Decompress(Reader(), codings=["gzip", "zstd"])


def test_zstd_is_looked_for_where_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    decoders._zstd.cache_clear()
    monkeypatch.setitem(sys.modules, "compression", None)
    monkeypatch.setitem(sys.modules, "backports", None)
    with pytest.raises(MissingExtra, match=r"middlewares\[zstd\]"):
        decoders.DECODERS["zstd"]()


@pytest.mark.parametrize("coding", [*ENCODERS])
async def test_no_bytes_at_all_are_an_empty_body(coding: str) -> None:
    """Some clients name a coding with every request, also with GET."""
    reader = Reader()
    assert (await post(Decompress(reader), [b"", b""], coding)).status == 200
    assert (await post(Decompress(reader), b"", coding, coding)).status == 200
    assert reader.body == b""
    assert reader.is_whole


async def test_a_refusal_is_recorded_and_readable_through_cors() -> None:
    exchange = Exchange()
    exchange.layers = [test_a_refusal_is_recorded_and_readable_through_cors]  # who made it is still there

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        await inner({**scope, EXCHANGE: exchange}, receive, send)

    inner = Stack(Middleware(CORS, allow_origins=["https://a.example"]), Decompress)(Reader())
    response = await post(outer, TEXT, "gzip", origin="https://a.example")
    assert response.header("access-control-allow-origin") == "https://a.example"
    assert [refusal.code for refusal in exchange.refusals] == ["decompress.corrupt"]


async def test_keys_that_inner_code_adds_are_handed_back() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = "/items"

    scope: Any = http_scope("POST", headers={"content-encoding": "gzip"})
    await Decompress(app)(scope, None, None)  # type: ignore[arg-type]  # nobody calls them
    assert scope["route"] == "/items"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"codings": ["gzp"]}, r"codings must be among .* got 'gzp' \(did you mean 'gzip'\?\)"),
        ({"codings": "gzip"}, "codings must be a list of strings; got 'gzip'"),
        ({"codings": []}, "codings must name at least one coding"),
        ({"max_size": 0}, "max_size must be at least 1; got 0"),
        ({"max_size": None}, "max_size must be an integer"),
        ({"max_ratio": 0}, "max_ratio must be at least 1"),
        ({"ratio_floor": -1}, "ratio_floor must be at least 0"),
        ({"max_codings": 0}, "max_codings must be at least 1"),
    ],
)
def test_options_are_checked(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(OptionError, match=problem):
        Decompress(Reader(), **options)


def test_the_error_survives_pickling() -> None:
    """As when a worker process hands it on."""
    refusal = Refusal(status=413, code="decompress.size", detail="too large")
    error = pickle.loads(pickle.dumps(RefusedBody(refusal)))  # noqa: S301 - our own
    assert (error.refusal.code, error.status_code, str(error)) == ("decompress.size", 413, "413: too large")
