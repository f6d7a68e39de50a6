"""The innermost layer of ours publishes the scope of the router, and nobody else does."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute

from middlewares import (
    CORS,
    ConcurrencyLimit,
    Decompress,
    Drain,
    GZip,
    Maintenance,
    Middleware,
    PublishRoute,
    RateLimit,
    Sessions,
    Stack,
    Timeout,
    When,
)
from middlewares.core.exchange import EXCHANGE, Exchange, join, publish_scope
from middlewares.core.layer import Layer, is_foreign, is_innermost, placeholder
from middlewares.core.routes import publish_route, route_template
from middlewares.registry import BUILTIN, load_builtin
from middlewares.testing import Lint, http_scope, request, websocket
from tests.routes.probe import Copying, Probe

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.websockets import WebSocket

    from middlewares.asgi import ASGIApp, Receive, Scope, Send

SECRET = "Zr8wLxTngv1yXkQYJb4Sg0m5hQ0eD7p2"  # noqa: S105 - of no use but here
PAGE = {"origin": "https://shop.example"}


async def answer(request: Request) -> PlainTextResponse:
    await request.body()
    return PlainTextResponse("ok")


async def close(socket: WebSocket) -> None:
    await socket.accept()
    await socket.close()


def router() -> Starlette:
    return Starlette(
        routes=[Route("/users/{id}", answer, methods=["GET", "POST"]), WebSocketRoute("/users/{id}", close)]
    )


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    pass


BRANCHES: dict[str, tuple[Callable[[ASGIApp], Any], dict[str, Any]]] = {
    **{name: (load_builtin(name), {}) for name in BUILTIN if name not in ("sessions", "maintenance")},
    "sessions": (lambda app: Sessions(app, secret_key=SECRET), {}),
    "sessions, one in another": (
        lambda app: Sessions(Copying(Sessions(app, secret_key=SECRET)), secret_key=SECRET),
        {},
    ),
    "sessions, one around another": (lambda app: Sessions(Sessions(app, secret_key=SECRET), secret_key=SECRET), {}),
    "maintenance, off": (lambda app: Maintenance(app, active=False), {}),
    "maintenance, of other paths": (lambda app: Maintenance(app, active=True, allow_paths=["/users/*"]), {}),
    "gzip, with extensions": (GZip, {"extensions": {"http.response.zerocopysend": {}}}),
    "gzip, with entity tags": (
        lambda app: GZip(app, etags="suffix"),
        {"headers": {"if-none-match": '"x-gzip"', "accept-encoding": "gzip"}},
    ),
    "gzip, excluded": (lambda app: GZip(app, exclude_paths=["/users/*"]), {}),
    "cors, a page": (lambda app: CORS(app, allow_origins=["https://shop.example"]), {"headers": PAGE}),
    "cors, a page, joined": (
        lambda app: CORS(app, allow_origins=["https://shop.example"], expose_headers="auto"),
        {"headers": PAGE},
    ),
    "decompress, encoded": (
        Decompress,
        {"method": "POST", "headers": {"content-encoding": "gzip"}, "body": gzip.compress(b"x")},
    ),
    "concurrency limit, exempt": (lambda app: ConcurrencyLimit(app, exempt_paths=["/users/*"]), {}),
    "rate limit, excluded": (lambda app: RateLimit(app, exclude_paths=["/users/*"]), {}),
    "rate limit, several rules": (lambda app: RateLimit(app, limit="9/second; 99/minute"), {}),
    "timeout, none": (lambda app: Timeout(app, first_byte=0), {}),
    "when, matching": (lambda app: When(Middleware(GZip), paths=["/users/*"])(app), {}),
    "when, not matching": (lambda app: When(Middleware(GZip), paths=["/other"])(app), {}),
    "when, of a foreign layer": (lambda app: When(Middleware(Copying), paths=["/other"])(app), {}),
    "observer": (lambda app: Probe(app, []), {}),
    "stack": (lambda app: Stack(Drain, GZip)(app), {}),
    "lint": (Lint, {}),
    "lint, a sample": (lambda app: Lint(app, mode="sample", sample_rate=0), {}),
}
"""Each way of a request through each layer."""


@pytest.mark.parametrize("branch", BRANCHES)
async def test_a_layer_makes_the_route_known_through_a_copy_of_the_scope(branch: str) -> None:
    make, options = BRANCHES[branch]
    seen: list[str | None] = []
    await request(Probe(Copying(make(router())), seen), path="/users/7", **options)
    assert seen == ["/users/{id}"]


@pytest.mark.parametrize("branch", BRANCHES)
async def test_so_it_does_for_websockets(branch: str) -> None:
    make, options = BRANCHES[branch]
    seen: list[str | None] = []
    headers = options.get("headers", {})
    async with websocket(Probe(Copying(make(router())), seen), "/users/7", headers=headers) as client:
        await client.receive("websocket.close")
    assert seen == ["/users/{id}"]


class Own(Layer):
    """A layer as users write them, which knows nothing of this."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


async def test_a_layer_that_does_not_publish_hides_nothing() -> None:
    seen: list[str | None] = []
    await request(Probe(Copying(Timeout(Own(router()))), seen), path="/users/7")
    assert seen == ["/users/{id}"]


def test_only_the_innermost_layer_publishes() -> None:
    inner = PublishRoute(nothing)
    outer = PublishRoute(inner)
    assert (is_innermost(nothing), is_innermost(Own(nothing)), is_innermost(inner)) == (True, True, False)
    assert (inner._innermost, outer._innermost) == (True, False)


def test_it_tells_whether_its_send_reaches_foreign_code() -> None:
    assert is_foreign(PublishRoute(nothing))
    assert not is_foreign(PublishRoute(GZip(nothing)))


async def test_without_anybody_who_asks_nothing_is_changed() -> None:
    handed: list[tuple[Any, ...]] = []

    async def app(*arguments: Any) -> None:
        handed.append((*arguments, dict(arguments[0])))

    scope = http_scope()
    await PublishRoute(app)(scope, placeholder, placeholder)  # type: ignore[arg-type]  # nobody calls them
    await PublishRoute(app)({"type": "lifespan"}, placeholder, placeholder)  # type: ignore[arg-type]  # nor here
    assert handed[0][0] is scope
    assert handed[0][1:3] == (placeholder, placeholder)
    assert EXCHANGE not in scope
    assert handed[1][0] == {"type": "lifespan"}


def test_work_after_the_request_keeps_nothing_alive() -> None:
    exchange, scope, _ = join(http_scope(), "outer")
    exchange.leave("outer")
    publish_scope(scope)
    publish_route(scope, "/late")
    assert (exchange.layers, exchange.facts) == (None, None)


# -- publishing a template by hand, as adapters do


@pytest.mark.parametrize(("template", "expected"), [("/a/{b}", "/a/{b}"), ("a/<b>", "/a/<b>"), ("", "/"), (None, None)])
def test_a_published_template_begins_with_a_slash(template: str | None, expected: str | None) -> None:
    exchange, scope, _ = join(http_scope(), "outer")
    publish_route(scope, template)
    assert exchange.route == expected
    assert route_template(scope, exchange) == expected


def test_publishing_where_nobody_asks_does_nothing() -> None:
    scope = http_scope()
    publish_route(scope, "/a")
    assert scope == http_scope()


def test_without_routers_there_is_no_template() -> None:
    assert route_template(http_scope(), Exchange()) is None
