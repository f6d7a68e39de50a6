"""An application of Litestar."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from litestar import Litestar, MediaType, Request, Response, WebSocket, get, head, post, route, websocket
from litestar.background_tasks import BackgroundTask
from litestar.exceptions import WebSocketDisconnect
from litestar.response import File, Stream

from tests.interop.frameworks.linted import FILE, linted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ("app",)


@asynccontextmanager
async def lifespan(litestar: Litestar) -> AsyncIterator[None]:
    litestar.state.greeting = "hello"
    litestar.state.done = asyncio.Event()
    yield


@get("/hello", media_type=MediaType.TEXT)
async def hello(request: Request[Any, Any, Any]) -> Response[str]:
    response = Response(request.app.state.greeting, media_type=MediaType.TEXT)
    response.set_cookie("seen", "yes")
    return response


@head("/hello", media_type=MediaType.TEXT)
async def head_of_hello() -> None:
    pass


@post("/echo", status_code=200)
async def echo(request: Request[Any, Any, Any]) -> Response[bytes]:
    return Response(await request.body(), media_type="application/octet-stream")


@route("/stream", http_method=["GET", "HEAD"])
async def stream() -> Stream:
    return Stream(iter(["a", "", "b"]))


@get("/endless")
async def endless() -> Stream:
    async def parts() -> AsyncIterator[str]:
        while True:
            yield "tick"
            await asyncio.sleep(0.01)

    return Stream(parts())


@get("/empty", status_code=204)
async def empty() -> None:
    pass


@get("/unchanged", status_code=304)
async def unchanged() -> None:
    pass


@route("/file", http_method=["GET", "HEAD"])
async def file() -> File:
    return File(FILE)


@get("/later", media_type=MediaType.TEXT)
async def later(request: Request[Any, Any, Any]) -> Response[str]:
    async def note() -> None:
        request.app.state.done.set()

    return Response("later", media_type=MediaType.TEXT, background=BackgroundTask(note))


@get("/done", media_type=MediaType.TEXT)
async def done(request: Request[Any, Any, Any]) -> str:
    await request.app.state.done.wait()
    return "done"


@get("/broken")
async def broken() -> str:
    raise RuntimeError("broken")


@get("/cut")
async def cut() -> Stream:
    async def parts() -> AsyncIterator[str]:
        yield "a part"
        raise RuntimeError("cut")

    return Stream(parts())


@websocket("/ws")
async def ws_echo(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    try:
        while (text := await socket.receive_text()) != "close":
            await socket.send_text(text)
    except WebSocketDisconnect:
        return
    await socket.close(code=4000, reason="asked")


@websocket("/ws/refuse")
async def ws_refuse(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.close()


@websocket("/ws/broken")
async def ws_broken(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    raise RuntimeError("broken socket")


handlers = [hello, head_of_hello, echo, stream, endless, empty, unchanged, file, later, done, broken, cut]
app = linted(Litestar([*handlers, ws_echo, ws_refuse, ws_broken], lifespan=[lifespan]))
