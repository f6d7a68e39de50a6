"""A span says the same of a request in whatever order layers and the framework stand."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from middlewares import ProblemDetails, PublishRoute, Tracing
from middlewares.testing import http_scope
from tests.tracing.collected import Broken, Collected, ending

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares.asgi import ASGIApp


async def fails(_request: Request) -> Response:
    raise Broken


async def busy(_request: Request) -> Response:
    raise HTTPException(503)


async def reads(request: Request) -> Response:
    return PlainTextResponse(await request.body())  # which the client has not waited for


async def cancelled(_request: Request) -> Response:
    raise asyncio.CancelledError


async def bare(_request: Request) -> Response:
    return PlainTextResponse("", 500)


class Copying:
    """A layer of somebody else, which hides what the router writes."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app({**scope}, receive, send)


# Around the framework, and registered with it; T stands for the layer of the test.
ORDERS: list[tuple[str, str]] = [
    ("T", ""), ("", "T"), ("TP", ""), ("PT", ""), ("", "TP"), ("", "PT"), ("T", "P"), ("P", "T"), ("TCP", ""),
    ("T", "CP"), ("TR", "CW"), ("", "TR"),
]  # fmt: skip


@pytest.mark.parametrize("endpoint", [fails, busy, reads, cancelled, bare])
async def test_the_same_is_told_in_any_order(endpoint: Any, spans: Collected) -> None:
    layers: dict[str, Callable[[Any], Any]] = {
        "T": partial(Tracing, tracer_provider=spans.provider),
        "P": ProblemDetails,
        "R": partial(ProblemDetails, reraise=True),
        "C": Copying,
        "W": PublishRoute,
    }

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        pass

    told: dict[Any, list[tuple[str, str]]] = {}
    for around, registered in ORDERS:
        framework = Starlette(routes=[Mount("/m/{name}", routes=[Route("/x", endpoint)])])
        for letter in reversed(registered):
            framework.add_middleware(layers[letter])
        app: Any = framework
        for letter in reversed(around):
            app = layers[letter](app)
        spans.exporter.clear()
        with suppress(Broken, ClientDisconnect, asyncio.CancelledError):
            await app(http_scope(path="/m/7/x"), receive, send)
        told.setdefault((spans.one.name, ending(spans.one), len(spans.one.events)), []).append((around, registered))
    assert len(told) == 1, told
    [(name, *_)] = told
    assert name == "GET /m/{name}/x"
