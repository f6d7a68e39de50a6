"""No request fails for its template, and none puts a part of its path into one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route, Router

from middlewares import PublishRoute, Timeout
from middlewares.core.exchange import Exchange
from middlewares.core.routes import route_template
from middlewares.testing import http_scope
from tests.routes.applications import APPLICATIONS
from tests.routes.probe import Copying, Probe, templates
from tests.routes.table import TABLE

if TYPE_CHECKING:
    from starlette.requests import Request

    from middlewares.asgi import ASGIApp, Scope

APPS = {name: make() for name, make in APPLICATIONS.items() if name != "django"}
KNOWN = {template for rows in TABLE.values() for *_, template in rows if template}
PREFIXES = sorted({path.rpartition("/")[0] for name in APPS for _, path, *_ in TABLE[name] if path.startswith("/")})
ROUTER = Router([Route("/x/{id}", repr)])
SEGMENT = st.text(st.characters(codec="utf-8", exclude_characters="/", min_codepoint=33), min_size=6, max_size=20)


@pytest.mark.parametrize("framework", APPS)
@settings(max_examples=60, deadline=None)
@given(
    prefix=st.sampled_from(PREFIXES),
    segments=st.lists(SEGMENT, min_size=1, max_size=3),
    method=st.sampled_from(["GET", "PUT"]),
)
async def test_random_paths_make_no_templates(framework: str, prefix: str, segments: list[str], method: str) -> None:
    seen: list[str | None] = []
    path = "/".join([prefix, *segments])
    [(_, found)] = await templates(Probe(APPS[framework], seen), seen, [(method, path)])
    assert found is None or not any(segment in found for segment in segments)


def routed() -> Scope:
    """Return a scope as a router leaves it."""
    return {**http_scope(path="/x/7"), "router": ROUTER, "route": ROUTER.routes[0], "endpoint": repr}


async def test_a_route_that_fails_when_it_is_looked_at_has_no_template() -> None:
    class Failing(Route):
        """Routes at first, and fails from then on."""

        is_broken = False

        def __getattribute__(self, name: str) -> Any:
            if name == "endpoint" and Failing.is_broken:
                raise RuntimeError(name)
            return super().__getattribute__(name)

    router = Router([Failing("/x/{id}", repr)])
    scope = {**http_scope(path="/x/7"), "router": router, "route": router.routes[0], "endpoint": repr}
    assert route_template(scope, Exchange()) == "/x/{id}"
    Failing.is_broken = True
    assert route_template(scope, Exchange()) is None


class Hostile:
    """Fails whatever is asked of it."""

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("__"):
            return super().__getattribute__(name)
        raise RuntimeError(name)


@pytest.mark.parametrize("value", [None, 1, "x", [], {}, Hostile(), SimpleNamespace(), SimpleNamespace(routes=None)])
@pytest.mark.parametrize(
    "key", ["router", "route", "endpoint", "app", "fastapi", "path_template", "route_handler", "root_path", "path"]
)
def test_whatever_stands_in_the_scope_nothing_is_raised(key: str, value: object) -> None:
    scope = routed()
    assert route_template(scope, Exchange()) == "/x/{id}"
    found = route_template({**scope, key: value}, Exchange())
    assert found in (None, "/x/{id}", "x", "/x/{id}x")


def test_what_was_published_wins_over_what_the_router_wrote() -> None:
    scope = routed()
    exchange = Exchange()
    exchange.route = "/mine"
    assert route_template(scope, exchange) == "/mine"


def test_a_request_of_the_application_s_own_does_not_hide_the_route() -> None:
    scope = routed()
    for other in (http_scope(), {**scope, "route": None, "endpoint": print}):
        exchange = Exchange()
        exchange.inner_scope = other
        assert route_template(scope, exchange) == "/x/{id}"


def test_litestar_mounts_with_several_paths_are_unknown() -> None:
    handler = SimpleNamespace(is_mount=True, paths={"/a", "/b"}, ownership_layers=[])
    scope = {**http_scope(), "path_template": "", "route_handler": handler}
    assert route_template(scope, Exchange()) is None


@pytest.mark.parametrize("entrance", ["whole", "part"])
@pytest.mark.parametrize(("copies", "publishes"), [(False, False), (False, True), (True, True)])
async def test_requests_that_an_endpoint_dispatches_do_not_change_its_route(
    entrance: str, copies: bool, publishes: bool
) -> None:
    """Not even where they pass a layer of ours that nobody outside of it has called before."""
    seen: list[str | None] = []

    async def batch(request: Request) -> PlainTextResponse:
        entered: ASGIApp = app if entrance == "whole" else part
        await entered({**request.scope, "path": "/users/7", "raw_path": b"/users/7"}, request.receive, discard)
        return PlainTextResponse("ok")

    async def user(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("ok")

    async def discard(_message: Any) -> None:
        pass

    part = Timeout(Starlette(routes=[Route("/users/{id}", user)]))
    layers = [Middleware(PublishRoute)] if publishes else []
    app = Starlette(routes=[Route("/batch/{id}", batch), Route("/users/{id}", user)], middleware=layers)
    probe = Probe(Copying(app) if copies else app, seen)
    assert await templates(probe, seen, [("GET", "/batch/1")]) == [(200, "/batch/{id}")]
