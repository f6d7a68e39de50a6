"""An application of FastAPI."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
from fastapi import BackgroundTasks, FastAPI, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse, StreamingResponse

from tests.interop.frameworks.linted import FILE, linted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ("app",)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, object]]:
    yield {"greeting": "hello", "done": anyio.Event()}


api = FastAPI(lifespan=lifespan)


@api.get("/hello")
@api.head("/hello")
async def hello(request: Request, response: Response) -> str:
    response.set_cookie("seen", "yes")
    return str(request.state.greeting)


@api.post("/echo")
async def echo(request: Request) -> Response:
    return Response(await request.body())


@api.get("/stream")
@api.head("/stream")
async def stream() -> Response:
    return StreamingResponse(iter(["a", "", "b"]))


@api.get("/endless")
async def endless() -> Response:
    async def parts() -> AsyncIterator[str]:
        while True:
            yield "tick"
            await anyio.sleep(0.01)

    return StreamingResponse(parts())


@api.get("/empty", status_code=204)
async def empty() -> None:
    pass


@api.get("/unchanged", status_code=304)
async def unchanged() -> None:
    pass


@api.get("/file")
@api.head("/file")
async def file() -> Response:
    return FileResponse(FILE)


@api.get("/later")
async def later(request: Request, tasks: BackgroundTasks) -> str:
    tasks.add_task(request.state.done.set)
    return "later"


@api.get("/done")
async def done(request: Request) -> str:
    await request.state.done.wait()
    return "done"


@api.get("/broken")
async def broken() -> None:
    raise RuntimeError("broken")


@api.get("/cut")
async def cut() -> Response:
    async def parts() -> AsyncIterator[str]:
        yield "a part"
        raise RuntimeError("cut")

    return StreamingResponse(parts())


@api.websocket("/ws")
async def ws_echo(websocket: WebSocket) -> None:
    await websocket.accept()
    try:
        while (text := await websocket.receive_text()) != "close":
            await websocket.send_text(text)
    except WebSocketDisconnect:
        return
    await websocket.close(4000, "asked")


@api.websocket("/ws/refuse")
async def ws_refuse(websocket: WebSocket) -> None:
    await websocket.close()


@api.websocket("/ws/broken")
async def ws_broken(websocket: WebSocket) -> None:
    await websocket.accept()
    raise RuntimeError("broken socket")


app = linted(api)
