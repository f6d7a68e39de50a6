"""Legal traffic gives no finding: plain applications, Starlette's responses, our layers, the example shop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route, WebSocketRoute

from examples.shop.app import app as shop
from middlewares import CORS, GZip, Middleware, Stack, When
from middlewares.testing import Lint, http_scope, lifespan, request, websocket
from tests.testing.lint.course import EVERY_EXTENSION, body, make_scope, serve, start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def chunks() -> AsyncIterator[bytes]:
    for number in range(3):
        yield b"%d" % number * 1000


async def later() -> Any:
    pass


async def socket(websocket: Any) -> Any:
    await websocket.accept(subprotocol="echo")
    async for text in websocket.iter_text():
        await websocket.send_text(text)


async def denied(websocket: Any) -> Any:
    await websocket.send_denial_response(JSONResponse({"no": 1}, 401))


RESPONSES = {
    "plain": lambda: PlainTextResponse("hello " * 500),
    "html": lambda: HTMLResponse("<p>"),
    "json": lambda: JSONResponse({"a": [1]}),
    "redirect": lambda: RedirectResponse("/plain"),
    "empty": lambda: Response(status_code=204),
    "unchanged": lambda: Response(status_code=304),
    "stream": lambda: StreamingResponse(chunks(), media_type="text/plain"),
    "file": lambda: FileResponse(__file__),
}


def respond(make: Any) -> Any:
    async def endpoint(request: Any) -> Any:
        await request.body()
        return make()

    return endpoint


routes = [Route(f"/{name}", respond(make), methods=["GET", "POST"]) for name, make in RESPONSES.items()]
starlette = Starlette(
    routes=[
        *routes,
        Mount("/inside", routes=routes),
        WebSocketRoute("/echo", socket),
        WebSocketRoute("/denied", denied),
    ]
)


def stacks(app: Any) -> Any:
    """Return the findings, and lints around and between our layers, in both orders, strict and not."""
    findings: list[Any] = []
    for strict in (False, True):
        for layers in ((GZip, CORS), (CORS, GZip)):
            entries = [Middleware(Lint, report=findings, strict=strict)]
            for layer in layers:
                options = {"allow_origins": ["https://a.example"]} if layer is CORS else {}
                entries += [When(Middleware(layer, **options), paths=["/*"]), Middleware(Lint, report=findings)]
            yield findings, Stack(*entries)(app)


HEADERS = {"accept-encoding": "gzip", "origin": "https://a.example"}


@pytest.mark.parametrize("extensions", [None, EVERY_EXTENSION])
@pytest.mark.parametrize("name", RESPONSES)
async def test_the_responses_of_starlette_are_clean(name, extensions):
    for findings, app in stacks(starlette):
        for path in (f"/{name}", f"/inside/{name}"):
            for sent in (b"", [b"a", b"", b"b"]):
                await request(app, "POST", path, headers=HEADERS, extensions=extensions, body=sent)
                await request(app, "GET", path, headers=HEADERS, extensions=extensions)
        assert [str(finding) for finding in findings] == []


async def test_a_preflight_is_clean():
    for findings, app in stacks(starlette):
        response = await request(app, "OPTIONS", headers={**HEADERS, "access-control-request-method": "GET"})
        assert response.header("access-control-allow-origin") == "https://a.example"
        assert findings == []


async def test_sockets_and_lifespans_of_starlette_are_clean():
    for findings, app in stacks(starlette):
        async with lifespan(app) as state:
            async with websocket(app, "/echo", subprotocols=["echo"], state=state) as ws:
                await ws.send_text("hello")
                assert await ws.receive_text() == "hello"
            await serve(app, {**http_scope(path="/plain"), "state": {}})
        assert [str(finding) for finding in findings] == []


@pytest.mark.parametrize(
    "path",
    ["/", "/products", "/products/1", "/products.csv", "/events?interval=0", "/manual", "/healthz", "/site/", "/none"],
)
async def test_the_shop_is_clean(path):
    for findings, app in stacks(shop):
        async with lifespan(app) as state:
            path, _, query = path.partition("?")
            await request(app, path=path, query=query, headers=HEADERS, state=state)
        assert [str(finding) for finding in findings] == []


async def test_a_base_http_middleware_is_clean_on_plain_traffic():
    async def dispatch(request: Any, call_next: Any) -> Any:
        return await call_next(request)

    findings: list[Any] = []
    app = Lint(BaseHTTPMiddleware(Lint(starlette, report=findings), dispatch), report=findings)
    await request(app, path="/plain")
    await request(app, path="/stream")
    assert [str(finding) for finding in findings] == []


async def test_an_application_that_raises_or_whose_client_leaves_is_clean():
    async def app(scope: Any, receive: Any, send: Any) -> Any:
        await send(start())
        while (await receive())["type"] != "http.disconnect":
            await send(body(b"x", more_body=True))
        if scope["path"] == "/raise":
            raise RuntimeError("broken")

    lint = Lint(app)
    await serve(lint)
    await serve(lint, http_scope(path="/raise"))
    assert lint.findings == []


@pytest.mark.parametrize(
    "change",
    [
        {"headers": ((b"a", b"1"), [b"b", b"2"])},
        {"client": None, "server": ["/run/socket", None]},
        {"raw_path": None, "path": "/é %"},
        {"root_path": "/api", "path": "/api/users"},
        {"extensions": {}, "own": object()},
    ],
)
async def test_awkward_legal_scopes_are_clean(change):
    async def app(scope: Any, receive: Any, send: Any) -> Any:
        await send(start())
        await send(body())

    lint = Lint(app)
    await serve(lint, {**http_scope(), **change})
    assert lint.findings == []


class Frozen(dict[str, Any]):
    """A dict that nobody can write into."""

    def __setitem__(self, key: str, value: Any) -> None:
        raise TypeError("frozen")

    __delitem__ = clear = pop = popitem = setdefault = update = __setitem__  # type: ignore[assignment]  # all raise


@pytest.mark.parametrize("kind", ["http", "websocket", "lifespan"])
async def test_a_scope_may_be_a_dict_of_another_class_that_cannot_be_changed(kind):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["endpoint"] = app
        await receive()
        await send(ANSWERS[kind])
        await (send(body()) if kind == "http" else receive())
        if kind == "lifespan":
            await send({"type": "lifespan.shutdown.complete"})

    async def freezing(scope: Any, receive: Any, send: Any) -> None:
        await inner(Frozen({**scope, "asgi": Frozen(scope["asgi"])}), receive, send)

    findings: list[Any] = []
    inner = Lint(app, report=findings)
    scope = Frozen(make_scope(kind))
    sent = await serve(Lint(freezing, report=findings), scope)
    assert [str(finding) for finding in findings] == []
    assert not isinstance(sent[-1], Exception)
    assert "endpoint" not in scope


ANSWERS = {
    "http": start(),
    "websocket": {"type": "websocket.accept"},
    "lifespan": {"type": "lifespan.startup.complete"},
}


@pytest.mark.parametrize("key", ["scheme", "raw_path", "root_path", "client", "server", "extensions", "state"])
async def test_what_is_optional_may_be_missing(key):
    async def app(scope: Any, receive: Any, send: Any) -> Any:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    lint = Lint(app)
    scope = http_scope()
    scope.pop(key, None)
    await serve(lint, scope)
    assert lint.findings == []
