"""What the page `why.md` says of this collection and of Starlette is so."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

import pytest
import starlette
from starlette.applications import Starlette
from starlette.middleware import Middleware as StarletteMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount

from middlewares import CORS, GZip, Middleware, OptionError, RateLimit, Stack
from middlewares.testing import Response, request
from tests.docs.pages import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares.asgi import ASGIApp, Receive, Scope, Send

PAGE = (ROOT / "docs/why.md").read_text()
COMPARED = re.findall(r"Starlette (\d+\.\d+)", PAGE)
IS_COMPARED = starlette.__version__.rpartition(".")[0] in COMPARED
"""Whether Starlette is installed in the version that the page speaks of; of others it says nothing."""

ORIGIN = "https://app.example.com"


def answering(*headers: tuple[str, str]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        fields = [(name.encode(), value.encode()) for name, value in (("content-type", "text/plain"), *headers)]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": b"hello " * 200})

    return app


async def gzipped(layer: Callable[[ASGIApp], ASGIApp], *headers: tuple[str, str], accept: str = "gzip") -> Response:
    return await request(layer(answering(*headers)), headers={"accept-encoding": accept})


def test_the_page_names_one_version() -> None:
    assert len(set(COMPARED)) == 1


@pytest.mark.parametrize(
    ("headers", "accept", "shown", "here", "there"),
    [
        ([], "gzip;q=0", "content-encoding", None, "gzip"),
        ([("etag", '"a"')], "gzip", "etag", 'W/"a"', '"a"'),
        ([("accept-ranges", "bytes")], "gzip", "accept-ranges", None, "bytes"),
        ([("cache-control", "no-transform")], "gzip", "content-encoding", None, "gzip"),
    ],
)
async def test_gzip(
    headers: list[tuple[str, str]], accept: str, shown: str, here: str | None, there: str | None
) -> None:
    assert (await gzipped(GZip, *headers, accept=accept)).header(shown) == here
    if IS_COMPARED:
        assert (await gzipped(GZipMiddleware, *headers, accept=accept)).header(shown) == there


@pytest.mark.parametrize(
    ("policy", "hint"),
    [
        ({"allow_origins": ORIGIN}, f"write ['{ORIGIN}']"),
        ({"allow_origins": [f"{ORIGIN}/"]}, f"did you mean '{ORIGIN}'?"),
        ({"allow_origins": ["*"], "allow_credentials": True}, "list the origins"),
    ],
)
def test_cors_refuses_what_cannot_be_meant(policy: dict[str, Any], hint: str) -> None:
    with pytest.raises(OptionError, match=re.escape(hint)):
        Middleware(CORS, **policy)
    if IS_COMPARED:
        CORSMiddleware(answering(), **policy)


async def test_the_policy_of_the_application_wins() -> None:
    app = answering(("access-control-allow-origin", "https://other.example"))
    headers = {"origin": ORIGIN}
    here = await request(CORS(app, allow_origins=[ORIGIN]), headers=headers)
    assert here.values("access-control-allow-origin") == ["https://other.example"]
    if IS_COMPARED:
        there = await request(CORSMiddleware(app, allow_origins=[ORIGIN]), headers=headers)
        assert there.values("access-control-allow-origin") == [ORIGIN]


async def test_pages_read_what_is_answered_outside() -> None:
    async def failing(scope: Any, receive: Any, send: Any) -> None:
        raise ZeroDivisionError

    layers: tuple[tuple[Any, str | None], ...] = (cast("Any", CORS), ORIGIN), (cast("Any", CORSMiddleware), None)
    for cls, shown in layers:
        record = StarletteMiddleware(cls, allow_origins=[ORIGIN])
        limited = Stack(Middleware(RateLimit, limit="1/minute", cost=2), record)(answering())
        failed = Starlette(routes=[Mount("/", failing)], middleware=[record])
        for app, status in ((limited, 429), (failed, 500)):
            response = await request(app, headers={"origin": ORIGIN}, raise_exceptions=False)
            assert response.status == status
            if cls is CORS or IS_COMPARED:
                assert response.header("access-control-allow-origin") == shown


def test_mistakes_are_reported_where_they_are_written_and_at_once() -> None:
    options: dict[str, Any] = {"minimum_siz": 1, "compresslevel": 10}
    with pytest.raises(OptionError, match=r"(?s)did you mean 'minimum_size'.*must be from 1 to 9"):
        Middleware(GZip, **options)
    if IS_COMPARED:
        record = StarletteMiddleware(GZipMiddleware, **options)
        with pytest.raises(TypeError, match="minimum_siz"):
            record.cls(answering(), *record.args, **record.kwargs)


def test_the_shares_are_those_that_the_benchmarks_check() -> None:
    from benchmarks.cases import ALL

    bars = {bar.ratio for case in ALL for bar in case.bars if bar.ratio is not None}
    section = PAGE.partition("## Speed")[2].partition("\nHow")[0]
    shares = {1 / 3 if share == "1/3" else float(share) for share in re.findall(r"\| ([\d./]+) \|", section)}
    assert shares
    assert shares <= bars
