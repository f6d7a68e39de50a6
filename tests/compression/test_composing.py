"""Every coding beside the layers that real stacks have, on either side of them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from middlewares.core.exchange import EXCHANGE, Exchange
from middlewares.testing import Driver, http_scope, request
from tests.compression.answers import TEXT, answering, body, start, streaming, whole
from tests.compression.coders import CODERS, Coder

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.middleware.base import RequestResponseEndpoint
    from starlette.requests import Request

    from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send
    from middlewares.testing import Response as Received

pytestmark = pytest.mark.parametrize("coder", CODERS, ids=str)
shapes = pytest.mark.parametrize("inner", [whole(), streaming([TEXT[:900], TEXT[900:]])], ids=["whole", "streamed"])


async def get(app: ASGIApp, coder: Coder, **headers: str) -> Received:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await request(app, headers={**coder.accepts, **named})


class Collecting:
    """What layers that need whole responses have in common."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def collect(self, scope: Scope, receive: Receive) -> tuple[Message, bytes]:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, keep)
        return messages[0], b"".join(message.get("body", b"") for message in messages[1:])


class EntityTags(Collecting):
    """Tag bodies by their hash, and answer conditional requests (RFC 9110, 13.1.2)."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        first, data = await self.collect(scope, receive)
        tag = b'"%b"' % hashlib.sha256(data).hexdigest()[:16].encode()
        headers = [*first["headers"], (b"etag", tag)]
        asked = dict(scope["headers"]).get(b"if-none-match", b"")
        is_known = tag in [each.strip().removeprefix(b"W/") for each in asked.split(b",")]
        await send({**first, "status": 304 if is_known else 200, "headers": headers})
        await send(body(b"" if is_known else data))


class Cache(Collecting):
    """Store responses by what their ``Vary`` names, with the very fields that they had."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app)
        self.stored: dict[bytes | None, tuple[Message, bytes]] = {}
        self.varies = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = dict(scope["headers"]).get(b"accept-encoding") if self.varies else None
        if key not in self.stored:
            first, data = await self.collect(scope, receive)
            self.varies = b"accept-encoding" in dict(first["headers"]).get(b"vary", b"").lower()
            key = dict(scope["headers"]).get(b"accept-encoding") if self.varies else None
            self.stored[key] = first, data
        first, data = self.stored[key]
        await send(first)
        await send(body(data))


# -- entity tags and caches


@shapes
@pytest.mark.parametrize("etags", ["weaken", "suffix"])
@pytest.mark.parametrize("is_outside", [True, False], ids=["outside", "inside"])
@pytest.mark.parametrize("breach", ["off", "pad"])
async def test_entity_tags_of_another_layer_lead_to_304(
    coder: Coder, inner: ASGIApp, etags: str, breach: str, is_outside: bool
) -> None:
    """Outside it sees encoded bytes, which are the same each time; inside its tag is changed, and still matches."""
    options = {"etags": etags, "breach": breach}
    app = EntityTags(coder.make(inner, **options)) if is_outside else coder.make(EntityTags(inner), **options)
    first = await get(app, coder)
    assert coder.read(first) == TEXT
    assert first.header("content-encoding") == coder.coding
    tag = first.header("etag") or ""
    assert tag.startswith("W/") is (etags == "weaken" and not is_outside)
    again = await get(app, coder, if_none_match=f'"other", {tag}')
    assert (again.status, again.header("etag"), again.body) == (304, tag, b"")
    plain = await request(app)
    assert plain.header("etag") != tag


@shapes
@pytest.mark.parametrize("is_outside", [True, False], ids=["outside", "inside"])
async def test_a_cache_never_mixes_bytes_and_fields(coder: Coder, inner: ASGIApp, is_outside: bool) -> None:
    app = Cache(coder.make(inner)) if is_outside else coder.make(Cache(inner))
    for _ in range(2):
        for headers, coding in ((coder.accepts, coder.coding), ({}, None), ({"accept-encoding": "deflate"}, None)):
            response = await request(app, headers=headers)
            assert response.header("content-encoding") == coding
            assert coder.read(response) == TEXT


# -- metrics, sessions, small refusals


@shapes
async def test_both_sides_of_the_layer_can_be_counted(coder: Coder, inner: ASGIApp) -> None:
    """Whoever stands inside counts the bytes as they were; the exchange tells both to both."""
    raw = [0]

    async def counted(scope: Scope, receive: Receive, send: Send) -> None:
        async def count(message: Message) -> None:
            raw[0] += len(message.get("body", b""))
            await send(message)

        await inner(scope, receive, count)

    exchange = Exchange()
    async with Driver(coder.make(counted), {**http_scope(headers=coder.accepts), EXCHANGE: exchange}) as call:
        await call.finish()
    wire = sum(len(message.get("body", b"")) for message in call.sent)
    [fact] = exchange.codings
    assert (fact.raw_bytes, fact.wire_bytes) == (raw[0], wire)
    assert wire < raw[0] == len(TEXT)


@pytest.mark.parametrize("more", [False, True], ids=["whole", "streamed"])
async def test_every_line_of_a_field_survives_in_its_order(coder: Coder, more: bool) -> None:
    lines = [("set-cookie", "a=1"), ("link", "</a>"), ("set-cookie", "b=2"), ("vary", "Cookie"), ("vary", "Origin")]
    rest = [body(b"")] if more else []
    response = await get(
        coder.make(answering(start([*lines, ("set-cookie", "c=3")]), body(TEXT, more=more), *rest)), coder
    )
    assert response.values("set-cookie") == ["a=1", "b=2", "c=3"]
    assert response.values("link") == ["</a>"]
    assert ", ".join(response.values("vary")) == "Cookie, Origin, Accept-Encoding"


@pytest.mark.parametrize("status", [400, 401, 404, 413, 429, 500, 503])
async def test_small_answers_stay_and_large_error_pages_shrink(coder: Coder, status: int) -> None:
    small = await get(coder.make(whole(b"Too Many", {"retry-after": "1"}, status=status)), coder)
    assert (small.body, small.header("content-encoding"), small.header("retry-after")) == (b"Too Many", None, "1")
    page = await get(coder.make(whole(status=status)), coder)
    assert (page.status, page.header("content-encoding")) == (status, coder.coding)
    assert coder.read(page) == TEXT


# -- errors


class ErrorPages:
    """Answer 500 if nothing has left yet, as a framework's outermost layer does."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def noted(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self.app(scope, receive, noted)
        except ValueError:
            if has_begun:
                raise
            await whole(b"sorry", status=500)(scope, receive, send)


def failing(*messages: Message) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)
        raise ValueError("on purpose")

    return app


async def test_an_error_after_a_start_that_was_kept_back_becomes_a_500(coder: Coder) -> None:
    response = await get(ErrorPages(coder.make(failing(start()))), coder)
    assert (response.status, response.body, response.exception) == (500, b"sorry", None)
    assert response.header("content-encoding") is None


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
async def test_a_truncated_body_can_be_seen_to_be_one(coder: Coder, content_type: str) -> None:
    """No end is made to what the application did not end: neither of the messages nor in the coding."""
    app = ErrorPages(coder.make(failing(start(content_type=content_type), body(TEXT, more=True))))
    response = await request(app, headers=coder.accepts, raise_exceptions=False)
    assert isinstance(response.exception, ValueError)
    assert all(message.get("more_body") for message in response.messages[1:])
    assert coder.so_far(response.chunks) == TEXT
    if coder.coding == "zstd":
        from backports import zstd

        decoder = zstd.ZstdDecompressor()
        decoder.decompress(response.body)
        assert not decoder.eof
    else:
        with pytest.raises(Exception, match=r"(?i)end|truncat|decod|incomplete"):
            coder.whole(response.body)


# -- layers of Starlette

LARGE = TEXT.decode()


async def endpoint(request: Request) -> Response:
    match request.path_params["kind"]:
        case "small":
            return PlainTextResponse("small")
        case "large":
            return PlainTextResponse(LARGE)
        case _:
            return StreamingResponse(iter([LARGE[:900], LARGE[900:]]), media_type="text/event-stream")


async def dispatch(request: Request, call_next: RequestResponseEndpoint) -> Response:
    response = await call_next(request)
    response.headers["x-seen"] = "1"
    return response


def shop() -> ASGIApp:
    return Starlette(routes=[Route("/{kind}", endpoint)])


@pytest.mark.parametrize("is_outside", [True, False], ids=["outside", "inside"])
@pytest.mark.parametrize(("kind", "text"), [("small", "small"), ("large", LARGE), ("events", LARGE)])
async def test_base_http_middleware_splits_bodies(coder: Coder, is_outside: bool, kind: str, text: str) -> None:
    """It makes a chunk and an empty end of each body. The length that it leaves in place tells how small that is."""
    if is_outside:
        app: ASGIApp = BaseHTTPMiddleware(coder.make(shop()), dispatch=dispatch)
    else:
        app = coder.make(BaseHTTPMiddleware(shop(), dispatch=dispatch))
    response = await request(app, "GET", f"/{kind}", headers=coder.accepts)
    assert response.header("x-seen") == "1"
    assert response.header("content-encoding") == (None if kind == "small" else coder.coding)
    assert coder.read(response) == text.encode()


@pytest.mark.parametrize("make", [lambda app: GZipMiddleware(app), lambda app: app], ids=["both", "one"])
@pytest.mark.parametrize("kind", ["small", "large", "events"])
async def test_of_two_compressors_only_one_encodes(coder: Coder, make: Callable[[Any], Any], kind: str) -> None:
    """Whichever stands inside; that of Starlette leaves event streams alone."""
    for app in (GZipMiddleware(coder.make(shop())), coder.make(make(shop()))):
        headers = {"accept-encoding": f"{coder.coding}, gzip"}
        response = await request(app, "GET", f"/{kind}", headers=headers)
        codings = response.values("content-encoding")
        assert len(codings) == (kind != "small")
        decode = CODERS[0].whole if codings == ["gzip"] else coder.whole if codings else bytes
        assert decode(response.body) == (b"small" if kind == "small" else TEXT)


# -- HEAD


def as_get(app: ASGIApp, *, strips: bool) -> ASGIApp:
    """Answer HEAD by GET; the layer, or else the server, takes the body off."""

    async def layer(scope: Scope, receive: Receive, send: Send) -> None:
        async def stripped(message: Message) -> None:
            is_body = message["type"] == "http.response.body" and scope["method"] == "HEAD" and strips
            await send({**message, "body": b""} if is_body else message)

        await app({**scope, "method": "GET"}, receive, stripped)

    return layer


@shapes
async def test_layers_that_answer_head_by_get(coder: Coder, inner: ASGIApp) -> None:
    for app in (
        as_get(coder.make(inner), strips=True),
        coder.make(as_get(inner, strips=True)),
        coder.make(as_get(inner, strips=False)),
    ):
        head = await request(app, "HEAD", headers=coder.accepts)
        get_ = await request(app, "GET", headers=coder.accepts)
        assert head.body == b""
        assert head.header("content-encoding") == get_.header("content-encoding") == coder.coding
        assert head.header("vary") == get_.header("vary")
        assert head.header("content-length") in (None, get_.header("content-length"))
