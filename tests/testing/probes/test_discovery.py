"""Paths are found in the routes of an application, whatever stands around it, and nothing that is there raises."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.routing import Host, Mount, Route, WebSocketRoute

from middlewares import GZip
from middlewares.testing.probes import discover
from middlewares.testing.probes.discovery import MOST_PATHS


async def nothing(*_: Any) -> Any:
    pass


ROUTES = [
    Route("/", nothing),
    Route("/users/{id:int}/files/{path:path}", nothing),
    WebSocketRoute("/echo", nothing),
    Mount("/api", routes=[Route("/items", nothing), Mount("/v1", routes=[WebSocketRoute("/feed", nothing)])]),
    Mount("/static", app=nothing),
    Host("other.example", app=nothing),
]
HTTP = ("/", "/users/1/files/1", "/api/items", "/static/")


def test_routes_of_starlette_are_found_by_protocol():
    assert discover(Starlette(routes=ROUTES)) == (HTTP, ("/echo", "/api/v1/feed"))


def test_layers_around_are_looked_through():
    assert discover(GZip(GZip(Starlette(routes=ROUTES)))).http == HTTP


def test_routers_that_fastapi_has_included_are_found():
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    inner, outer = APIRouter(prefix="/inner"), APIRouter(prefix="/outer")
    inner.get("/items/{item}")(nothing)
    inner.websocket("/ws")(nothing)
    outer.include_router(inner)
    app.include_router(outer, prefix="/api")
    assert discover(app) == (("/api/outer/inner/items/1",), ("/api/outer/inner/ws",))


class Failing:
    @property
    def routes(self) -> Any:
        raise RuntimeError("not yet")


def endless() -> Any:
    routes: list[Any] = []
    routes.append(SimpleNamespace(path="/again", routes=routes))
    return SimpleNamespace(routes=routes)


@pytest.mark.parametrize(
    "app",
    [
        nothing,
        None,
        Failing(),
        endless(),
        SimpleNamespace(routes={"/": nothing}),
        SimpleNamespace(routes=[None, SimpleNamespace(path=1), SimpleNamespace(path="no-slash")]),
    ],
    ids=["no routes", "nothing", "raises", "endless", "no list", "no routes in it"],
)
def test_of_anything_else_no_path_is_found(app: Any):
    assert discover(app) == ((), ())


def test_their_number_is_bounded():
    assert len(discover(Starlette(routes=[Route(f"/{n}", nothing) for n in range(1000)])).http) == MOST_PATHS
