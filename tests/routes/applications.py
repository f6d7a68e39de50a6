"""Applications of each framework with routes of every kind; each is made anew, behind middlewares of its own."""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.test.utils import override_settings
from django.urls import include, re_path
from django.urls import path as url
from fastapi import APIRouter, FastAPI
from litestar import Litestar, asgi, get
from litestar import Router as LitestarRouter
from litestar import websocket as litestar_websocket
from litestar.connection import WebSocket as LitestarWebSocket  # noqa: TC002 - frameworks read annotations
from litestar.params import FromPath  # noqa: TC002 - frameworks read annotations
from litestar.static_files import create_static_files_router
from litestar.types import Receive as LitestarReceive  # noqa: TC002 - frameworks read annotations
from litestar.types import Scope as LitestarScope  # noqa: TC002 - frameworks read annotations
from litestar.types import Send as LitestarSend  # noqa: TC002 - frameworks read annotations
from quart import Blueprint, Quart
from quart import websocket as quart_websocket
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request  # noqa: TC002 - frameworks read annotations
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket  # noqa: TC002 - frameworks read annotations

from middlewares import GZip
from middlewares.quart import publish_routes

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares.asgi import ASGIApp, Receive, Scope, Send

    Layer = Callable[[ASGIApp], ASGIApp]

__all__ = ("APPLICATIONS", "FILES")

FILES = Path(tempfile.gettempdir()) / "middlewares-routes"
FILES.mkdir(exist_ok=True)
(FILES / "a.txt").write_text("a")


async def answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


async def opaque(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer whatever it is asked, without a router."""
    await PlainTextResponse("ok")(scope, receive, send)


async def close(socket: WebSocket) -> None:
    await socket.accept()
    await socket.close()


class Endpoint(HTTPEndpoint):
    async def get(self, request: Request) -> PlainTextResponse:
        return PlainTextResponse("ok")


def hidden(app: ASGIApp) -> ASGIApp:
    """Return an application that nobody can look into."""

    async def closure(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)

    return closure


def _shop() -> Starlette:
    """Return an application to be mounted in others."""
    return Starlette(
        routes=[
            Route("/items/{id:int}", answer),
            Mount("/deep/{name}", routes=[Route("/leaf", answer)]),
            WebSocketRoute("/socket/{id}", close),
        ]
    )


def starlette_app(*layers: Layer) -> ASGIApp:
    shop = _shop()
    routes = [
        Route("/", answer),
        Route("/users/{id:int}", answer),
        Route("/users", answer, methods=["GET", "POST"]),
        Route("/users", answer, methods=["PUT"]),
        Route("/class/{id}", Endpoint),
        Route("/slash/", answer),
        Route("/rest/{rest:path}", answer),
        WebSocketRoute("/socket/{id}", close),
        Mount("/shop", shop),
        Mount("/tenants/{tenant}", shop),
        Mount("/wrapped/{v}", GZip(GZipMiddleware(_shop()))),
        Mount("/layered", routes=[Route("/x", answer)], middleware=[Middleware(GZipMiddleware)]),
        Mount("/a", routes=[Mount("/{b}", routes=[Mount("/c", routes=[Route("/{d}", answer)])])]),
        Mount("/hidden/{h}", hidden(_shop())),
        Mount("/opaque", opaque),
        Mount("/static", StaticFiles(directory=FILES)),
        Mount("/litestar/{x}", litestar_app()),
        Mount("/django", django_app()),
        Mount("/quart", quart_app()),
        Host("{name}.shop.example", Router([Route("/hosted/{id}", answer)])),
        Host("api.example", _shop()),
        Mount("/outer", routes=[Mount("", routes=[Route("/inner/{id}", answer)])]),
    ]
    return Starlette(routes=routes, middleware=[Middleware(layer) for layer in layers])


def fastapi_app(*layers: Layer) -> ASGIApp:
    async def item(id: int) -> int:  # noqa: A002 - the name of the parameter in the path
        return id

    inner, outer = APIRouter(prefix="/inner"), APIRouter(prefix="/outer")
    inner.add_api_route("/{id}", item)
    outer.add_api_route("/{id}", item)
    outer.add_api_websocket_route("/socket/{id}", close)
    outer.include_router(inner)
    outer.mount("/mounted/{q}", _shop())
    outer.add_route("/plain/{p}", answer)
    outer.frontend("/pages", directory=FILES)
    sub = FastAPI(docs_url=None)
    sub.include_router(outer, prefix="/v{version}")
    sub.add_api_route("/direct/{id}", item)
    sub.frontend("/pages", directory=FILES)
    app = FastAPI()
    app.include_router(outer, prefix="/api/{version}")
    app.include_router(outer, prefix="/twice")
    app.add_api_route("/items/{id}", item)
    app.add_api_route("/items/{id}", item, methods=["PUT"])
    app.add_api_websocket_route("/socket/{id}", close)
    app.add_route("/plain/{p}", answer)
    app.add_route("/plain_too/{p}", answer)
    app.mount("/sub/{tenant}", sub)
    app.mount("/static", StaticFiles(directory=FILES))
    app.mount("/opaque", opaque)
    app.mount("/litestar/{x}", litestar_app())
    app.frontend("/pages", directory=FILES)
    for layer in reversed(layers):
        app.add_middleware(layer)
    return app


def litestar_app(*layers: Layer) -> ASGIApp:
    mounted = _shop()

    @get(["/users/{id:int}", "/people/{id:int}"])
    async def user(id: FromPath[int]) -> str:  # noqa: A002 - the name of the parameter in the path
        return str(id)

    @get("/")
    async def home() -> str:
        return "ok"

    @asgi("/mounted", is_mount=True, copy_scope=False)
    async def shop(scope: LitestarScope, receive: LitestarReceive, send: LitestarSend) -> None:
        inner: Any = scope
        inner["root_path"] = "/mounted"
        inner["path"] = "/mounted" + inner["path"].rstrip("/")
        await mounted(inner, receive, send)  # type: ignore[arg-type]  # types of its own

    @asgi("/exact", copy_scope=False)
    async def exact(scope: LitestarScope, receive: LitestarReceive, send: LitestarSend) -> None:
        await opaque(scope, receive, send)  # type: ignore[arg-type]  # types of its own

    @asgi("/opaque", is_mount=True, copy_scope=False)
    async def anything(scope: LitestarScope, receive: LitestarReceive, send: LitestarSend) -> None:
        await opaque(scope, receive, send)  # type: ignore[arg-type]  # types of its own

    @litestar_websocket("/socket/{id:str}")
    async def socket(socket: LitestarWebSocket[Any, Any, Any]) -> None:
        await socket.accept()
        await socket.close()

    return Litestar(  # type: ignore[return-value]  # types of its own
        [
            *(home, user, shop, exact, socket),
            LitestarRouter("/api/{version:str}", route_handlers=[user]),
            LitestarRouter("/nested", route_handlers=[anything]),
            create_static_files_router("/static", directories=[FILES]),
        ],
        middleware=[*layers],  # type: ignore[list-item]  # types of its own
        openapi_config=None,
    )


def _view(request: HttpRequest, **_captured: object) -> HttpResponse:
    return HttpResponse(b"ok")


async def _async_view(request: HttpRequest, **_captured: object) -> HttpResponse:
    return HttpResponse(b"ok")


_URLS = "tests.routes.urls"


class _Urls(ModuleType):
    urlpatterns = (
        url("", _view),
        url("users/<int:id>/", _view),
        url("async/<int:id>/", _async_view),
        url("api/<slug:version>/", include([url("items/<int:id>/", _async_view)])),
        re_path(r"^years/(?P<year>[0-9]{4})/$", _view),
    )


def django_app() -> ASGIApp:
    """Return a new Django application; layers do not fit in its list, but for one of its own kind."""
    sys.modules[_URLS] = _Urls(_URLS)
    if not settings.configured:
        settings.configure()
        import django

        django.setup()
    options = {
        "ROOT_URLCONF": _URLS,
        "ALLOWED_HOSTS": ["*"],
        "MIDDLEWARE": ["middlewares.django.PublishRoute", "django.middleware.common.CommonMiddleware"],
        "LOGGING_CONFIG": None,
    }
    with override_settings(**options):
        app = get_asgi_application()

    async def configured(scope: Any, receive: Any, send: Any) -> None:
        with override_settings(**options):
            await app(scope, receive, send)

    return configured


def quart_app(*layers: Layer) -> ASGIApp:
    app, blueprint = (
        Quart("shop", static_folder=str(FILES), static_url_path="/static"),
        Blueprint("shop", "shop", url_prefix="/api/<version>"),
    )

    @app.get("/users/<int:id>")
    async def user(id: int) -> str:  # noqa: A002 - the name of the parameter in the path
        return "ok"

    @app.get("/slash/")
    async def slash() -> str:
        return "ok"

    @app.websocket("/socket/<id>")
    async def socket(id: str) -> None:  # noqa: A002 - the name of the parameter in the path
        await quart_websocket.accept()
        await quart_websocket.close(1000)

    @blueprint.get("/items/<int:id>")
    async def item(version: str, id: int) -> str:  # noqa: A002 - the name of the parameter in the path
        return "ok"

    app.register_blueprint(blueprint)
    publish_routes(app)
    inner: Any = app.asgi_app
    for layer in reversed(layers):
        inner = layer(inner)
    app.asgi_app = inner  # type: ignore[method-assign]  # as Quart advises
    quart: ASGIApp = app  # type: ignore[assignment]  # types of its own
    return quart


APPLICATIONS: dict[str, Callable[..., ASGIApp]] = {
    "starlette": starlette_app,
    "fastapi": fastapi_app,
    "litestar": litestar_app,
    "django": partial(django_app),
    "quart": quart_app,
}
