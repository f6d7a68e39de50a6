"""The driver passes single messages, waits with a deadline, and keeps the test in command of every step."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from middlewares.testing import (
    ClientDisconnected,
    Driver,
    DriverError,
    http_scope,
    lifespan_scope,
    websocket_scope,
)

if TYPE_CHECKING:
    from middlewares.asgi import Message, Receive, Scope, Send

START: Message = {"type": "http.response.start", "status": 200, "headers": []}
SOON = 0.01  # a deadline that is meant to pass


async def quiet(scope: Scope, receive: Receive, send: Send) -> None:
    """Take events for ever and say nothing."""
    while True:
        await receive()


async def reading(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer once the body is whole."""
    while (await receive()).get("more_body"):
        pass
    await send(START)
    await send({"type": "http.response.body", "body": b"done"})


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


# -- disconnects


async def test_a_disconnect_comes_after_what_was_fed_and_again_each_time() -> None:
    got: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        got.extend([await receive(), await receive(), await receive()])

    async with Driver(app, http_scope()) as call:
        call.feed({"type": "http.request"})
        call.disconnect()
        await call.finish()
        with pytest.raises(ValueError, match="no event can follow a disconnect"):
            call.feed({"type": "http.request"})
    assert [event["type"] for event in got] == ["http.request", "http.disconnect", "http.disconnect"]
    assert got[1] is not got[2]


async def test_a_disconnect_wakes_an_app_that_waits() -> None:
    async with Driver(reading, websocket_scope()) as call:
        await call.settle()
        call.disconnect(1001, "going away")
        await call.finish()
    event = call.messages[0].message
    assert event == {"type": "websocket.disconnect", "code": 1001, "reason": "going away"}


async def test_a_lifespan_has_no_disconnect() -> None:
    async with Driver(quiet, lifespan_scope()) as call:
        with pytest.raises(ValueError, match="'lifespan' has no disconnect"):
            call.disconnect()
        call.feed({"type": "lifespan.startup"})


@pytest.mark.parametrize("fail_sends", [False, True])
@pytest.mark.parametrize("hold_sends", [False, True])
async def test_sending_after_the_client_has_gone(fail_sends: bool, hold_sends: bool) -> None:
    """It does nothing, or raises an OSError, as the test chose; a send that is being held is no exception."""
    outcomes: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await receive()
        for _ in range(2):
            try:
                await send({"type": "http.response.body", "more_body": True})
                outcomes.append(None)
            except OSError as error:
                outcomes.append(type(error))

    async with Driver(app, http_scope(), fail_sends=fail_sends, hold_sends=hold_sends) as call:
        await call.receive("http.response.start")
        if hold_sends:
            call.feed({"type": "http.request"})
            await call.settle()
            assert len(call.sent) == 2
        call.disconnect()
        await call.finish()
    assert outcomes == [ClientDisconnected if fail_sends else None] * 2
    assert len(call.lost) == (1 if hold_sends else 2)


DISCONNECT = {"type": "http.disconnect"}
LAST_BODY = {"type": "http.response.body"}
TRAILED_START = {**START, "trailers": True}
TRAILERS = {"type": "http.response.trailers", "headers": []}
FILE = {"type": "http.response.zerocopysend", "file": 3}


@pytest.mark.parametrize(
    ("sent", "farewell"),
    [
        ([START], None),
        ([START, {"type": "http.response.body", "more_body": True}], None),
        ([START, LAST_BODY], DISCONNECT),
        ([TRAILED_START, LAST_BODY], None),
        ([TRAILED_START, LAST_BODY, {**TRAILERS, "more_trailers": True}], None),
        ([TRAILED_START, LAST_BODY, TRAILERS], DISCONNECT),
        ([START, {**FILE, "more_body": True}], None),
        ([START, FILE], DISCONNECT),
        ([START, {"type": "http.response.pathsend", "path": "/f"}], DISCONNECT),
        ([START, {"type": "http.response.unheard-of"}], None),
        ([{"type": "websocket.accept"}], None),
        ([{"type": "websocket.close"}], {"type": "websocket.disconnect", "code": 1000, "reason": ""}),
        (
            [{"type": "websocket.close", "code": 4000, "reason": "no"}],
            {"type": "websocket.disconnect", "code": 4000, "reason": "no"},
        ),
        (
            [{"type": "websocket.http.response.start"}, {"type": "websocket.http.response.body"}],
            {"type": "websocket.disconnect", "code": 1006, "reason": ""},
        ),
    ],
)
async def test_the_end_of_a_response_answers_receive_with_a_disconnect(
    sent: list[Message], farewell: Message | None
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in sent:
            await send(message)
        await receive()

    scope = http_scope() if sent[0]["type"].startswith("http") else websocket_scope()
    async with Driver(app, scope) as call:
        await call.settle()
        assert call.waiting == (farewell is None)
        events = [message for sender, message in call.messages if sender == "test"]
        assert events == ([] if farewell is None else [farewell])


# -- backpressure


async def test_a_held_send_returns_when_the_test_takes_the_message() -> None:
    progress: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for number in range(3):
            await send({"type": "http.response.body", "body": b"%d" % number, "more_body": True})
            progress.append(number)

    async with Driver(app, http_scope(), hold_sends=True) as call:
        for number in range(3):
            await call.settle()
            assert progress == list(range(number))
            assert (await call.receive())["body"] == b"%d" % number
        await call.finish()
    assert progress == [0, 1, 2]


async def test_sends_are_not_held_unless_asked_for() -> None:
    async with Driver(reading, http_scope()) as call:
        call.feed({"type": "http.request"})
        await call.finish()
        assert len(call.sent) == 2
