"""Open an example: run its lifespan and hand out a client, all inside the test's event loop."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from starlette.types import ASGIApp, Receive, Scope, Send


class Running:
    """An application between its startup and its shutdown: gives each request the state of the lifespan."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.state: dict[str, Any] = {}
        self._to_app, self._app_receives = anyio.create_memory_object_stream[Any](2)
        self._app_sends, self._from_app = anyio.create_memory_object_stream[Any](2)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app({**scope, "state": self.state.copy()}, receive, send)

    async def live(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        await self.app(scope, self._app_receives.receive, self._app_sends.send)

    async def expect(self, kind: str) -> None:
        await self._to_app.send({"type": f"lifespan.{kind}"})
        with anyio.fail_after(10):
            assert await self._from_app.receive() == {"type": f"lifespan.{kind}.complete"}

    def close(self) -> None:
        for stream in (self._to_app, self._app_receives, self._app_sends, self._from_app):
            stream.close()


@asynccontextmanager
async def open_app(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    running = Running(app)
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(running.live)
            await running.expect("startup")
            transport = httpx.ASGITransport(running)
            async with httpx.AsyncClient(transport=transport, base_url="http://shop.test") as client:
                yield client
            await running.expect("shutdown")
    finally:
        running.close()


@pytest.fixture
def opened() -> Callable[[ASGIApp], AbstractAsyncContextManager[httpx.AsyncClient]]:
    """A function that opens an application for an ``async with`` block and gives an httpx client of it."""
    return open_app
