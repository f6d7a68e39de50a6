"""The driver as the client's side of the connection: disconnects, the end of a response, backpressure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from middlewares.testing import ClientDisconnected, Driver, Lint, http_scope, lifespan_scope, websocket, websocket_scope
from tests.testing.apps import START, quiet, reading

if TYPE_CHECKING:
    from middlewares.asgi import Message, Receive, Scope, Send


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
    async with Driver(reading, websocket_scope(), fail_sends=False) as call:
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


@pytest.mark.parametrize(
    ("scope", "raises"),
    [
        (websocket_scope(), True),
        (websocket_scope(spec_version="2.4"), True),
        (websocket_scope(spec_version="2.3"), False),
        (http_scope(), False),
    ],
)
async def test_sending_on_a_closed_websocket_raises_where_servers_must(scope: Scope, raises: bool) -> None:
    """HTTP & WebSocket 2.4; on HTTP no server in wide use does."""
    async with Driver(quiet, scope) as call:
        assert call.fail_sends is raises
    async with Driver(quiet, scope, fail_sends=not raises) as call:
        assert call.fail_sends is not raises


async def test_an_app_that_sends_on_after_the_client_has_closed_passes_without_a_finding() -> None:
    """No server takes the OSError that leaves such an app for a fault of it."""

    async def chatty(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while True:
            await receive()
            await send({"type": "websocket.send", "text": "more"})

    lint = Lint(chatty)
    async with websocket(lint) as ws:
        await ws.send_text("hello")
        assert await ws.receive_text() == "more"
    assert lint.findings == []
    assert ws.lost == [{"type": "websocket.send", "text": "more"}]
