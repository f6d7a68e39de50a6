"""Message by message: backpressure, disconnects, the end, and what becomes of a response when the body is bad."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from fastapi import Body, FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from middlewares import Decompress
from middlewares.decompress import RefusedBody
from middlewares.decompress.chain import Chain
from middlewares.testing import Driver, http_scope, request
from tests.decompress.bodies import ENCODERS, NOISY, TEXT, Reader, encoded, event, post, reason

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Receive, Scope, Send

START = {"type": "http.response.start", "status": 200, "headers": []}
BROKEN = encoded(TEXT, "gzip")[:-4]
DETAIL = "The request body ends before its coding does."


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


def driven(app: ASGIApp, coding: str = "gzip", **options: Any) -> Driver:
    return Driver(Decompress(app, **options), http_scope("POST", headers={"content-encoding": coding}))


@pytest.mark.parametrize("coding", ENCODERS)
async def test_only_what_is_needed_is_pulled(coding: str) -> None:
    """An event is asked for when the application asks, and all that came before has been handed out."""
    proceed = anyio.Event()
    sizes: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await proceed.wait()
        while True:
            message = await receive()
            sizes.append(len(message["body"]))
            if sum(sizes) >= 60_000:
                return

    body = encoded(NOISY, coding)
    half = len(body) // 2
    async with driven(app, coding) as call:
        call.feed(event(body[:half], more=True), event(body[half:]))
        await call.settle()
        assert call.messages == []
        proceed.set()
        await call.finish()
        assert len(call.messages) == 1
    assert max(sizes) <= 65_536


async def test_what_is_decoded_is_handed_on_at_once() -> None:
    """A stream of requests in a request: each flushed piece arrives before the next is sent."""
    import zlib

    compressor = zlib.compressobj(wbits=31)

    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START})
        more = True
        while more:
            message = await receive()
            more = message["more_body"]
            await send({"type": "http.response.body", "body": message["body"], "more_body": more})

    async with driven(echo) as call:
        await call.receive("http.response.start")
        for word in (b"one", b"two", b"three"):
            call.feed(event(compressor.compress(word) + compressor.flush(zlib.Z_SYNC_FLUSH), more=True))
            assert (await call.receive())["body"] == word
        call.feed(event(compressor.flush()))
        assert await call.receive() == {"type": "http.response.body", "body": b"", "more_body": False}
        await call.finish()


async def test_awkward_events_are_understood() -> None:
    """Bodies may be missing or views; what else an event carries, and events that nobody knows, pass."""
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend([await receive(), await receive()])

    unknown = {"type": "http.extension"}
    async with driven(app) as call:
        view = memoryview(encoded(TEXT, "gzip"))
        call.feed({"type": "http.request", "more_body": True}, unknown)
        call.feed({"type": "http.request", "body": view, "x": 1})
        await call.finish()
    assert seen == [unknown, {"type": "http.request", "body": TEXT, "more_body": False, "x": 1}]


async def test_after_the_end_and_after_a_disconnect_the_server_is_asked() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while len(seen) < 4:
            seen.append((await receive())["type"])

    for events, expected in (
        ([event(encoded(TEXT, "gzip"))], ["http.request", *["http.disconnect"] * 3]),
        ([event(BROKEN, more=True)], ["http.request", *["http.disconnect"] * 3]),
        ([], ["http.disconnect"] * 4),
    ):
        seen.clear()
        async with driven(app) as call:
            call.feed(*events)
            call.disconnect()
            await call.finish()
        assert seen == expected


async def test_a_cancelled_receive_loses_nothing() -> None:
    """As Starlette's ``is_disconnected`` does it, and a deadline of the application."""
    got = b""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal got
        more = True
        while more:
            with anyio.CancelScope() as scope_of_look:
                scope_of_look.cancel()
                message = await receive()
                got += message["body"]
                more = message["more_body"]
                continue
            message = await receive()
            got += message["body"]
            more = message["more_body"]

    for coding in ENCODERS:
        got = b""
        body = encoded(NOISY, coding)
        async with driven(app, coding) as call:
            middle = len(body) // 2
            call.feed(event(body[:middle], more=True), event(body[middle:]))
            await call.finish()
        assert got == NOISY, coding


# -- a bad body


async def test_the_application_is_told_again_each_time() -> None:
    errors: list[RefusedBody] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(3):
            try:
                await receive()
            except RefusedBody as error:
                errors.append(error)

    response = await post(Decompress(app), b"garbage", "gzip")
    assert (response.status, reason(response)) == (400, "The request body is not valid gzip.")
    assert [error.status_code for error in errors] == [400] * 3


@pytest.mark.parametrize("answers", [True, False], ids=["answers", "returns"])
async def test_whatever_the_application_does_the_client_learns_what_was_wrong(answers: bool) -> None:
    """An application that swallows the error and answers 200 is not believed."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            while True:
                await receive()
        except RefusedBody:
            if answers:
                await send({**START})
                await send({"type": "http.response.body", "body": b"saved"})

    response = await post(Decompress(app), BROKEN, "gzip")
    assert (response.status, reason(response)) == (400, DETAIL)
    assert len(response.messages) == 2


async def test_another_error_of_the_application_goes_on() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await receive()
        except RefusedBody as error:
            raise KeyError("ours") from error

    headers = {"content-encoding": "gzip"}
    response = await request(Decompress(app), "POST", headers=headers, body=BROKEN, raise_exceptions=False)
    assert response.status == 400
    assert isinstance(response.exception, KeyError)


async def test_an_error_in_a_task_of_the_application_is_known_in_its_group() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def read() -> None:
            await receive()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)

    assert (await post(Decompress(app), BROKEN, "gzip")).status == 400


@pytest.mark.parametrize("ends", [True, False])
async def test_a_response_that_has_begun_does_not_look_complete(ends: bool) -> None:
    """The error goes on to the server, which cuts the connection; but not where all has been said."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START})
        await send({"type": "http.response.body", "body": b"so far", "more_body": not ends})
        while True:
            await receive()

    headers = {"content-encoding": "gzip"}
    response = await request(Decompress(app), "POST", headers=headers, body=BROKEN, raise_exceptions=False)
    assert (response.status, response.body) == (200, b"so far")
    assert [message.get("more_body") for message in response.messages[1:]] == [not ends]
    assert isinstance(response.exception, RefusedBody) is not ends


async def test_a_response_that_has_begun_can_be_ended_by_the_application() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START})
        try:
            await receive()
        except RefusedBody as error:
            await send({"type": "http.response.body", "body": error.detail.encode()})

    assert (await post(Decompress(app), BROKEN, "gzip")).text == DETAIL


async def test_frameworks_take_it_quietly(anyio_backend: str, caplog: pytest.LogCaptureFixture) -> None:
    async def read(request: Any) -> PlainTextResponse:
        return PlainTextResponse(await request.body())

    async def named(name: str = Body(embed=True)) -> str:
        return name

    fastapi = FastAPI()
    fastapi.post("/")(named)
    for app in (Starlette(routes=[Route("/", read, methods=["POST"])]), fastapi):
        with caplog.at_level(logging.INFO):
            response = await post(Decompress(app), BROKEN, "gzip", **{"content-type": "application/json"})
        assert (response.status, reason(response)) == (400, DETAIL)
        assert caplog.records == []
        body, json = encoded(b'{"name": "x"}', "gzip"), {"content-type": "application/json"}
        assert (await post(Decompress(app), body, "gzip", **json)).status == 200


async def test_nothing_is_decoded_for_an_application_that_does_not_read() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START})
        await send({"type": "http.response.body", "body": b""})

    async with driven(app) as call:
        call.feed(event(BROKEN))
        await call.finish()
        assert call.messages[0].sender == "app"


# -- the event loop


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("codings", [("gzip",), ("br",), ("zstd",), ("gzip", "br")], ids="-".join)
async def test_others_have_their_turn_while_a_large_body_is_decoded(codings: tuple[str, ...]) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    data = NOISY * 10
    counting = asyncio.ensure_future(count())
    reader = Reader(keeps=False)
    assert (await post(Decompress(reader), encoded(data, *codings), *codings)).status == 200
    counting.cancel()
    assert sum(reader.sizes) == len(data)
    assert turns >= len(data) / 65_536


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_body_whose_decoding_thread_was_given_up_is_not_taken_for_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The cancellation of a task does not wait for a thread, so what it decoded is lost."""
    begun, proceed = threading.Event(), threading.Event()
    step = Chain.step

    def slow_step(chain: Chain) -> bytes:
        begun.set()
        proceed.wait(5)
        return step(chain)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        reading = asyncio.ensure_future(receive())
        assert await asyncio.to_thread(begun.wait, 5)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        proceed.set()
        await receive()

    monkeypatch.setattr(Chain, "step", slow_step)
    response = await post(Decompress(app), encoded(NOISY, "br"), "br")
    assert (response.status, reason(response)) == (500, "Reading was given up.")
