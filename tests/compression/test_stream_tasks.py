"""Chunks of an encoded stream arrive in the order in which they were encoded, and all of them, or the stream ends."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from middlewares.testing import http_scope
from tests.compression.answers import body, start
from tests.compression.coders import CODERS, Coder

if TYPE_CHECKING:
    from middlewares.asgi import Message, Receive, Scope, Send

each_coding = pytest.mark.parametrize("coder", CODERS, ids=str)


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


async def never() -> Message:
    """Stand for a client that says no more."""
    raise AssertionError("nothing is asked for")


class Server:
    """A server that takes the first chunk slowly, and would let later ones overtake it."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.entered = anyio.Event()
        self.may_go_on = anyio.Event()

    async def send(self, message: Message) -> None:
        """Take a message."""
        if message["type"] == "http.response.body" and not self.entered.is_set():
            self.entered.set()
            await self.may_go_on.wait()
        self.sent.append(message)


async def sending(send: Send, *messages: Message) -> None:
    """Send, as a task does."""
    for message in messages:
        await send(message)


@each_coding
async def test_no_chunk_overtakes_another_at_the_server(coder: Coder) -> None:
    server = Server()
    chunks = [b"data: %d\n\n" % number for number in range(3)]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(content_type="text/event-stream"))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sending, send, body(chunks[0], more=True))
            await server.entered.wait()
            tasks.start_soon(sending, send, body(chunks[1], more=True))
            await anyio.lowlevel.checkpoint()
            tasks.start_soon(sending, send, body(chunks[2], more=True))
            await anyio.lowlevel.checkpoint()
            server.may_go_on.set()
        await send(body(b""))

    with anyio.fail_after(5):
        await coder.make(app)(http_scope(headers=coder.accepts), never, server.send)
    decoded = coder.whole(b"".join(message["body"] for message in server.sent[1:]))
    assert sorted(decoded.split(b"\n\n")) == sorted(b"".join(chunks).split(b"\n\n"))


@each_coding
async def test_nothing_follows_a_chunk_that_was_given_up(coder: Coder) -> None:
    """What comes after it refers to it, and would decode to something that nobody has sent."""
    server = Server()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(content_type="text/event-stream"))
        with anyio.move_on_after(math.inf) as giving_up:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(sending, send, body(b"data: 1\n\n", more=True))
                await server.entered.wait()
                giving_up.cancel()
        for more in (True, False):
            with pytest.raises(RuntimeError, match="lost"):
                await send(body(b"data: 2\n\n", more=more))

    with anyio.fail_after(5):
        await coder.make(app)(http_scope(headers=coder.accepts), never, server.send)
    assert [message["type"] for message in server.sent] == ["http.response.start"]
