"""A mark gives an endpoint a limit of its own, however it is routed to."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from middlewares import Middleware, OptionError, RateLimit
from middlewares.rate_limit import limited
from middlewares.testing import ManualClock, request

from .apps import statuses


@limited("2/minute")
async def marked(request: Request) -> Any:
    return PlainTextResponse("marked")


@limited("2/minute", key="header:x-key", cost=2)
async def costly(request: Request) -> Any:
    return PlainTextResponse("costly")


ROUTES = [Route("/marked", marked), Mount("/deep", routes=[Mount("/er", routes=[Route("/costly", costly)])])]


def fastapi_app() -> FastAPI:
    app, router = FastAPI(), APIRouter(prefix="/router")

    @router.get("/items/{item}")
    @limited("2/minute", name="items")
    async def item(request: Request, item: int) -> int:
        return item

    app.include_router(router)
    return app


@pytest.mark.parametrize("is_outside", [True, False])
async def test_a_marked_endpoint_has_its_own_quota(clock: ManualClock, is_outside: bool) -> None:
    options: dict[str, Any] = {"limit": "100/minute", "clock": clock.ns}
    if is_outside:
        app: Any = RateLimit(Starlette(routes=ROUTES), **options)
    else:
        app = Starlette(routes=ROUTES, middleware=[Middleware(RateLimit, **options)])
    assert await statuses(app, 3, path="/marked") == [200, 200, 429]
    assert (await request(app, path="/marked")).header("retry-after") == "30"
    assert await statuses(app, 1, path="/marked", client=("192.0.2.1", 1)) == [200]
    assert await statuses(app, 2, path="/deep/er/costly", headers={"x-key": "a"}) == [200, 429]
    assert await statuses(app, 1, path="/deep/er/costly", headers={"x-key": "b"}) == [200]


async def test_an_endpoint_of_an_included_router_is_limited() -> None:
    app = RateLimit(fastapi_app(), limit="100/minute")
    assert [(await request(app, path=f"/router/items/{n}")).status for n in range(3)] == [200, 200, 429]
    assert (await request(app, path="/router/items/x")).status == 422


async def test_equal_marks_are_quotas_of_their_own() -> None:
    @limited("1/minute")
    async def other(request: Request) -> Any:
        return PlainTextResponse("other")

    @limited("1/minute")
    async def another(request: Request) -> Any:
        return PlainTextResponse("another")

    app = RateLimit(Starlette(routes=[Route("/1", other), Route("/2", another)]), limit="9/minute")
    assert await statuses(app, 1, path="/1") + await statuses(app, 2, path="/2") == [200, 200, 429]


async def test_a_mark_without_limiter_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="a RateLimit must stand around"):
        await request(Starlette(routes=ROUTES), path="/marked")


async def test_who_has_no_limit_has_none_at_a_mark_and_excluded_paths_keep_theirs() -> None:
    app = RateLimit(Starlette(routes=ROUTES), allow=["10.0.0.0/8"], exclude_paths=["/marked"])
    assert await statuses(app, 5, path="/marked", client=("10.0.0.1", 1)) == [200] * 5
    assert await statuses(app, 3, path="/marked") == [200, 200, 429]


async def test_an_endpoint_must_take_the_request() -> None:
    @limited("1/minute")
    async def bare() -> None: ...

    with pytest.raises(TypeError, match="parameter for the request"):
        await bare()


def test_a_mark_that_cannot_be_right() -> None:
    with pytest.raises(OptionError, match="limits such as"):
        limited("often")
    with pytest.raises(OptionError, match="algoritm is unknown"):
        limited("1/minute", algoritm="strict")

    def sync(request: Any) -> None: ...

    with pytest.raises(TypeError, match="async function"):
        limited("1/minute")(sync)
