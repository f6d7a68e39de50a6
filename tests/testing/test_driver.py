"""The driver passes single messages, waits with a deadline, and keeps the test in command of every step."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from middlewares.testing import (
    Driver,
    DriverError,
    http_scope,
)
from tests.testing.apps import START, quiet, reading

if TYPE_CHECKING:
    from middlewares.asgi import Message, Receive, Scope, Send

SOON = 0.01  # a deadline that is meant to pass


async def failing(scope: Scope, receive: Receive, send: Send) -> None:
    raise LookupError("nothing here")


async def test_messages_pass_one_by_one_as_the_objects_they_are() -> None:
    got: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        got.append(await receive())
        await send(START)

    event: Message = {"type": "http.request"}
    async with Driver(app, http_scope()) as call:
        await call.send(event)
        assert await call.receive() is START
        await call.finish()
    assert got[0] is event
    assert [(passed.sender, passed.message["type"]) for passed in call.messages] == [
        ("test", "http.request"),
        ("app", "http.response.start"),
    ]
    assert call.sent == [START]
    assert not call.running


async def test_the_app_is_silent_until_it_has_what_it_waits_for() -> None:
    async with Driver(reading, http_scope("POST")) as call:
        await call.send({"type": "http.request", "body": b"a", "more_body": True})
        await call.assert_silent()
        assert call.waiting
        call.feed({"type": "http.request", "body": b"b", "more_body": True}, {"type": "http.request"})
        with pytest.raises(DriverError, match=r"sent 'http.response.start' where it should have waited"):
            await call.assert_silent()
        await call.receive("http.response.start")
        await call.receive("http.response.body")
        await call.assert_silent()


async def test_settling_reaches_through_queues_and_tasks() -> None:
    """A message that crosses many tasks has arrived when the driver says that all is quiet."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as tasks:
            source, sink = anyio.create_memory_object_stream[Any]()
            tasks.start_soon(relay, 10, sink, send)
            await source.send(START)
            source.close()

    async def relay(hops: int, stream: Any, send: Send) -> None:
        async with stream:
            message = await stream.receive()
        if hops == 0:
            return await send(message)
        async with anyio.create_task_group() as tasks:
            source, sink = anyio.create_memory_object_stream[Any]()
            tasks.start_soon(relay, hops - 1, sink, send)
            await source.send(message)
            source.close()

    async with Driver(app, http_scope()) as call:
        await call.settle()
        assert call.sent == [START]


async def test_an_error_shows_what_has_passed() -> None:
    async with Driver(quiet, http_scope(), timeout=SOON) as call:
        for number in range(25):
            call.feed({"type": "http.request", "body": bytes([number]) * 1000, "more_body": True})
        with pytest.raises(DriverError) as caught:
            await call.receive("http.response.start")
    lines = str(caught.value).splitlines()
    assert lines[0] == ("the app did not send http.response.start within 0.01 s; it waits for an event. Passed so far:")
    assert lines[1] == "  (5 earlier messages)"
    assert len(lines) == 22
    assert lines[2].startswith("  test: http.request body=b'\\x05")
    assert all(len(line) < 210 for line in lines)


@pytest.mark.parametrize(
    ("step", "complaint"),
    [
        (lambda call: call.receive(), "did not send anything within"),
        (lambda call: call.send({"type": "http.request"}), "did not take 'http.request' within"),
        (lambda call: call.finish(), "did not return within"),
    ],
    ids=["receive", "send", "finish"],
)
async def test_each_wait_has_a_deadline(step, complaint: str) -> None:
    async def stuck(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep_forever()

    async with Driver(stuck, http_scope(), timeout=SOON) as call:
        with pytest.raises(DriverError, match=complaint) as caught:
            await step(call)
    assert "it runs. Passed so far:\n  nothing" in str(caught.value)


@pytest.mark.parametrize(
    ("step", "complaint"),
    [
        (lambda call: call.receive("http.response.start"), "ended without sending http.response.start"),
        (lambda call: call.send({"type": "http.request"}), "ended without taking 'http.request'"),
    ],
    ids=["receive", "send"],
)
async def test_nobody_waits_for_an_app_that_has_ended(step, complaint: str) -> None:
    async def nothing(scope: Scope, receive: Receive, send: Send) -> None: ...

    async with Driver(nothing, http_scope(), timeout=60) as call:
        with pytest.raises(DriverError, match=complaint):
            await step(call)


async def test_another_message_than_the_expected_one_is_an_error() -> None:
    async with Driver(reading, http_scope()) as call:
        call.feed({"type": "http.request"})
        with pytest.raises(DriverError, match=r"sent 'http.response.start' where 'http.response.body' was"):
            await call.receive("http.response.body")


@pytest.mark.parametrize(
    "step",
    [
        lambda call: call.receive(),
        lambda call: call.finish(),
        lambda call: call.send({"type": "http.request"}),
        lambda call: call.assert_silent(),
    ],
    ids=["receive", "finish", "send", "assert_silent"],
)
async def test_what_the_app_raises_reaches_the_test_as_the_same_object(step) -> None:
    error = LookupError("nothing here")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    async with Driver(app, http_scope()) as call:
        with pytest.raises(LookupError) as caught:
            await step(call)
    assert caught.value is error


async def test_a_failure_of_the_app_cannot_go_unnoticed() -> None:
    with pytest.raises(LookupError, match="nothing here"):
        async with Driver(failing, http_scope()) as call:
            await call.settle()


async def test_a_failure_that_the_test_has_read_is_not_raised_again() -> None:
    async with Driver(failing, http_scope()) as call:
        await call.settle()
        assert isinstance(call.exception, LookupError)


async def test_a_failure_of_the_test_is_raised_itself_and_mentions_that_of_the_app() -> None:
    async def test_that_fails() -> None:
        async with Driver(failing, http_scope()) as call:
            await call.settle()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        await test_that_fails()
    assert caught.value.__notes__ == ["The app raised LookupError('nothing here')."]


async def test_leaving_the_block_cancels_an_app_that_still_runs() -> None:
    async with Driver(quiet, http_scope()) as call:
        await call.settle()
        assert call.running
    assert not call.running
    assert call.cancelled


async def test_cancelling_waits_for_the_app_to_clean_up() -> None:
    cleaned: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await receive()
        finally:
            cleaned.append("up")

    async with Driver(app, http_scope()) as call:
        await call.settle()
        await call.cancel()
        assert cleaned == ["up"]
        assert call.cancelled
        await call.finish()


async def test_an_app_with_a_scope_of_its_own_may_cancel_that() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with anyio.CancelScope() as scope_of_its_own:
            scope_of_its_own.cancel()
            await receive()
        assert scope_of_its_own.cancelled_caught
        await send(START)

    async with Driver(app, http_scope()) as call:
        assert await call.receive() is START
        await call.finish()
    assert not call.cancelled


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_an_app_that_raises_a_cancellation_does_not_cancel_the_test() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise asyncio.CancelledError

    async with Driver(app, http_scope()) as call:
        await call.finish()
    assert call.cancelled


async def test_a_cancelled_test_takes_the_app_with_it() -> None:
    call = Driver(quiet, http_scope())
    with anyio.CancelScope() as scope:
        async with call:
            await call.settle()
            scope.cancel()
            await call.receive()
    assert scope.cancelled_caught
    assert call.cancelled
    assert not call.running


async def test_a_cancelled_receive_loses_no_event() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with anyio.move_on_after(0):
            await receive()
        await send(START)
        event = await receive()
        await send({"type": "http.response.body", "body": event["body"]})

    async with Driver(app, http_scope()) as call:
        await call.receive("http.response.start")
        call.feed({"type": "http.request", "body": b"kept"})
        assert (await call.receive())["body"] == b"kept"
