"""Whole calls in one line: requests, WebSockets, lifespans."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute

from middlewares import testing
from middlewares.testing import DriverError, LifespanFailed, WebSocketRefused, lifespan, request, websocket

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.websockets import WebSocket as StarletteWebSocket

    from middlewares.asgi import Message, Receive, Scope, Send


def test_every_public_name_exists() -> None:
    assert sorted(testing.__all__) == sorted(set(testing.__all__))
    assert all(hasattr(testing, name) for name in testing.__all__)


# -- requests


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the body received, one chunk for each event, and trailers."""
    headers = [(b"Vary", b"a"), (b"vary", b"b"), *scope["headers"]]
    await send({"type": "http.response.start", "status": 201, "headers": headers, "trailers": True})
    more = True
    while more:
        event = await receive()
        more = event["more_body"]
        await send({"type": "http.response.body", "body": memoryview(event["body"]), "more_body": more})
    await send({"type": "http.response.trailers", "headers": [(b"x-end", b"1")]})


@pytest.mark.parametrize(
    ("form", "chunks"),
    [
        (b"".join, [b""]),
        (b"".join, [b"whole"]),
        (lambda chunks: bytearray(chunks[0]), [b"whole"]),
        (lambda chunks: memoryview(chunks[0]), [b"whole"]),
        (list, [b"a", b"", b"b"]),
        (iter, [b"a", b"b"]),
    ],
    ids=["empty", "bytes", "bytearray", "memoryview", "list", "iterator"],
)
async def test_a_request_sends_its_body_in_chunks_and_collects_the_response(form, chunks: list[bytes]) -> None:
    response = await request(echo, "POST", body=form(chunks))
    assert response.status == 201
    assert response.chunks == chunks
    assert response.body == b"".join(chunks)
    assert response.trailers == [(b"x-end", b"1")]
    assert response.messages[-1]["type"] == "http.response.trailers"
    assert response.exception is None


async def test_headers_are_kept_raw_and_can_be_asked_for_by_name() -> None:
    response = await request(echo, headers={"X-Id": "7"})
    assert response.headers == [(b"Vary", b"a"), (b"vary", b"b"), (b"x-id", b"7")]
    assert response.values("Vary") == ["a", "b"]
    assert response.header("vary") == "a, b"
    assert response.header("x-id") == "7"
    assert response.header("x-other") is None


async def test_a_request_reaches_a_real_application() -> None:
    async def page(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"{request.url.path} {request.query_params['q']} {request.state.name}")

    app = Starlette(routes=[Route("/caf\u00e9", page)])
    response = await request(app, path="/caf\u00e9", query="q=1", state={"name": "n"})
    assert (response.status, response.text) == (200, "/caf\u00e9 1 n")


async def failing_late(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"[1]", "more_body": True})
    raise LookupError("too late")


async def test_a_request_raises_what_the_app_raises_unless_asked_to_keep_it() -> None:
    with pytest.raises(LookupError, match="too late"):
        await request(failing_late)
    response = await request(failing_late, raise_exceptions=False)
    assert isinstance(response.exception, LookupError)
    assert (response.status, response.headers, response.json()) == (200, [], [1])


async def test_a_request_without_a_response_has_no_status() -> None:
    async def nothing(scope: Scope, receive: Receive, send: Send) -> None: ...

    response = await request(nothing)
    assert (response.status, response.body, response.messages) == (None, b"", [])


async def test_a_request_has_a_deadline_even_when_exceptions_are_kept() -> None:
    async def stuck(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep_forever()

    with pytest.raises(DriverError, match="did not return within"):
        await request(stuck, raise_exceptions=False, timeout=0.01)


async def test_a_body_without_any_chunk_is_an_empty_body() -> None:
    assert (await request(echo, body=[])).chunks == [b""]


# -- WebSockets


async def echo_messages(scope: Scope, receive: Receive, send: Send) -> None:
    assert (await receive())["type"] == "websocket.connect"
    chosen = next(iter(scope["subprotocols"]), None)
    await send({"type": "websocket.accept", "subprotocol": chosen, "headers": [(b"x-id", b"7")]})
    while (event := await receive())["type"] == "websocket.receive":
        await send({**event, "type": "websocket.send"})


async def test_a_websocket_exchanges_messages_and_leaves() -> None:
    async with websocket(echo_messages, "/chat", subprotocols=["chat"]) as ws:
        assert ws.subprotocol == "chat"
        assert list(ws.headers) == [(b"x-id", b"7")]
        await ws.send_text("hello")
        assert await ws.receive_text() == "hello"
        await ws.send_bytes(b"\x00")
        assert await ws.receive_bytes() == b"\x00"
    assert ws.messages[-1].message == {"type": "websocket.disconnect", "code": 1000, "reason": ""}


async def test_a_websocket_that_the_app_closes() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 4001})

    async with websocket(app) as ws:
        assert (await ws.receive("websocket.close"))["code"] == 4001
        ws.disconnect(4001)


async def test_an_app_that_overstays_the_websocket_is_an_error() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        await anyio.sleep_forever()

    with pytest.raises(DriverError, match="did not return within"):
        async with websocket(app, timeout=0.01):
            pass


async def test_a_websocket_that_is_closed_instead_of_accepted() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": "no"})
        await receive()

    with pytest.raises(WebSocketRefused) as caught:
        async with websocket(app):
            pytest.fail("the block must not be entered")
    assert (caught.value.response.status, caught.value.code, caught.value.reason) == (403, 1008, "no")


async def test_a_websocket_that_is_denied_with_a_response() -> None:
    async def deny(ws: StarletteWebSocket) -> None:
        await ws.send_denial_response(PlainTextResponse("not you", 401, {"x-why": "key"}))

    app = Starlette(routes=[WebSocketRoute("/", deny)])
    with pytest.raises(WebSocketRefused, match="status 401") as caught:
        async with websocket(app, extensions=["websocket.http.response"]):
            pytest.fail("the block must not be entered")
    response = caught.value.response
    assert (response.status, response.text, response.header("x-why")) == (401, "not you", "key")
    assert caught.value.code is None


# -- lifespans


def lifespan_app(startup: Message, shutdown: Message, log: list[str]):
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        log.append((await receive())["type"])
        scope["state"]["pool"] = "open"
        await send(startup)
        log.append((await receive())["type"])
        await send(shutdown)

    return app


STARTED: Message = {"type": "lifespan.startup.complete"}
STOPPED: Message = {"type": "lifespan.shutdown.complete"}
BOTH = ["lifespan.startup", "lifespan.shutdown"]


async def test_a_lifespan_yields_the_state_and_shuts_down() -> None:
    log: list[str] = []
    given = {"name": "shop"}
    async with lifespan(lifespan_app(STARTED, STOPPED, log), state=given) as state:
        assert log == ["lifespan.startup"]
        assert state == {"name": "shop", "pool": "open"}
    assert log == BOTH
    assert given == {"name": "shop"}


async def test_a_lifespan_shuts_down_after_a_failed_test_too() -> None:
    log: list[str] = []
    with pytest.raises(ZeroDivisionError):
        async with lifespan(lifespan_app(STARTED, STOPPED, log)):
            raise ZeroDivisionError
    assert log == BOTH


@pytest.mark.parametrize(
    ("startup", "shutdown", "log_expected"),
    [
        ({"type": "lifespan.startup.failed", "message": "no disk"}, STOPPED, BOTH[:1]),
        (STARTED, {"type": "lifespan.shutdown.failed", "message": "no disk"}, BOTH),
    ],
    ids=["startup", "shutdown"],
)
async def test_a_lifespan_that_says_it_failed(startup: Message, shutdown: Message, log_expected: list[str]) -> None:
    log: list[str] = []
    with pytest.raises(LifespanFailed, match="no disk"):
        async with lifespan(lifespan_app(startup, shutdown, log)):
            pass
    assert log == log_expected


async def test_a_lifespan_ends_only_when_the_app_has_returned() -> None:
    async def lingering(scope: Scope, receive: Receive, send: Send) -> None:
        await lifespan_app(STARTED, STOPPED, [])(scope, receive, send)
        await anyio.sleep_forever()

    with pytest.raises(DriverError, match="did not return within"):
        async with lifespan(lingering, timeout=0.05):
            pass


async def test_a_lifespan_that_raises_or_answers_nonsense() -> None:
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError("no lifespan here")

    with pytest.raises(LookupError, match="no lifespan here"):
        async with lifespan(failing):
            pass
    with pytest.raises(DriverError, match=r"answered 'lifespan.shutdown.complete' to lifespan.startup"):
        async with lifespan(lifespan_app(STOPPED, STOPPED, [])):
            pass
