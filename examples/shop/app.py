"""The shop: every kind of answer that a middleware has to cope with, in one Starlette application.

Run it bare with ``uvicorn examples.shop.app:app``, or behind middlewares with
``middlewares run examples.shop.app:app --config examples/middlewares.toml``.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocketDisconnect

from . import account
from .answers import answer_document, query_number, read_body
from .catalog import CATALOG, Catalog
from .reviews import LONGEST_BODY, ReviewBook, ReviewError, parse_review
from .streams import MOST_EVENTS, MOST_ROWS, SLOWEST_EVENT, broken_stream, csv_rows, events

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.websockets import WebSocket

    from .catalog import Product

__all__ = ("ShopState", "app", "lifespan", "routes")

_SITE = Path(__file__).parent / "site"
_LONGEST_SEARCH = 100
_SLOWEST = 10.0


class ShopState(TypedDict):
    """What the lifespan hands to every request as ``request.state``."""

    catalog: Catalog
    reviews: ReviewBook


@asynccontextmanager
async def lifespan(_app: object) -> AsyncIterator[ShopState]:
    """Open the shop: what a real application would connect to is made here, once."""
    yield {"catalog": CATALOG, "reviews": ReviewBook()}


async def home(_request: Request) -> Response:
    return FileResponse(_SITE / "index.html")


async def list_products(request: Request) -> Response:
    text = request.query_params.get("q", "")
    if len(text) > _LONGEST_SEARCH:
        raise HTTPException(400, f"q must be at most {_LONGEST_SEARCH} characters")
    category = request.query_params.get("category", "")
    return answer_document(request, request.state.catalog.search_document(text, category))


async def show_product(request: Request) -> Response:
    product = _product_of(request)
    return JSONResponse({**asdict(product), "reviews": request.state.reviews.of(product.id)})


async def add_review(request: Request) -> Response:
    product = _product_of(request)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise HTTPException(415, "Content-Type must be application/json")
    try:
        review = parse_review(await read_body(request, LONGEST_BODY))
    except ReviewError as wrong:
        return JSONResponse({"problems": wrong.problems}, 422)
    request.state.reviews.add(product.id, review)
    return JSONResponse(asdict(review), 201, headers={"location": f"/products/{product.id}"})


async def products_csv(request: Request) -> Response:
    products = request.state.catalog.products
    rows = query_number(request, "rows", len(products), MOST_ROWS, int)
    return StreamingResponse(
        csv_rows(products, rows),
        media_type="text/csv",
        headers={"content-disposition": 'attachment; filename="products.csv"'},
    )


async def live_events(request: Request) -> Response:
    count = query_number(request, "count", 5, MOST_EVENTS, int)
    interval = query_number(request, "interval", 0.2, SLOWEST_EVENT, float)
    return StreamingResponse(
        events(count, interval), media_type="text/event-stream", headers={"cache-control": "no-store"}
    )


async def echo(websocket: WebSocket) -> None:
    """Send back what comes, text as text and bytes as bytes; speaks the subprotocol ``echo`` if asked to."""
    await websocket.accept(subprotocol="echo" if "echo" in websocket.scope.get("subprotocols", ()) else None)
    try:
        while (message := await websocket.receive())["type"] == "websocket.receive":
            text = message.get("text")
            if text is not None:
                await websocket.send_text(text)
            else:
                await websocket.send_bytes(message["bytes"])
    except WebSocketDisconnect:
        pass  # the client left while its message was on the way back


async def slow(request: Request) -> Response:
    seconds = query_number(request, "seconds", 1.0, _SLOWEST, float)
    await anyio.sleep(seconds)
    return JSONResponse({"slept": seconds})


async def error(_request: Request) -> Response:
    raise RuntimeError("raised on purpose")


async def break_off(_request: Request) -> Response:
    return StreamingResponse(broken_stream(), media_type="text/plain")


async def manual(_request: Request) -> Response:
    return FileResponse(_SITE / "manual.txt", filename="manual.txt")


async def healthz(request: Request) -> Response:
    return JSONResponse({"status": "ok", "products": len(request.state.catalog.products)})


def _product_of(request: Request) -> Product:
    catalog: Catalog = request.state.catalog
    product = catalog.find(request.path_params["product_id"])
    if product is None:
        raise HTTPException(404, "There is no such product.")
    return product


routes = [
    Route("/", home),
    Route("/products", list_products),
    Route("/products/{product_id}", show_product),
    Route("/products/{product_id}/reviews", add_review, methods=["POST"]),
    Route("/products.csv", products_csv),
    Route("/events", live_events),
    WebSocketRoute("/echo", echo),
    *account.routes,
    Route("/slow", slow),
    Route("/error", error),
    Route("/broken-stream", break_off),
    Route("/manual", manual),
    Route("/healthz", healthz),
    Mount("/site", StaticFiles(directory=_SITE)),
]

app = Starlette(routes=routes, lifespan=lifespan)
