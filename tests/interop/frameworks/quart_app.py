"""An application of Quart."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from quart import Quart, Response, request, send_file, websocket

from tests.interop.frameworks.linted import FILE, linted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ("app",)

quart = Quart(__name__)


@quart.before_serving
async def open_shop() -> None:
    quart.config["GREETING"] = "hello"
    quart.config["DONE"] = asyncio.Event()


@quart.get("/hello")
async def hello() -> Response:
    response = Response(quart.config["GREETING"])
    response.set_cookie("seen", "yes")
    return response


@quart.post("/echo")
async def echo() -> str | bytes:
    return await request.get_data()


@quart.get("/stream")
async def stream() -> AsyncIterator[str]:
    async def parts() -> AsyncIterator[str]:
        for part in ("a", "", "b"):
            yield part

    return parts()


@quart.get("/endless")
async def endless() -> AsyncIterator[str]:
    async def parts() -> AsyncIterator[str]:
        while True:
            yield "tick"
            await asyncio.sleep(0.01)

    return parts()


@quart.get("/empty")
async def empty() -> tuple[str, int]:
    return "", 204


@quart.get("/unchanged")
async def unchanged() -> tuple[str, int]:
    return "", 304


@quart.get("/file")
async def file() -> Response:
    return await send_file(FILE)


@quart.get("/later")
async def later() -> str:
    async def note() -> None:
        quart.config["DONE"].set()

    quart.add_background_task(note)
    return "later"


@quart.get("/done")
async def done() -> str:
    await quart.config["DONE"].wait()
    return "done"


@quart.get("/broken")
async def broken() -> str:
    raise RuntimeError("broken")


@quart.get("/cut")
async def cut() -> AsyncIterator[str]:
    async def parts() -> AsyncIterator[str]:
        yield "a part"
        raise RuntimeError("cut")

    return parts()


@quart.websocket("/ws")
async def ws_echo() -> None:
    await websocket.accept()
    while (text := await websocket.receive()) != "close":
        await websocket.send(text)
    await websocket.close(4000, "asked")


@quart.websocket("/ws/refuse")
async def ws_refuse() -> tuple[str, int]:
    return "no", 403


@quart.websocket("/ws/broken")
async def ws_broken() -> None:
    await websocket.accept()
    raise RuntimeError("broken socket")


app = linted(quart)
