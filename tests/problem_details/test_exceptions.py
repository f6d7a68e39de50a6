"""What an application raises is answered once, in the client's form, and tells nothing but that it went wrong."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect

from middlewares import CORS, Drain, GZip, Middleware, OptionError, ProblemDetails, RequestID, Sessions, Stack, Timeout
from middlewares.core.exchange import EXCHANGE, Exchange
from middlewares.testing import (
    Driver,
    WebSocketRefused,
    http_scope,
    lifespan_scope,
    request,
    websocket,
    websocket_scope,
)
from tests.readable import Policy
from tests.watched import Counts

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Receive, Scope, Send

JSON = "application/problem+json"
REQUEST_ID = "0192f0c1-7d0a-7cc3-98c6-2d1d7d4f9c11"
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
SECRET = "hunter2"  # noqa: S105 - what no client must read
ORIGIN = "https://page.example"
SESSIONS: dict[str, Any] = {"secret_key": "Zr8wLxTngv1yXkQYJb4Sg0m5hQ0eD7p2"}


class Failure(Exception):
    """What applications here raise."""


async def failing(scope: Scope, receive: Receive, send: Send) -> None:
    raise Failure(SECRET)


def raising(error: BaseException) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    return app


def identified(app: ASGIApp, request_id: str | None = REQUEST_ID, trace_id: str | None = TRACE_ID) -> ASGIApp:
    """Publish ids as layers do that give them, in the place of one further in."""

    async def publish(scope: Scope, receive: Receive, send: Send) -> None:
        if request_id is not None:
            scope[EXCHANGE].request_id = request_id
            scope[EXCHANGE].response_headers.append((b"x-request-id", request_id.encode(errors="replace")))
        if trace_id is not None:
            scope[EXCHANGE].trace_id = trace_id
        await app(scope, receive, send)

    return publish


# -- the answer


async def test_an_exception_is_a_500_that_names_its_request() -> None:
    response = await request(ProblemDetails(identified(failing)))
    assert response.status == 500
    assert response.json() == {
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "instance": f"urn:uuid:{REQUEST_ID}",
        "request_id": REQUEST_ID,
        "trace_id": TRACE_ID,
    }
    assert dict(response.headers) == {
        b"content-type": JSON.encode(),
        b"content-length": b"%d" % len(response.body),
        b"vary": b"Accept",
        b"x-request-id": REQUEST_ID.encode(),
    }


@pytest.mark.parametrize(
    ("request_id", "instance"),
    [
        (None, None),
        ("", None),
        (REQUEST_ID.upper(), f"urn:uuid:{REQUEST_ID}"),
        (REQUEST_ID.replace("-", ""), f"urn:uuid:{REQUEST_ID}"),
        ("a.b~c:/+=-_", "urn:request:a.b~c%3A%2F%2B%3D-_"),
        ("{" + REQUEST_ID + "}", f"urn:request:%7B{REQUEST_ID}%7D"),
    ],
)
async def test_the_instance_is_a_urn_of_the_id(request_id: str | None, instance: str | None) -> None:
    problem = (await request(ProblemDetails(identified(failing, request_id, None)))).json()
    assert problem.get("instance") == instance
    assert problem.get("request_id") == (request_id or None)
    assert "trace_id" not in problem


@pytest.mark.parametrize(
    ("accept", "content_type", "start"),
    [
        (None, JSON, "{"),
        ("application/json", JSON, "{"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8", "<!doctype html>"),
        ("text/plain", "text/plain; charset=utf-8", "Internal Server Error\nRequest 0192"),
        ("image/png", JSON, "{"),
        ("text/html;q=0", JSON, "{"),
        (";;,,;q=x," * 2000, JSON, "{"),
        ("\x00\xff" * 5000, JSON, "{"),
        ("text/html;q=" + "9" * 9000, JSON, "{"),
    ],
)
async def test_the_form_is_the_one_that_the_client_prefers(accept: str | None, content_type: str, start: str) -> None:
    headers = {} if accept is None else {"accept": accept}
    response = await request(ProblemDetails(identified(failing)), headers=headers)
    assert (response.status, response.header("content-type")) == (500, content_type)
    assert response.text.startswith(start)
    assert REQUEST_ID in response.text
    assert TRACE_ID in response.text
    assert SECRET not in response.text
    assert "Failure" not in response.text


@pytest.mark.parametrize("accept", ["*/*", "text/html"])
async def test_ids_are_escaped(accept: str) -> None:
    """Layers check what they take from clients; this one does not count on it."""
    response = await request(ProblemDetails(identified(failing, "<b>'\"\udcff", "<i>")), headers={"accept": accept})
    assert accept == "*/*" or ("<b>" not in response.text and "<i>" not in response.text)


async def test_the_answer_to_head_has_no_body() -> None:
    get, head = [await request(ProblemDetails(failing), method) for method in ("GET", "HEAD")]
    assert (head.status, head.body, head.headers) == (500, b"", get.headers)


async def test_a_response_passes_untouched() -> None:
    messages: list[Any] = [
        {"type": "http.response.early_hint", "links": []},
        {"type": "http.response.start", "status": 200, "headers": ((b"a", b"b"),)},
        {"type": "http.response.body", "body": b"", "more_body": True},
        {"type": "http.response.body"},
    ]
    sent: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    async def send(message: Any) -> None:
        sent.append(message)

    await ProblemDetails(app)(http_scope(), send, send)  # type: ignore[arg-type]  # nothing is received
    assert all(one is other for one, other in zip(sent, messages, strict=True))


@pytest.mark.parametrize("scope", [lifespan_scope(), {"type": "other"}])
async def test_other_scopes_pass_untouched(scope: Any) -> None:
    seen: list[Any] = []

    async def app(*arguments: Any) -> None:
        seen.extend(arguments)
        raise Failure

    with pytest.raises(Failure):
        await ProblemDetails(app)(scope, app, app)  # type: ignore[arg-type]  # nobody calls them
    assert seen == [scope, app, app]
    assert seen[0] is scope


# -- once it has begun


@pytest.mark.parametrize("body", [(), (b"part",)])
async def test_after_the_start_the_exception_goes_on(body: tuple[bytes, ...]) -> None:
    failure = Failure()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for part in body:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        raise failure

    response = await request(ProblemDetails(app), raise_exceptions=False)
    assert response.exception is failure
    assert len(response.messages) == 1 + len(body)


async def test_cancellation_and_what_is_no_error_pass() -> None:
    async def hanging(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep_forever()

    async with Driver(ProblemDetails(hanging), http_scope()) as call:
        await call.assert_silent()
        await call.cancel()
    assert call.cancelled
    assert call.sent == []
    for error in (KeyboardInterrupt(), SystemExit(), BaseExceptionGroup("x", [SystemExit()])):
        with pytest.raises(type(error)):
            await ProblemDetails(raising(error))(http_scope(), None, None)  # type: ignore[arg-type]  # not called


async def test_a_client_that_has_gone_hides_nothing() -> None:
    failure = Failure()

    async def gone(message: Any) -> None:
        raise OSError("gone")

    with pytest.raises(Failure) as caught:
        await ProblemDetails(raising(failure))(http_scope(), gone, gone)  # type: ignore[arg-type]  # nothing is received
    assert caught.value is failure


# -- who hears of it


async def test_it_is_logged_once_with_its_id(caplog: pytest.LogCaptureFixture) -> None:
    response = await request(ProblemDetails(ProblemDetails(identified(failing))), path="/a\r\nb")
    assert response.exception is None
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage() == (
        f"problem_details: GET '/a\\r\\nb' raised Failure, request {REQUEST_ID}, trace {TRACE_ID}"
    )
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], Failure)


async def test_that_clients_leave_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    await request(ProblemDetails(raising(ClientDisconnect())))
    assert not caplog.records


async def test_a_log_that_fails_costs_no_answer() -> None:
    class Broken(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            raise OSError("disk full")

    logger, broken = logging.getLogger("middlewares"), Broken()
    logger.addFilter(broken)
    try:
        for handlers in ({}, {Failure: lambda *_: "nonsense"}):
            assert (await request(ProblemDetails(failing, handlers=handlers))).status == 500
    finally:
        logger.removeFilter(broken)


async def test_by_option_it_goes_on_after_the_answer_and_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    failure = Failure()
    response = await request(ProblemDetails(raising(failure), reraise=True), raise_exceptions=False)
    assert response.exception is failure
    assert response.status == 500
    assert len(response.messages) == 2
    assert not caplog.records


async def test_layers_further_out_find_it_in_the_exchange() -> None:
    exchange = Exchange()
    seen: list[Any] = []

    async def note(message: Any) -> None:
        seen.append(exchange.error)

    await ProblemDetails(failing)({**http_scope(), EXCHANGE: exchange}, note, note)  # type: ignore[arg-type]  # as above
    assert isinstance(exchange.error, Failure)
    assert isinstance(seen[0], Failure)
    assert [refusal.code for refusal in exchange.refusals] == ["unhandled"]
    assert exchange.error_pages == []


async def test_what_a_layer_further_out_answers_is_left_to_it() -> None:
    """Its exception carries the mark that others look for too."""
    error = Failure()
    error.is_answered = True  # type: ignore[attr-defined]  # as `StoreUnavailable` has it
    wrapped = RuntimeError()
    wrapped.__cause__ = error
    for raised in (error, wrapped, ExceptionGroup("", [error])):
        response = await request(ProblemDetails(raising(raised)), raise_exceptions=False)
        assert response.exception is raised
        assert response.messages == []


# -- with others, in any order


@pytest.mark.parametrize("reraise", [False, True])
@pytest.mark.parametrize(
    "others",
    [[], [GZip], [Drain, GZip], [Timeout], [Middleware(Sessions, **SESSIONS)]],
    ids=str,
)
async def test_pages_of_a_permitted_origin_read_it_in_any_order(others: list[Any], reraise: bool) -> None:
    policy, page = Middleware(CORS, allow_origins=[ORIGIN]), Middleware(ProblemDetails, reraise=reraise)
    for stack in (
        Stack(policy, *others, page),
        Stack(page, *others, policy),
        Stack(policy, page, *others),
        Stack(page, policy, *others),
    ):
        response = await request(
            stack(identified(failing)), headers={"origin": ORIGIN, "host": "api"}, raise_exceptions=False
        )
        assert isinstance(response.exception, Failure) is reraise
        assert (response.status, response.header("access-control-allow-origin")) == (500, ORIGIN)
        assert response.json()["request_id"] == REQUEST_ID
        assert response.values("x-request-id") == [REQUEST_ID]


async def test_headers_for_any_response_are_there_once() -> None:
    """Layers further in leave them in the exchange, and those further out add them to what passes."""
    counts, identified = Counts(), Middleware(RequestID, generator=lambda: "id-1")
    metrics = counts.layer()
    for stack in (
        Stack(metrics, identified, ProblemDetails),
        Stack(metrics, ProblemDetails, identified),
        Stack(ProblemDetails, metrics, identified, GZip),
    ):
        assert (await request(stack(failing))).values("x-request-id") == ["id-1"]
    assert sum(counts.requests.values()) == 3
    exchange = Exchange()
    exchange.response_headers.append((b"x-outer", b"1"))
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await ProblemDetails(identified(failing))({**http_scope(), EXCHANGE: exchange}, send, send)  # type: ignore[arg-type]  # nothing is received
    names = [name for name, _ in sent[0]["headers"]]
    assert (names.count(b"x-request-id"), names.count(b"x-outer")) == (1, 0)


async def test_a_preflight_that_fails_further_in_is_answered_once() -> None:
    headers = {"origin": ORIGIN, "access-control-request-method": "PUT"}
    response = await request(ProblemDetails(raising(Failure())), "OPTIONS", headers=headers)
    assert response.status == 500
    assert (await request(ProblemDetails(Policy(failing)), "OPTIONS", headers=headers)).status == 204


async def test_a_request_within_a_request_has_a_page_of_its_own() -> None:
    """As an application does that dispatches to itself."""
    inner: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/inner":
            raise Failure

        async def keep(message: Any) -> None:
            inner.append(message)

        await layer({**scope, "path": "/inner"}, receive, keep)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"outer"})

    layer = ProblemDetails(app)
    assert (await request(layer)).text == "outer"
    assert inner[0]["status"] == 500


async def test_a_call_that_runs_on_after_its_request_ends_without_a_fault() -> None:
    """As it does in a task that a layer further out does not wait for."""
    goes_on = anyio.Event()
    tasks: list[asyncio.Task[None]] = []

    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        await goes_on.wait()

    async def leaving(scope: Scope, receive: Receive, send: Send) -> None:
        tasks.append(asyncio.create_task(ProblemDetails(waiting)(scope, receive, send)))
        await asyncio.sleep(0)

    await request(ProblemDetails(leaving), raise_exceptions=False)
    goes_on.set()
    await tasks[0]


# -- WebSockets


async def after_connect(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    raise Failure


@pytest.mark.parametrize("app", [failing, after_connect])
async def test_a_handshake_that_fails_is_denied(app: ASGIApp) -> None:
    with pytest.raises(WebSocketRefused) as caught:
        async with websocket(ProblemDetails(identified(app)), extensions=["websocket.http.response"]):
            pass
    assert caught.value.response.status == 500
    assert caught.value.response.json()["request_id"] == REQUEST_ID
    with pytest.raises(WebSocketRefused) as caught:
        async with websocket(ProblemDetails(app), extensions=()):
            pass
    assert caught.value.code == 1011


@pytest.mark.parametrize("answer", ["websocket.accept", "websocket.close"])
async def test_what_fails_after_the_handshake_goes_on(answer: str) -> None:
    failure = Failure()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": answer})
        raise failure

    async with Driver(ProblemDetails(app), websocket_scope()) as call:
        await call.send({"type": "websocket.connect"})
        assert (await call.receive())["type"] == answer
        with pytest.raises(Failure):
            await call.finish()
    assert call.exception is failure


async def test_a_client_that_leaves_during_the_handshake_gets_nothing() -> None:
    async with Driver(ProblemDetails(failing), websocket_scope()) as call:
        await call.send({"type": "websocket.disconnect", "code": 1006})
        await call.finish()
    assert call.sent == []


# -- debug


async def test_with_debug_the_traceback_is_a_member(caplog: pytest.LogCaptureFixture) -> None:
    problem = (await request(ProblemDetails(failing, debug=True))).json()
    assert problem["traceback"][-1].endswith(f"Failure: {SECRET}")
    assert any("in failing" in line for line in problem["traceback"])
    assert problem["status"] == 500


async def test_the_debug_page_escapes_all_and_shows_no_secrets() -> None:
    headers = {
        "accept": "text/html",
        "authorization": "Bearer open-sesame",
        "cookie": "sid=open-sesame",
        "x-api-key": "open-sesame",
        "x-csrf-token": "open-sesame",
        "x-shown": "<script>shown</script>",
        "<script>": "name",
    }
    app = ProblemDetails(identified(raising(Failure("<script>alert(1)</script>")), "<script>"), debug=True)
    response = await request(app, path="/<script>", query="token=open-sesame", headers=headers)
    assert response.header("content-type") == "text/html; charset=utf-8"
    assert "Traceback" in response.text
    assert "<script>" not in response.text
    assert "&lt;script&gt;shown" in response.text
    assert "open-sesame" not in response.text


class Unspeakable(Exception):
    """An exception that fails when it is to be shown."""

    def __str__(self) -> str:
        raise Failure(SECRET)

    __repr__ = __str__


def deep() -> Exception:
    error: Exception = Failure()
    for _ in range(300):
        outer = Failure("x" * 1000)
        outer.__cause__ = error
        error = outer
    return error


class Odd(Exception):
    """Fails when it is looked at."""

    def __bool__(self) -> bool:
        raise ValueError

    def __getattr__(self, name: str) -> Any:
        raise ValueError(name)


async def test_an_exception_that_fails_when_it_is_looked_at_is_answered() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise Failure from Odd()

    for failing_app in (raising(Odd()), app):
        assert (await request(ProblemDetails(failing_app))).status == 500


@pytest.mark.parametrize(
    "error",
    [
        Unspeakable(),
        deep(),
        Failure("\udcff\x00"),
        Failure("x" * 10_000_000),
        ExceptionGroup("many", [deep()] * 20),
        SyntaxError("odd", ("shop.py", 1, 1, 7)),  # type: ignore[arg-type]  # as broken tools make them
    ],
    ids=["unspeakable", "deep", "bytes", "long", "groups", "misshapen"],
)
@pytest.mark.parametrize("accept", ["text/html", "*/*"])
async def test_no_exception_breaks_the_debug_page(error: Exception, accept: str) -> None:
    response = await request(ProblemDetails(raising(error), debug=True), headers={"accept": accept})
    assert response.status == 500
    assert len(response.body) < 500_000


# -- properties


@given(
    st.lists(
        st.tuples(st.sampled_from([b"accept", b"Accept", b"host", b"x"]), st.binary(max_size=60)),
        max_size=5,
    ),
    st.sampled_from(["GET", "HEAD", "POST", "\udcff"]),
)
def test_no_request_breaks_the_answer(headers: list[tuple[bytes, bytes]], method: str) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {**http_scope(), "headers": headers, "method": method}
    for debug in (False, True):
        sent.clear()
        layer: Any = ProblemDetails(failing, debug=debug)
        anyio.run(layer, scope, send, send)
        start, body = sent
        assert start["status"] == 500
        if method != "HEAD":
            assert int(dict(start["headers"])[b"content-length"]) == len(body["body"])
            if dict(start["headers"])[b"content-type"] == JSON.encode():
                assert json.loads(body["body"])["status"] == 500


# -- options


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"convert": "some"}, "convert must be one of 'none', 'empty', 'bare', 'json', 'all'; got 'some'"),
        ({"handlers": {KeyError: 200}}, "handlers must name statuses from 400 to 599; got 200"),
        ({"handlers": {KeyError: True}}, "handlers must be a table of integers or callables"),
        ({"handlers": {KeyError: "404"}}, "handlers must be a table of integers or callables"),
        ({"handlers": {str: 404}}, "handlers must be for exception classes"),
        ({"handlers": {KeyboardInterrupt: 404}}, "handlers must be for exception classes"),
        ({"handlers": {"builtins:KeyErorr": 404}}, "handlers must be for exception classes"),
        ({"handlers": {"no_such_module:Error": 404}}, "(ModuleNotFoundError: No module named 'no_such_module')"),
        ({"handlers": {"KeyError": 404}}, "handlers must be for exception classes"),
        ({"debug": 1}, "debug must be true or false"),
    ],
)
def test_wrong_options_are_refused_when_they_are_written(options: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError) as caught:
        Middleware(ProblemDetails, **options)
    assert words in str(caught.value)
