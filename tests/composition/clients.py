"""Generated clients: each leads one call through the driver in its own way, and feeds what it gets to a `View`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from anyio.lowlevel import checkpoint

from .calls import turns

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send
    from middlewares.testing import Driver

    from .requests import Request

__all__ = ("NORMAL", "Client", "Interrupted", "converse")

_DEADLINE = 10.0

_TALK: list[Message] = [{"type": "websocket.receive", "text": "one"}, {"type": "websocket.receive", "text": "two"}]


@dataclass(frozen=True)
class Client:
    """How a client behaves."""

    kind: Literal["normal", "slow", "gone", "half", "cancelled"] = "normal"
    """``gone``: leaves after some messages; ``half``: in the middle of the request's body; ``cancelled``: the server
    cancels the call."""
    at: int = 0
    """After how many messages it goes, or at which await the call is cancelled."""
    fails: bool = False
    """Whether sending to it raises once it has gone."""

    @property
    def stays(self) -> bool:
        """Whether it gets all there is."""
        return self.kind in ("normal", "slow")

    @property
    def holds_sends(self) -> bool:
        """Whether a message is on its way until the client takes it."""
        return self.kind in ("slow", "gone")


NORMAL = Client()


async def converse(call: Driver, request: Request, client: Client, is_stuck: Callable[[], bool]) -> None:
    """Lead a call to its end; ``is_stuck`` tells that the application waits for nothing but the client's leaving."""
    async with asyncio.timeout(_DEADLINE):
        if request.type == "lifespan":
            await _lifespan(call)
        elif client.kind == "gone":
            await _leave_after(call, request, client.at)
        elif client.kind == "half" and request.type == "http":
            call.feed(*request.events()[:-1])
            await _until(lambda: not call.running or call.waiting)
        elif request.type == "websocket":
            await _talk(call, client)
        else:
            call.feed(*request.events())
            await _read(call, client, lambda: is_stuck() and call.waiting)
        if call.running and call.connected and request.type != "lifespan":
            call.disconnect(1001)
        await _until(lambda: not call.running)


async def _lifespan(call: Driver) -> None:
    call.feed({"type": "lifespan.startup"})
    await _until(lambda: not call.running or call.waiting)
    if call.running:
        call.feed({"type": "lifespan.shutdown"})


async def _leave_after(call: Driver, request: Request, count: int) -> None:
    call.feed(*([{"type": "websocket.connect"}] if request.type == "websocket" else request.events()))
    for taken in range(count):
        await _until_sent(call, taken, lambda: call.waiting)
        if len(call.sent) <= taken:
            return
        await call.receive()


async def _talk(call: Driver, client: Client) -> None:
    call.feed({"type": "websocket.connect"})
    taken = await _read(call, client, lambda: call.waiting)
    if call.running and call.sent and call.sent[0]["type"] == "websocket.accept":
        call.feed(*_TALK)
        await _read(call, client, lambda: call.waiting, taken)


async def _read(call: Driver, client: Client, is_over: Callable[[], bool], taken: int = 0) -> int:
    """Read until the application is done; a slow client takes one message at a time, and takes its time.

    Return how many it has taken.
    """
    if client.kind != "slow":
        await _until(lambda: not call.running or is_over())
        return taken
    while True:
        await _until_sent(call, taken, is_over)
        if len(call.sent) <= taken:
            return taken
        await turns(10)
        await call.receive()
        taken += 1


async def _until_sent(call: Driver, taken: int, is_over: Callable[[], bool]) -> None:
    await _until(lambda: not call.running or len(call.sent) > taken or is_over())


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():
        await checkpoint()


class Interrupted:
    """Cancel a call at one of its awaits, counted from 1; count them."""

    def __init__(self, app: ASGIApp, at: int) -> None:
        self.app = app
        self.at = at
        self.steps = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def receive_late() -> Message:
            await checkpoint()
            return await receive()

        async def send_late(message: Message) -> None:
            await checkpoint()
            await send(message)
            await checkpoint()

        coroutine: Any = self.app(scope, receive_late, send_late)
        await _Stepped(self, coroutine)


class _Stepped:
    """A coroutine that counts how often it waits."""

    def __init__(self, counter: Interrupted, coroutine: Coroutine[Any, Any, None]) -> None:
        self.counter = counter
        self.coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, None]:
        steps = self.coroutine.__await__()
        raised: BaseException | None = None
        while True:
            try:
                waited = next(steps) if raised is None else steps.throw(raised)
            except StopIteration:
                return
            self.counter.steps += 1
            if self.counter.steps == self.counter.at:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            try:
                raised = None
                yield waited
            except BaseException as error:  # noqa: BLE001 - handed to the coroutine
                raised = error
