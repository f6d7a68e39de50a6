"""A start that is kept back for its body leaves when the event loop has turned, and nothing is lost with it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
from typing import TYPE_CHECKING, Any

import pytest

from middlewares import GZip
from middlewares.testing import Driver, http_scope, request
from tests.compression.answers import GZ, TEXT, answering, body, start

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send


def late(*messages: Message, of: Message) -> ASGIApp:
    """Return an application that starts, lets the loop turn until it is told to go on, and then sends."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(of)
        await receive()
        for message in messages:
            await send(message)

    return app


SIZED = {"content-length": str(len(TEXT))}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("headers", [{}, SIZED], ids=["unsized", "sized"])
async def test_the_start_leaves_before_a_late_body(method: str, headers: dict[str, str]) -> None:
    app = late(body(TEXT if method == "GET" else b""), of=start(headers))
    async with Driver(GZip(app), http_scope(method, headers=GZ)) as call:
        started = await call.receive("http.response.start")
        assert (b"content-encoding", b"gzip") in started["headers"]
        assert b"content-length" not in dict(started["headers"])
        call.feed({"type": "http.request"})
        data = (await call.receive("http.response.body"))["body"]
        await call.finish()
        assert data == b"" if method == "HEAD" else gzip.decompress(data) == TEXT


async def test_a_start_that_announces_too_little_leaves_as_it_is() -> None:
    given = start({"content-length": "20"})
    async with Driver(GZip(late(body(b"a" * 20), of=given)), http_scope(headers=GZ)) as call:
        started = await call.receive("http.response.start")
        assert started["headers"] == [*given["headers"], (b"vary", b"Accept-Encoding")]


async def test_a_body_in_the_same_turn_is_judged_whole() -> None:
    """Whatever the application awaits, as long as the loop does not turn: so bodies never grow."""
    response = await request(GZip(answering(start(), body(b"small"))), headers=GZ)
    assert response.header("content-encoding") is None
    assert response.body == b"small"


async def test_what_comes_while_the_start_is_on_its_way_waits() -> None:
    async with Driver(GZip(late(body(TEXT), of=start())), http_scope(headers=GZ), hold_sends=True) as call:
        await call.settle()
        call.feed({"type": "http.request"})
        await call.settle()
        assert [message["type"] for message in call.sent] == ["http.response.start"]
        await call.receive("http.response.start")
        assert gzip.decompress((await call.receive("http.response.body"))["body"]) == TEXT


class BrokenError(OSError):
    """What the server's ``send`` raises."""


async def failing(message: Message) -> None:
    await asyncio.sleep(0)
    raise BrokenError(message["type"])


async def never() -> Message:
    return await asyncio.Future()


async def test_the_error_of_a_released_start_reaches_the_next_send() -> None:
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        for _ in range(10):
            await asyncio.sleep(0)
        for _ in range(2):
            try:
                await send(body(TEXT, more=True))
            except BrokenError as error:
                seen.append(str(error))

    await GZip(app)(http_scope(headers=GZ), never, failing)
    assert seen == ["http.response.start", "http.response.body"]


async def test_it_reaches_who_waits_for_the_start() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await asyncio.sleep(0)
        await send(body(TEXT))

    with pytest.raises(BrokenError, match="start"):
        await GZip(app)(http_scope(headers=GZ), never, failing)


@pytest.mark.parametrize("ends", ["sends", "returns", "fails", "is told"])
async def test_an_error_of_the_start_leaves_no_garbage(ends: str) -> None:
    """Its traceback refers to the frames in which it was kept."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        for _ in range(5):
            await asyncio.sleep(0)
        if ends == "fails":
            raise LookupError
        if ends == "sends":
            await send(body(TEXT))
        elif ends == "is told":
            with contextlib.suppress(BrokenError):
                await send(body(TEXT))

    layer = GZip(app)
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            with contextlib.suppress(BrokenError, LookupError):
                await layer(http_scope(headers=GZ), never, failing)
        assert gc.collect() == 0
    finally:
        gc.enable()


@pytest.mark.parametrize("turns", [1, 10])
async def test_it_is_raised_at_the_end_if_nothing_else_is_sent(turns: int) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        for _ in range(turns):
            await asyncio.sleep(0)

    with pytest.raises(BrokenError, match="start"):
        await GZip(app)(http_scope(headers=GZ), never, failing)


async def test_the_call_does_not_return_before_the_start_has_left() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await asyncio.sleep(0)

    async with Driver(GZip(app), http_scope(headers=GZ), hold_sends=True) as call:
        await call.settle()
        assert call.running
        await call.receive("http.response.start")
        await call.finish()


@pytest.mark.parametrize("ends", [True, False])
async def test_cancelling_the_call_cancels_the_start(ends: bool) -> None:
    """And the call ends only after its task has."""
    tasks_before = asyncio.all_tasks()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await (asyncio.sleep(0) if ends else receive())

    async with Driver(GZip(app), http_scope(headers=GZ), hold_sends=True) as call:
        await call.settle()
        await call.cancel()
        assert call.cancelled
        assert [message["type"] for message in call.sent] == ["http.response.start"]
    assert asyncio.all_tasks() == tasks_before


async def test_cancelling_by_asyncio_cancels_the_start_too() -> None:
    tasks_before = asyncio.all_tasks()
    entered = asyncio.Event()

    async def hold(message: Message) -> None:
        entered.set()
        await never()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await asyncio.sleep(0)

    call = asyncio.ensure_future(GZip(app)(http_scope(headers=GZ), never, hold))
    await asyncio.wait_for(entered.wait(), 5)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert asyncio.all_tasks() == tasks_before


async def test_a_start_can_be_cancelled_before_its_task_has_begun() -> None:
    """Whoever waits for it goes on, and finds what the server says of a call that is over."""
    sent: list[Message] = []
    others: list[asyncio.Task[None]] = []

    async def send_it(message: Message) -> None:
        sent.append(message)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_too() -> None:
            await asyncio.sleep(0)
            await send(body(TEXT))

        await send(start())
        others.append(asyncio.create_task(send_too()))
        call.cancel()
        await asyncio.sleep(0)

    call = asyncio.ensure_future(GZip(app)(http_scope(headers=GZ), never, send_it))
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.wait_for(others[0], 5)
    assert [message["type"] for message in sent] == ["http.response.body"]
    gc.collect()  # a coroutine that was never awaited would complain now


async def test_an_error_while_the_start_is_on_its_way_waits_for_it() -> None:
    """The start was sent, as far as the application knew; what it raises is raised."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await asyncio.sleep(0)
        raise LookupError

    async with Driver(GZip(app), http_scope(headers=GZ), hold_sends=True) as call:
        await call.settle()
        assert call.running
        await call.receive("http.response.start")
        with pytest.raises(LookupError):
            await call.finish()


async def test_an_error_in_the_same_turn_drops_the_start() -> None:
    sent: list[Message] = []

    async def send_it(message: Message) -> None:
        sent.append(message)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        raise LookupError

    with pytest.raises(LookupError):
        await GZip(app)(http_scope(headers=GZ), never, send_it)
    await asyncio.sleep(0)
    assert sent == []
