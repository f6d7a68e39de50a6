"""GZip keeps the order of what several tasks of an application send, on asyncio and on Trio."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import anyio
import pytest

from middlewares import CORS, GZip, Stack
from middlewares.testing import Driver, http_scope, request
from tests.compression.answers import GZ, TEXT, body, start, streaming, whole

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send

LARGE = TEXT * 100  # goes to a worker thread


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


def from_tasks(*messages: Message) -> ASGIApp:
    """Return an application that starts, and then sends each message from a task of its own, the first one first."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        async with anyio.create_task_group() as tasks:
            for message in messages:
                sent = anyio.Event()

                async def send_it(message: Message = message, sent: anyio.Event = sent) -> None:
                    sent.set()
                    await send(message)

                tasks.start_soon(send_it)
                await sent.wait()
        await send(body(b"", more=False))

    return app


async def test_nothing_overtakes_a_start_that_was_kept_back() -> None:
    """The start leaves with the first body message; while an outer layer takes its time over it, the rest waits."""
    chunks = [b"one ", b"two ", b"three "]
    app = from_tasks(*(body(chunk, more=True) for chunk in chunks))
    async with Driver(GZip(app), http_scope(headers=GZ), hold_sends=True) as call:
        await call.settle()
        assert [message["type"] for message in call.sent] == ["http.response.start"]
        await call.receive("http.response.start")
        received = [(await call.receive("http.response.body"))["body"] for _ in range(4)]
        await call.finish()
        assert sorted(gzip.decompress(b"".join(received)).split()) == [b"one", b"three", b"two"]


async def test_a_message_of_another_kind_waits_for_the_start_too() -> None:
    other: Message = {"type": "http.response.from_the_future"}
    app = from_tasks(other, body(TEXT, more=True))
    async with Driver(GZip(app), http_scope(headers=GZ), hold_sends=True) as call:
        await call.settle()
        assert [message["type"] for message in call.sent] == ["http.response.start"]
        await call.receive("http.response.start")
        assert {(await call.receive())["type"] for _ in range(2)} == {other["type"], "http.response.body"}


@pytest.mark.parametrize(
    ("app", "wanted"),
    [(whole(TEXT), TEXT), (whole(LARGE), LARGE), (streaming([TEXT, LARGE, b"end"]), TEXT + LARGE + b"end")],
    ids=["whole", "threaded", "streamed"],
)
async def test_a_stack_answers_on_every_event_loop(app: ASGIApp, wanted: bytes) -> None:
    stack = Stack(CORS, GZip)(app)
    response = await request(stack, headers={**GZ, "origin": "https://a.example"})
    assert gzip.decompress(response.body) == wanted
