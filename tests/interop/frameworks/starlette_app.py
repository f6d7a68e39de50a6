"""An application of Starlette."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute

from tests.interop.frameworks.linted import FILE, linted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.websockets import WebSocket

__all__ = ("app",)


@asynccontextmanager
async def lifespan(_app: object) -> AsyncIterator[dict[str, object]]:
    yield {"greeting": "hello", "done": anyio.Event()}


async def hello(request: Request) -> Response:
    response = PlainTextResponse(request.state.greeting)
    response.set_cookie("seen", "yes")
    return response


async def echo(request: Request) -> Response:
    return Response(await request.body())


async def stream(_request: Request) -> Response:
    async def parts() -> AsyncIterator[str]:
        for part in ("a", "", "b"):
            yield part

    return StreamingResponse(parts())


async def endless(_request: Request) -> Response:
    async def parts() -> AsyncIterator[str]:
        while True:
            yield "tick"
            await anyio.sleep(0.01)

    return StreamingResponse(parts())


async def empty(_request: Request) -> Response:
    return Response(status_code=204)


async def unchanged(_request: Request) -> Response:
    return Response(status_code=304)


async def file(_request: Request) -> Response:
    return FileResponse(FILE)


async def later(request: Request) -> Response:
    async def note() -> None:
        request.state.done.set()

    return PlainTextResponse("later", background=BackgroundTask(note))


async def done(request: Request) -> Response:
    await request.state.done.wait()
    return PlainTextResponse("done")


async def broken(_request: Request) -> Response:
    raise RuntimeError("broken")


async def cut(_request: Request) -> Response:
    async def parts() -> AsyncIterator[str]:
        yield "a part"
        raise RuntimeError("cut")

    return StreamingResponse(parts())


async def ws_echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        if text == "close":
            return await websocket.close(4000, "asked")
        await websocket.send_text(text)


async def ws_refuse(websocket: WebSocket) -> None:
    await websocket.close()


async def ws_broken(websocket: WebSocket) -> None:
    await websocket.accept()
    raise RuntimeError("broken socket")


routes = [
    Route("/hello", hello),
    Route("/echo", echo, methods=["POST"]),
    Route("/stream", stream),
    Route("/endless", endless),
    Route("/empty", empty),
    Route("/unchanged", unchanged),
    Route("/file", file),
    Route("/later", later),
    Route("/done", done),
    Route("/broken", broken),
    Route("/cut", cut),
    WebSocketRoute("/ws", ws_echo),
    WebSocketRoute("/ws/refuse", ws_refuse),
    WebSocketRoute("/ws/broken", ws_broken),
]
app = linted(Starlette(routes=routes, lifespan=lifespan))
