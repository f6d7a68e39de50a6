"""Applications that hang in each way there is, one path each, for tests that must not wait for them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

FOREVER = 1000


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    wait = WAYS.get(scope["path"])
    if wait is not None:
        await wait(receive, send)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})
    if scope["path"] == "/background":
        await asyncio.sleep(FOREVER)


async def sleep(receive: Any, send: Any) -> None:
    await asyncio.sleep(FOREVER)


async def swallow(receive: Any, send: Any) -> None:
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(FOREVER)


async def block(receive: Any, send: Any) -> None:
    time.sleep(FOREVER)  # noqa: ASYNC251 - that is the fault


async def spin(receive: Any, send: Any) -> None:
    while True:
        pass


async def thread(receive: Any, send: Any) -> None:
    await asyncio.to_thread(time.sleep, FOREVER)


async def ask(receive: Any, send: Any) -> None:
    while True:
        await receive()


async def flood(receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        with contextlib.suppress(OSError):
            await send({"type": "http.response.body", "body": b"more", "more_body": True})


async def listen(receive: Any, send: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


WAYS: Any = {
    "/sleep": sleep,
    "/swallow": swallow,
    "/block": block,
    "/spin": spin,
    "/thread": thread,
    "/ask": ask,
    "/flood": flood,
    "/listen": listen,
}


async def slow_start(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await asyncio.sleep(FOREVER)


async def blocked_start(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        time.sleep(FOREVER)  # noqa: ASYNC251 - that is the fault


async def slow_stop(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "lifespan":
        return await app(scope, receive, send)
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await asyncio.sleep(FOREVER)
