"""Whoever watches a call sees what became of it, through one pair of channels, and breaks nothing."""

from __future__ import annotations

import gc
import logging
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.routing import Route

from middlewares import AccessLog, RequestID
from middlewares.asgi import ASGIApp
from middlewares.core.exchange import EXCHANGE
from middlewares.core.layer import freeze
from middlewares.core.observer import INTERNAL_ERRORS, Observer, Plan, observe
from middlewares.testing import ClientDisconnected, Driver, ManualClock, http_scope, request, websocket, websocket_scope

if TYPE_CHECKING:
    from middlewares.asgi import Message, Receive, Scope, Send
    from middlewares.core.observed import ObservedCall

CLOCK = ManualClock()


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class Watcher(Observer):
    """Notes everything, and adds its name to each response."""

    app: ASGIApp = field(kw_only=False)
    name: str = "w"
    log: list[str] = field(default_factory=list[str])
    seen: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    fails_in: str = ""
    _plan: Plan = field(init=False, repr=False)

    def __post_init__(self) -> None:
        freeze(self, _plan=observe(self, CLOCK))

    def _note(self, step: str) -> None:
        self.log.append(f"{self.name} {step}")
        if self.fails_in == step:
            raise RuntimeError("the watcher is broken")

    def begin(self, call: ObservedCall) -> Any:
        self._note("begin")
        return None if self.name == "blind" else self.name

    def start(self, call: ObservedCall, state: Any, message: Message) -> Message:
        self._note("start")
        return {**message, "headers": [*message.get("headers", ()), (b"x-seen", self.name.encode())]}

    def finish(self, call: ObservedCall, state: Any) -> None:
        names = ("outcome", "status", "final_status", "error_type", "response_size", "received", "duration")
        self.seen.append({name: getattr(call, name) for name in (*names, "close_code", "messages_sent", "sent")})
        self._note("finish")

    def leave(self, call: ObservedCall, state: Any) -> None:
        self._note("leave")


HERE = Path(__file__)
START = {"type": "http.response.start", "status": 200, "headers": []}
FAILED = {**START, "status": 500}
TRAILED = {**START, "trailers": True}
END = {"type": "http.response.body", "body": b"abc"}
PART = {**END, "more_body": True}
EMPTY = [{**START, "status": 204}, {"type": "http.response.body"}]
TRAILERS = {"type": "http.response.trailers", "headers": []}
FILE = {"type": "http.response.pathsend", "path": str(HERE)}
SIZED = {**START, "headers": [(b"Content-Length", b"7")]}


def sending(*steps: Any) -> ASGIApp:
    """Return an application that sends messages, and raises what is an exception."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for step in steps:
            if isinstance(step, BaseException):
                raise step
            await send(step)

    return app


async def watch(app: ASGIApp, scope: Scope | None = None) -> dict[str, Any]:
    watcher = Watcher(app)
    response = await request(watcher, (scope or {}).get("method", "GET"), raise_exceptions=False)
    del response
    [seen] = watcher.seen
    return seen


@pytest.mark.parametrize(
    ("steps", "outcome", "status", "final", "error_type", "size"),
    [
        ([START, END], "completed", 200, 200, None, 3),
        ([START, PART, PART, END], "completed", 200, 200, None, 9),
        (EMPTY, "completed", 204, 204, None, 0),
        ([{**START, "status": 304}, END], "completed", 304, 304, None, 0),
        ([{**START, "headers": iter([(b"a", b"b")])}, END], "completed", 200, 200, None, 3),
        ([FAILED, END], "completed", 500, 500, "500", 3),
        ([{**START, "status": 404}, END], "completed", 404, 404, None, 3),
        ([ValueError()], "raised", None, 500, "ValueError", 0),
        ([anyio.EndOfStream()], "raised", None, 500, "anyio.EndOfStream", 0),
        ([START, ValueError()], "raised", 200, 200, "ValueError", 0),
        ([START, PART, ValueError()], "raised", 200, 200, "ValueError", 3),
        ([START, END, ValueError()], "completed", 200, 200, None, 3),
        ([], "unanswered", None, 500, "no_response", 0),
        ([START], "truncated", 200, 200, "incomplete_response", 0),
        ([START, PART], "truncated", 200, 200, "incomplete_response", 3),
        ([TRAILED, END], "truncated", 200, 200, "incomplete_response", 3),
        ([TRAILED, END, TRAILERS], "completed", 200, 200, None, 3),
        ([START, FILE], "completed", 200, 200, None, HERE.stat().st_size),
        ([SIZED, {**FILE, "path": "/none"}], "completed", 200, 200, None, 7),
    ],
)
async def test_what_became_of_a_request(
    steps: list[Any], outcome: str, status: int | None, final: int | None, error_type: str | None, size: int
) -> None:
    seen = await watch(sending(*steps))
    found = {name: seen[name] for name in ("outcome", "status", "final_status", "error_type", "response_size")}
    assert found == {
        "outcome": outcome,
        "status": status,
        "final_status": final,
        "error_type": error_type,
        "response_size": size,
    }


@pytest.mark.parametrize(
    ("options", "size"), [({}, 7), ({"count": 3}, 3), ({"offset": 2}, 8), ({"offset": 20}, 0), ({"file": None}, 0)]
)
async def test_an_open_file_counts_from_where_it_stands(options: dict[str, Any], size: int) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"0123456789")
        file.seek(3)
        message = {"type": "http.response.zerocopysend", "file": file, **options}
        watcher = Watcher(sending(START, message))
        async with Driver(watcher, http_scope(extensions={"http.response.zerocopysend": {}})) as call:
            await call.finish()
    assert watcher.seen[0]["sent"] == size
    assert watcher.seen[0]["outcome"] == "completed"


async def test_a_response_to_head_has_no_size() -> None:
    watcher = Watcher(sending(START, END))
    await request(watcher, "HEAD")
    assert watcher.seen[0]["response_size"] == 0


async def hang(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await anyio.sleep_forever()


async def test_a_cancelled_call_has_no_status() -> None:
    watcher = Watcher(hang)
    async with Driver(watcher, http_scope()) as call:
        await call.settle()
        await call.cancel()
    [seen] = watcher.seen
    assert (seen["outcome"], seen["final_status"], seen["error_type"]) == ("cancelled", None, "cancelled")


async def test_a_client_that_leaves_is_no_error_of_the_application() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        while (await receive())["type"] != "http.disconnect":
            pass

    watcher = Watcher(app)
    async with Driver(watcher, http_scope()) as call:
        call.feed({"type": "http.request", "body": b"12", "more_body": True})
        await call.receive()
        call.disconnect()
        await call.finish()
    [seen] = watcher.seen
    assert (seen["outcome"], seen["final_status"], seen["error_type"]) == ("disconnected", 200, "client_disconnected")
    assert seen["received"] == 2


@pytest.mark.parametrize("error", [None, KeyError()], ids=["tells of it", "fails for it"])
async def test_a_500_that_is_made_of_a_client_that_left_is_seen_by_nobody(error: Exception | None) -> None:
    """Inside of the framework's error page and outside the same is known of it."""

    async def endpoint(request: Any) -> None:
        try:
            await request.body()
        except ClientDisconnect:
            raise (error or ClientDisconnect()) from None

    inside: list[Watcher] = []

    def registered(app: ASGIApp) -> Watcher:
        inside.append(Watcher(app))
        return inside[0]

    outside = Watcher(Starlette(routes=[Route("/", endpoint)], middleware=[Middleware(registered)]))
    with suppress(KeyError, ClientDisconnect):
        async with Driver(outside, http_scope()) as call:
            call.disconnect()
            await call.finish()
    for seen in (outside.seen[0], inside[0].seen[0]):
        assert (seen["outcome"], seen["final_status"], seen["error_type"]) == (
            "disconnected", None, "client_disconnected",
        )  # fmt: skip


async def test_a_last_send_that_fails_says_that_the_client_is_gone() -> None:
    watcher = Watcher(sending(START, END))
    async with Driver(watcher, http_scope(), fail_sends=True) as call:
        call.disconnect()
        with pytest.raises(ClientDisconnected):
            await call.finish()
    assert watcher.seen[0]["outcome"] == "disconnected"


async def test_the_status_is_that_of_the_first_start() -> None:
    """A server refuses another; the client has the first."""

    class Refused(RuntimeError):
        pass

    async def refusing(message: Message) -> None:
        if message["type"] == "http.response.start" and sent:
            raise Refused
        sent.append(message)

    sent: list[Message] = []
    watcher = Watcher(sending(START, PART, FAILED))
    with pytest.raises(Refused):
        await watcher(http_scope(), None, refusing)  # type: ignore[arg-type]  # nobody receives
    [seen] = watcher.seen
    assert (seen["outcome"], seen["status"], seen["error_type"]) == (
        "raised",
        200,
        f"{__name__}.{Refused.__qualname__}",
    )
    assert watcher.log.count("w start") == 1


@pytest.mark.parametrize(
    ("error", "outcome", "error_type"),
    [
        (ExceptionGroup("", [ExceptionGroup("", [ClientDisconnected()])]), "disconnected", "client_disconnected"),
        (ExceptionGroup("", [ValueError()]), "raised", "ValueError"),
        (ExceptionGroup("", [ValueError(), KeyError()]), "raised", "ExceptionGroup"),
        (BaseExceptionGroup("", [GeneratorExit()]), "cancelled", "cancelled"),
    ],
)
async def test_a_group_of_one_exception_is_that_one(error: BaseException, outcome: str, error_type: str) -> None:
    """Task groups wrap what a task raises."""
    watcher = Watcher(sending(START, error))
    with pytest.raises(type(error)):
        await watcher(http_scope(), None, _nowhere)  # type: ignore[arg-type]  # nobody receives
    assert (watcher.seen[0]["outcome"], watcher.seen[0]["error_type"]) == (outcome, error_type)


async def _never() -> Message:
    raise AssertionError("nobody receives here")


async def _nowhere(_message: Message) -> None:
    pass


async def test_the_end_is_the_last_byte_and_not_the_end_of_background_work() -> None:
    background = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        CLOCK.advance(2)
        await send(END)
        CLOCK.advance(60)
        await background.wait()

    watcher = Watcher(app)
    async with Driver(watcher, http_scope()) as call:
        await call.receive()
        await call.receive()
        await call.settle()
        assert watcher.log == ["w begin", "w start", "w finish"]
        background.set()
        await call.finish()
    assert watcher.seen[0]["duration"] == pytest.approx(2)
    assert watcher.log[-1] == "w leave"


@pytest.mark.parametrize(("error", "name"), [(KeyError(), "KeyError"), (HTTPException(503), "503")])
async def test_inside_and_outside_of_a_frameworks_error_page_the_same_is_seen(error: Exception, name: str) -> None:
    """Starlette makes the 500 outside the layers that are registered; one outside of it sees the response."""
    inside: list[Watcher] = []

    def registered(app: ASGIApp) -> Watcher:
        inside.append(Watcher(app))
        return inside[0]

    async def endpoint(_request: Any) -> None:
        raise error

    watcher = Watcher(Starlette(routes=[Route("/", endpoint)], middleware=[Middleware(registered)]))
    await request(watcher, raise_exceptions=False)
    found = [(seen["final_status"], seen["error_type"]) for seen in (*watcher.seen, *inside[0].seen)]
    assert found == [(500 if name == "KeyError" else 503, name)] * 2


@pytest.mark.parametrize(
    ("code", "outcome", "error_type"), [(1000, "completed", None), (1006, "disconnected", "client_disconnected")]
)
async def test_a_websocket_that_the_client_closes(code: int, outcome: str, error_type: str | None) -> None:
    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": event["text"] * 2})

    watcher = Watcher(echo)
    async with websocket(watcher) as ws:
        await ws.send_text("héé")
        assert await ws.receive_text() == "hééhéé"
        ws.disconnect(code)
    [seen] = watcher.seen
    assert (seen["status"], seen["outcome"], seen["error_type"]) == (101, outcome, error_type)
    assert (seen["received"], seen["sent"], seen["messages_sent"], seen["close_code"]) == (5, 10, 1, code)


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        ([{"type": "websocket.close"}], 403, None),
        ([{"type": "websocket.accept"}, {"type": "websocket.close"}], 101, 1000),
        ([{"type": "websocket.accept"}, {"type": "websocket.close", "code": 4000}], 101, 4000),
        (
            [
                {"type": "websocket.http.response.start", "status": 401, "headers": []},
                {"type": "websocket.http.response.body", "body": b"no"},
            ],
            401,
            None,
        ),
    ],
)
async def test_a_websocket_that_the_application_closes(sent: list[Any], status: int, code: int | None) -> None:
    watcher = Watcher(sending(*sent))
    scope = websocket_scope(extensions={"websocket.http.response": {}})
    async with Driver(watcher, scope) as call:
        call.feed({"type": "websocket.connect"})
        await call.finish()
    [seen] = watcher.seen
    assert (seen["outcome"], seen["status"], seen["close_code"]) == ("completed", status, code)


async def test_neighbours_watch_through_one_pair_of_channels_in_their_order() -> None:
    log: list[str] = []
    outer = Watcher(Watcher(Watcher(sending(START, END), name="c", log=log), name="b", log=log), name="a", log=log)
    response = await request(outer)
    assert response.values("x-seen") == ["c", "b", "a"]
    steps = [("begin", "abc"), ("start", "cba"), ("finish", "cba"), ("leave", "cba")]
    assert log == [f"{name} {step}" for step, names in steps for name in names]


async def test_neighbours_hand_on_one_send() -> None:
    senders: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        senders.append(send)
        await sending(START, END)(scope, receive, send)

    await request(Watcher(Watcher(app)))
    call = senders[0].__self__
    assert getattr(call.send, "__func__", None) is not type(call).send_observed


@pytest.mark.parametrize("step", ["begin", "start", "finish", "leave"])
async def test_a_watcher_that_fails_is_counted_and_the_request_goes_on(
    step: str, caplog: pytest.LogCaptureFixture
) -> None:
    INTERNAL_ERRORS.pop("Watcher", None)
    other = Watcher(sending(START, END))
    broken = Watcher(other, fails_in=step)
    with caplog.at_level(logging.ERROR, "middlewares.observer"):
        for _ in range(3):
            response = await request(broken)
            assert (response.status, response.text) == (200, "abc")
    assert INTERNAL_ERRORS["Watcher"] == 3
    assert [record.message.split()[0] for record in caplog.records] == ["Watcher"]
    assert len(other.seen) == 3


@pytest.mark.parametrize("error", [LookupError(), ExceptionGroup("", [LookupError()])])
@pytest.mark.parametrize("place", [0, 1, 2])
async def test_one_that_fails_to_answer_for_the_application_leaves_it_to_the_next(place: int, error: Exception) -> None:
    class Answering(Watcher):
        __slots__ = ()

        async def rescue(self, call: ObservedCall) -> None:
            self._note("rescue")

    INTERNAL_ERRORS.pop("Answering", None)
    log: list[str] = []
    layer = sending(error)
    for number in (2, 1, 0):
        layer = Answering(layer, name=str(number), log=log, fails_in="rescue" if number == place else "")
    with pytest.raises(type(error)) as raised:
        await layer(http_scope(), _never, _nowhere)
    assert raised.value is error
    assert [step for step in log if "rescue" in step] == ["2 rescue", "1 rescue", "0 rescue"]
    assert INTERNAL_ERRORS["Answering"] == 1


async def test_one_that_looks_away_is_not_told_the_end() -> None:
    watcher = Watcher(sending(START, END), name="blind")
    await request(watcher)
    assert watcher.log == ["blind begin", "blind start"]


async def test_an_observer_may_answer_itself_and_change_what_is_handed_on() -> None:
    class Answering(Watcher):
        __slots__ = ()

        def begin(self, call: ObservedCall) -> Any:
            call.hand_on("greeting", "hello")
            call.target = greet
            return True

    async def greet(scope: Scope, receive: Receive, send: Send) -> None:
        await sending(START, {**END, "body": scope["greeting"].encode()})(scope, receive, send)

    scope = http_scope()
    async with Driver(Answering(sending()), scope) as call:
        await call.receive()
        assert (await call.receive())["body"] == b"hello"
    assert "greeting" not in scope


async def test_headers_that_can_be_read_only_once_are_for_the_application_too() -> None:
    class Reader(Watcher):
        __slots__ = ()

        def header_lengths(self) -> tuple[int]:
            return (len("x-asked"),)

        def finish(self, call: ObservedCall, state: Any) -> None:
            found.append(call.asked_headers)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        found.append([*scope["headers"]])

    found: list[Any] = []
    sent = [(b"host", b"a.example"), (b"x-asked", b"1")]
    scope = {**http_scope(), "headers": (pair for pair in sent)}
    await Reader(app)(scope, _never, _nowhere)
    assert found == [sent, sent[1:]]


async def test_other_scopes_pass_and_what_was_added_is_handed_back() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = "r"
        if scope["type"] == "http":
            await sending(START, END)(scope, receive, send)

    scope = http_scope()
    async with Driver(Watcher(app), scope) as call:
        await call.finish()
    assert scope["route"] == "r"
    assert EXCHANGE not in scope
    lifespan: dict[str, Any] = {"type": "lifespan"}
    async with Driver(Watcher(app), lifespan) as call:
        await call.finish()
    assert lifespan["route"] == "r"


@pytest.mark.parametrize("error", [None, ValueError()])
async def test_nothing_is_kept_of_a_call(error: Exception | None) -> None:
    """All is freed by reference counts alone."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope[EXCHANGE].inner_scope = scope
        if error:
            raise type(error)
        await sending(START, END)(scope, receive, send)

    async def discard(_message: Message) -> None:
        pass

    layers = Watcher(Watcher(app))

    async def once() -> None:
        with suppress(ValueError):
            await layers(http_scope(), discard, discard)  # type: ignore[arg-type]  # never received

    gc.disable()
    try:
        await once()
        while gc.collect():
            pass
        await once()
        assert gc.collect() == 0
    finally:
        gc.enable()


async def test_a_request_that_the_application_dispatches_is_watched_by_itself() -> None:
    entrance: list[ASGIApp] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/":

            async def discard(message: Message) -> None:
                pass

            await entrance[0]({**scope, "path": "/part"}, receive, discard)
        await sending(START, END)(scope, receive, send)

    watcher = Watcher(app)
    entrance.append(watcher)
    await request(watcher)
    assert [seen["outcome"] for seen in watcher.seen] == ["completed", "completed"]


def test_a_plan_names_its_observers_and_keeps_only_those_inside_alive() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise NotImplementedError

    inner = Watcher(app, name="inner")
    outer = Watcher(inner, name="outer")
    plan = outer._plan
    assert [*plan.observers] == [outer, inner]
    del outer
    assert [*plan.observers] == [inner]


async def test_a_scope_without_headers_reaches_the_application() -> None:
    """Servers always have some; what makes scopes by hand may not."""
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    bare = {key: value for key, value in http_scope().items() if key != "headers"}
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    for layered in (RequestID(app), AccessLog(RequestID(app)), AccessLog(app)):
        await layered(dict(bare), receive, send)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"] * 3
    assert len(scopes) == 3
