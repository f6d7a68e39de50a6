"""What frameworks answer by themselves is a problem, as far as the option says; on either side of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI, HTTPException
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from middlewares import Middleware, ProblemDetails
from middlewares.testing import request

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares.asgi import ASGIApp

JSON = "application/problem+json"


def boom(*_: Any) -> Any:
    raise RuntimeError("hunter2")


def bare(*_: Any) -> Any:
    return Response(status_code=410)


def with_words(*_: Any) -> Any:
    return PlainTextResponse("The tea is gone.", status_code=410)


class Plain(BaseHTTPMiddleware):
    async def dispatch(self, request: Any, call_next: Any) -> Any:
        return await call_next(request)


def starlette(*layers: Any) -> Starlette:
    routes = [Route("/boom", boom), Route("/bare", bare), Route("/words", with_words)]
    return Starlette(routes=routes, middleware=[*layers])


def fastapi(*layers: Any) -> FastAPI:
    def item(number: int) -> None:
        raise HTTPException(404, "No tea.", headers={"x-left": "0"})

    def failing() -> None:
        raise RuntimeError("hunter2")

    app = FastAPI(middleware=[*layers])
    app.get("/items/{number}")(item)
    app.get("/boom")(failing)
    return app


def litestar() -> ASGIApp:
    from litestar import Litestar, get

    @get("/boom", sync_to_thread=False)
    def failing() -> None:
        raise RuntimeError("hunter2")

    return Litestar([failing])  # type: ignore[return-value]  # its types of ASGI are its own


def quart() -> ASGIApp:
    from quart import Quart

    app = Quart(__name__)
    app.get("/boom")(boom)
    return app  # type: ignore[return-value]  # as above


def django() -> ASGIApp:
    from tests.routes.applications import django_app

    return django_app()


FRAMEWORKS: dict[str, tuple[Callable[[], ASGIApp], str]] = {
    # and the first mode in which its own 404 is replaced
    "starlette": (starlette, "bare"),
    "starlette, base_http": (lambda: starlette(Middleware(Plain)), "bare"),
    "fastapi": (fastapi, "json"),
    "litestar": (litestar, "json"),
    "quart": (quart, "all"),
    "django": (django, "all"),
}
MODES = ("none", "empty", "bare", "json", "all")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("convert", MODES)
@pytest.mark.parametrize(("make", "first"), FRAMEWORKS.values(), ids=FRAMEWORKS)
async def test_what_a_framework_does_not_find(
    make: Callable[[], ASGIApp], first: str, convert: Any, method: str
) -> None:
    app = make()
    plain = await request(app, method, "/nowhere", headers={"host": "a"})
    response = await request(ProblemDetails(app, convert=convert), method, "/nowhere", headers={"host": "a"})
    assert response.status == plain.status == 404
    if MODES.index(convert) < MODES.index(first):
        assert (response.headers, response.body) == (plain.headers, plain.body)
        return
    if method == "HEAD" and not plain.body and response.header("content-type") != JSON:
        assert first == "json"  # what a GET would have said cannot be looked at
        return
    assert response.header("content-type") == JSON
    assert response.values("content-length") == ["60"]
    assert response.body == b"" if method == "HEAD" else response.json()["title"] == "Not Found"


@pytest.mark.parametrize("make", [starlette, fastapi])
@pytest.mark.parametrize("is_inside", [True, False])
async def test_what_an_endpoint_raises(make: Any, is_inside: bool) -> None:
    """Outside, it is the 500 of the framework that is replaced, which raises the exception after it."""
    app = make(Middleware(ProblemDetails)) if is_inside else ProblemDetails(make())
    response = await request(app, path="/boom", raise_exceptions=False)
    assert (response.status, response.header("content-type")) == (500, JSON)
    assert b"hunter2" not in response.body
    assert isinstance(response.exception, RuntimeError) is not is_inside


@pytest.mark.parametrize("make", [litestar, quart])
async def test_what_an_endpoint_raises_that_the_framework_answers(make: Any) -> None:
    response = await request(ProblemDetails(make(), convert="all"), path="/boom", headers={"host": "a"})
    assert (response.status, response.header("content-type")) == (500, JSON)
    assert b"hunter2" not in response.body


@pytest.mark.parametrize(
    ("path", "content_type"), [("/bare", JSON), ("/words", "text/plain; charset=utf-8"), ("/boom", JSON)]
)
async def test_only_what_says_nothing_is_replaced(path: str, content_type: str) -> None:
    layer = Middleware(ProblemDetails)
    for app in (ProblemDetails(starlette()), starlette(layer), starlette(layer, Middleware(Plain))):
        response = await request(app, path=path, raise_exceptions=False)
        assert response.header("content-type") == content_type


async def test_words_and_headers_of_fastapi_are_kept() -> None:
    app = ProblemDetails(fastapi(), convert="json")
    response = await request(app, path="/items/7")
    assert response.json() == {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "No tea."}
    assert response.header("x-left") == "0"
    response = await request(app, path="/items/x")
    assert response.status == 422
    assert response.json()["errors"][0]["loc"] == ["path", "number"]
    assert response.json()["title"] == "Unprocessable Content"


async def test_work_after_a_replaced_response_is_done() -> None:
    done: list[bool] = []

    def later(_: Any) -> Response:
        return Response(status_code=404, background=BackgroundTask(done.append, True))

    assert (await request(ProblemDetails(Starlette(routes=[Route("/", later)])))).header("content-type") == JSON
    assert done == [True]
