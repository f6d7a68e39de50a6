"""Every response names the id of its request, once; everything that serves it knows the same."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from fastapi import BackgroundTasks, Depends, FastAPI
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from middlewares import CORS, GZip, Middleware, Stack
from middlewares.core.exchange import EXCHANGE
from middlewares.core.headers import find_all
from middlewares.errors import OptionError
from middlewares.request_id import RequestID, RequestIDFilter, add_request_id, get_request_id
from middlewares.request_id.generators import is_valid
from middlewares.testing import Driver, WebSocketRefused, http_scope, request, websocket

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Receive, Scope, Send

NAME = "x-request-id"
GIVEN = "0198f5a2-6c1d-7e40-9d0c-5f0a2b7c91e3"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with what the application knows: the variable, and the header of the request."""
    values = b" ".join(find_all(scope["headers"], b"x-request-id"))
    await PlainTextResponse(f"{get_request_id()} {values.decode()}")(scope, receive, send)


async def failing(scope: Scope, receive: Receive, send: Send) -> None:
    raise ZeroDivisionError


async def test_a_valid_id_is_kept_and_another_request_gets_a_new_one() -> None:
    kept = await request(RequestID(page), headers={NAME: GIVEN})
    assert (kept.values(NAME), kept.text) == ([GIVEN], f"{GIVEN} {GIVEN}")
    new = await request(RequestID(page))
    (made,) = new.values(NAME)
    assert new.text == f"{made} {made}"
    assert made != GIVEN
    assert get_request_id() is None


@pytest.mark.parametrize(
    ("sent", "is_kept"),
    [
        ("a", True),
        ("aZ09._~:/+=-", True),
        ("a" * 128, True),
        ("a" * 129, False),
        ("", False),
        (" a", False),
        ("a b", False),
        ("a,b", False),
        ('a"b', False),
        ("a%0d%0ab", False),
        ("a\r\nset-cookie: x=1", False),
        ("a\n", False),
        ("\u00e9", False),
        ("a\x00", False),
        ("${jndi:ldap://a}", False),
    ],
)
async def test_what_is_no_id_is_replaced_or_refused(sent: str, is_kept: bool) -> None:
    headers = [(b"X-Request-ID", sent.encode("latin-1"))]
    lenient = await request(RequestID(page), headers=headers)
    strict = await request(RequestID(page, on_invalid="refuse"), headers=headers)
    assert strict.status == (200 if is_kept else 400)
    for response in (lenient, strict):
        (value,) = response.values(NAME)
        assert (value == sent) == is_kept
        assert is_valid(value.encode())


@given(st.lists(st.binary(max_size=200), max_size=3))
def test_nothing_that_is_sent_makes_more_than_one_valid_header(values: list[bytes]) -> None:
    async def run() -> None:
        table: list[dict[str, Any]] = [{}, {"on_invalid": "refuse"}, {"use_trace_id": True}]
        for options in table:
            headers = [*((b"x-request-id", value) for value in values), *((b"traceparent", value) for value in values)]
            response = await request(RequestID(page, **options), headers=headers)
            (value,) = response.values(NAME)
            assert is_valid(value.encode())
            assert response.status == 400 or response.text == f"{value} {value}"

    asyncio.run(run())


@pytest.mark.parametrize("sent", [[(b"x-request-id", GIVEN.encode())], [(b"a", b"b")]])
async def test_headers_that_can_be_read_only_once_are_for_the_application_too(sent: list[tuple[bytes, bytes]]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        found.extend(scope["headers"])

    async def discard(_message: Any) -> None:
        pass

    found: list[tuple[bytes, bytes]] = []
    scope = {**http_scope(), "headers": (pair for pair in sent)}
    await RequestID(app)(scope, discard, discard)  # type: ignore[arg-type]  # never received
    assert found[0] == sent[0]
    assert len(find_all(found, b"x-request-id")) == 1


async def test_several_ids_are_none() -> None:
    headers = [(b"x-request-id", b"a"), (b"x-request-id", b"b")]
    response = await request(RequestID(page), headers=headers)
    assert response.header(NAME) not in {"a", "b"}
    assert response.text == f"{response.header(NAME)} {response.header(NAME)}"
    assert (await request(RequestID(page, on_invalid="refuse"), headers=headers)).status == 400


@pytest.mark.parametrize(
    ("trusted", "client", "is_kept"),
    [
        ("anybody", ("203.0.113.7", 1), True),
        ("nobody", ("127.0.0.1", 1), False),
        (["10.0.0.0/8"], ("10.1.2.3", 1), True),
        (["10.0.0.0/8"], ("::ffff:10.1.2.3", 1), True),
        (["10.0.0.0/8"], ("203.0.113.7", 1), False),
        (["10.0.0.0/8"], None, False),
        (["10.0.0.0/8"], ("testclient", 1), False),
        ([], ("10.1.2.3", 1), False),
    ],
)
async def test_ids_are_taken_from_trusted_clients(trusted: Any, client: Any, is_kept: bool) -> None:
    """Of others not even an invalid one is refused: they might send anything."""
    app = RequestID(page, trusted_clients=trusted, on_invalid="refuse")
    for value in (GIVEN, "no id"):
        scope = {**http_scope(headers={NAME: value}), "client": client}
        messages: list[Any] = []

        async def send(message: Any, messages: list[Any] = messages) -> None:
            messages.append(message)

        await app(scope, anyio.sleep_forever, send)  # type: ignore[arg-type]  # nothing is received
        ((_, sent),) = [line for line in messages[0]["headers"] if line[0] == b"x-request-id"]
        assert (sent == GIVEN.encode()) == (is_kept and value == GIVEN)
        assert messages[0]["status"] == (400 if is_kept and value != GIVEN else 200)


async def test_the_header_that_an_application_sets_itself_is_replaced() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"X-Request-Id", b"mine"), (b"a", b"b"), (b"x-request-id", b"mine too")]
        await send({"type": "http.response.start", "status": 200, "headers": iter(headers)})
        await send({"type": "http.response.body"})

    response = await request(RequestID(app), headers={NAME: GIVEN})
    assert response.values(NAME) == [GIVEN]
    assert response.header("a") == "b"


@pytest.mark.parametrize("name", ["X-Correlation-ID", "x-amzn-trace-id"])
async def test_another_header_can_be_named_and_pages_of_other_origins_may_read_it(name: str) -> None:
    app = Stack(Middleware(CORS, allow_origins=["https://a.example"], expose_headers="auto"))(
        RequestID(page, header=name)
    )
    response = await request(app, headers={name: GIVEN, "origin": "https://a.example"})
    assert response.header(name) == GIVEN
    assert name.lower() in (response.header("access-control-expose-headers") or "").lower()
    assert response.header(NAME) is None


async def test_the_headers_of_the_request_can_be_left_alone() -> None:
    scope = http_scope()
    seen: list[Any] = []

    async def app(inner: Scope, receive: Receive, send: Send) -> None:
        seen.append(inner["headers"])

    await RequestID(app, set_request_header=False)(scope, anyio.sleep_forever, anyio.sleep)  # type: ignore[arg-type]
    assert seen[0] is scope["headers"]


async def test_two_in_one_stack_agree_wherever_they_stand() -> None:
    other = Middleware(RequestID, header="x-other")
    for stack in (Stack(RequestID, RequestID), Stack(RequestID, GZip, RequestID), Stack(other, GZip, RequestID)):
        response = await request(stack(page))
        (made,) = response.values(NAME)
        assert response.text == f"{made} {made}"
        assert response.header("x-other") in (None, made)


# -- the trace


@pytest.mark.parametrize(
    ("traceparent", "is_taken"),
    [
        (TRACEPARENT, True),
        (f" {TRACEPARENT}\t", True),
        (TRACEPARENT.replace("00-", "01-", 1), True),
        (TRACEPARENT.replace("00-", "cc-", 1) + "-what-the-future-will-be-like", True),
        (TRACEPARENT.replace("00-", "ff-", 1), False),
        (TRACEPARENT + "-more", False),
        (TRACEPARENT.upper(), False),
        (TRACEPARENT.replace(TRACE, "0" * 32), False),
        (TRACEPARENT.replace("00f067aa0ba902b7", "0" * 16), False),
        (TRACEPARENT[:-1], False),
        ("", False),
    ],
)
async def test_the_id_can_be_that_of_the_trace(traceparent: str, is_taken: bool) -> None:
    headers = {"traceparent": traceparent, NAME: GIVEN}
    response = await request(RequestID(page, use_trace_id=True), headers=headers)
    assert response.header(NAME) == (TRACE if is_taken else GIVEN)
    assert (await request(RequestID(page), headers=headers)).header(NAME) == GIVEN
    stranger = await request(RequestID(page, use_trace_id=True, trusted_clients="nobody"), headers=headers)
    assert stranger.header(NAME) not in (TRACE, GIVEN)


async def test_two_traceparents_are_none() -> None:
    headers = [(b"traceparent", TRACEPARENT.encode())] * 2
    assert (await request(RequestID(page, use_trace_id=True), headers=headers)).header(NAME) != TRACE


async def test_what_a_tracing_layer_outside_says_is_believed() -> None:
    """It has decided whom to trust, and may have begun a trace of its own."""
    app = RequestID(page, use_trace_id=True, trusted_clients="nobody")

    async def tracing(scope: Scope, receive: Receive, send: Send) -> None:
        exchange, inner, _ = _joined(scope)
        exchange.trace_id = TRACE
        await app(inner, receive, send)

    assert (await request(tracing)).header(NAME) == TRACE


def _joined(scope: Scope) -> Any:
    from middlewares.core.exchange import join

    return join(scope, object())


# -- whoever answers


def starlette(*middleware: Any, **options: Any) -> Starlette:
    async def endpoint(request: Any) -> PlainTextResponse:
        raise ZeroDivisionError

    return Starlette(routes=[Route("/", endpoint)], middleware=[*middleware], **options)


ID = Middleware(RequestID)


@pytest.mark.parametrize(
    "make",
    [
        lambda: RequestID(starlette()),
        lambda: starlette(ID),
        lambda: starlette(ID, Middleware(GZip)),
        lambda: starlette(Middleware(GZip), ID),
        lambda: starlette(Middleware(Stack(Middleware(GZip), ID))),
        lambda: RequestID(starlette(ID)),
        lambda: Starlette(routes=[Mount("/", starlette(ID))]),
        lambda: _fastapi(),
    ],
)
@pytest.mark.parametrize(("path", "status"), [("/", 500), ("/none", 404)])
async def test_answers_of_the_framework_itself_name_the_id(make: Any, path: str, status: int) -> None:
    app = make()
    for _ in range(2):
        response = await request(app, path=path, raise_exceptions=False)
        assert response.status == status
        assert len(response.values(NAME)) == 1
        assert isinstance(response.exception, ZeroDivisionError) == (status == 500)
        if status == 500:
            assert response.text == "Internal Server Error"


def _fastapi() -> FastAPI:
    app = FastAPI(middleware=[ID])

    @app.get("/")
    def endpoint() -> None:
        raise ZeroDivisionError

    return app


class Caught(BaseHTTPMiddleware):
    """Makes a page of exceptions, as many applications do."""

    async def dispatch(self, request: Any, call_next: Any) -> Any:
        try:
            return await call_next(request)
        except ZeroDivisionError:
            return PlainTextResponse("caught", status_code=503)


async def page_of_500(request: Any, error: Exception) -> PlainTextResponse:
    return PlainTextResponse("sorry", status_code=500)


@pytest.mark.parametrize(
    ("make", "status", "text"),
    [
        (lambda: starlette(ID, exception_handlers={500: page_of_500}), 500, "sorry"),
        (lambda: starlette(ID, exception_handlers={Exception: page_of_500}), 500, "sorry"),
        (lambda: starlette(ID, debug=True), 500, "ZeroDivisionError"),
        (lambda: starlette(Middleware(Caught), ID), 503, "caught"),
    ],
)
async def test_pages_that_others_make_of_an_exception_stay_theirs(make: Any, status: int, text: str) -> None:
    response = await request(make(), raise_exceptions=False)
    assert response.status == status
    assert text in response.text


async def test_an_exception_that_stands_for_a_status_is_left_to_the_framework() -> None:
    from starlette.exceptions import HTTPException

    async def missing(scope: Scope, receive: Receive, send: Send) -> None:
        raise HTTPException(404, "gone")

    for app in (
        Starlette(routes=[Mount("/", RequestID(missing))]),
        Starlette(routes=[Mount("/", missing)], middleware=[ID]),
    ):
        assert (await request(app)).text == "gone"


async def test_nothing_follows_a_response_that_has_begun() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        raise ZeroDivisionError

    app = Starlette(routes=[Mount("/", broken)], middleware=[ID])
    response = await request(app, raise_exceptions=False)
    assert [message["type"] for message in response.messages] == ["http.response.start"]


async def test_a_policy_further_out_finds_the_header_for_its_own_answer() -> None:
    app = CORS(RequestID(failing), allow_origins=["https://a.example"])
    headers = {"origin": "https://a.example", NAME: GIVEN}
    response = await request(app, headers=headers, raise_exceptions=False)
    assert (response.status, response.values(NAME)) == (500, [GIVEN])


async def test_websockets_are_told_when_they_are_accepted_and_when_they_are_denied() -> None:
    async def accepting(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": get_request_id()})
        await send({"type": "websocket.close"})

    async with websocket(RequestID(accepting), headers={NAME: GIVEN}) as ws:
        assert await ws.receive_text() == GIVEN
        assert (b"x-request-id", GIVEN.encode()) in ws.headers

    async def denying(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.http.response.start", "status": 403, "headers": []})
        await send({"type": "websocket.http.response.body"})

    headers = {NAME: GIVEN, "x-other": "a b"}
    for app in (RequestID(denying), RequestID(accepting, on_invalid="refuse", header="x-other")):
        with pytest.raises(WebSocketRefused) as caught:
            async with websocket(app, headers=headers, extensions=["websocket.http.response"]):
                raise AssertionError("accepted")
        assert caught.value.response is not None
        assert len(caught.value.response.values(NAME) + caught.value.response.values("x-other")) == 1


# -- who knows it


async def test_endpoints_threads_dependencies_background_and_child_tasks_know_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    known: dict[str, str | None] = {}
    app = FastAPI()

    def note(where: str) -> None:
        known[where] = get_request_id()

    @app.get("/sync")
    def sync(tasks: BackgroundTasks) -> None:
        note("thread")
        tasks.add_task(note, "background thread")

    async def later() -> None:
        await checkpoint()
        note("child task")

    async def dependency() -> None:
        note("dependency")

    async def in_background() -> None:
        note("background")

    @app.get("/async", dependencies=[Depends(dependency)])
    async def asynchronous(tasks: BackgroundTasks) -> None:
        note("endpoint")
        await asyncio.create_task(later())
        await asyncio.to_thread(note, "other thread")
        tasks.add_task(in_background)
        raise LookupError

    @app.exception_handler(LookupError)
    async def handler(request: Any, error: Exception) -> PlainTextResponse:
        note("handler")
        return PlainTextResponse("handled")

    wrapped = RequestID(app)
    await request(wrapped, path="/sync", headers={NAME: GIVEN})
    await request(wrapped, path="/async", headers={NAME: GIVEN})
    assert {*known} >= {"thread", "background thread", "endpoint", "child task", "other thread", "dependency"}
    assert known == dict.fromkeys(known, GIVEN)
    assert get_request_id() is None


async def test_a_thousand_requests_at_once_never_mix() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        first = get_request_id()
        for _ in range(int(scope["path"][1:]) % 7):
            await checkpoint()
        assert get_request_id() == first == scope[EXCHANGE].request_id
        await page(scope, receive, send)

    wrapped = RequestID(app)

    async def one(number: int) -> None:
        headers = {NAME: f"id-{number}"} if number % 2 else {}
        response = await request(wrapped, path=f"/{number}", headers=headers)
        value = response.header(NAME)
        assert response.text == f"{value} {value}"
        assert not number % 2 or value == f"id-{number}"
        seen.add(value)

    seen: set[str | None] = set()
    async with anyio.create_task_group() as tasks:
        for number in range(1_000):
            tasks.start_soon(one, number)
    assert len(seen) == 1_000


async def test_it_is_forgotten_after_a_failure_and_in_another_context() -> None:
    with pytest.raises(ZeroDivisionError):
        await RequestID(failing)(http_scope(), anyio.sleep_forever, anyio.sleep)  # type: ignore[arg-type]
    assert get_request_id() is None

    async def hanging(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep_forever()

    call = RequestID(hanging)(http_scope(), anyio.sleep_forever, anyio.sleep)  # type: ignore[arg-type]

    async def begin() -> None:
        call.send(None)

    await asyncio.create_task(begin())
    call.close()  # from another context
    assert get_request_id() is None


async def test_a_call_that_is_cancelled_leaves_nothing() -> None:
    async def hanging(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep_forever()

    async with Driver(Starlette(routes=[Mount("/", hanging)], middleware=[ID]), http_scope()) as call:
        await call.settle()
        await call.cancel()
    assert call.sent == []


async def test_log_records_get_it() -> None:
    records: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(self.format(record))

    handler = Keep()
    handler.addFilter(RequestIDFilter())
    handler.setFormatter(logging.Formatter("%(request_id)s %(message)s"))
    logger = logging.getLogger("tests.request_id")
    logger.addHandler(handler)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        logger.error("in")
        logger.error("own", extra={"request_id": "mine"})
        assert add_request_id(None, "info", {"event": "a"}) == {"event": "a", "request_id": GIVEN}
        assert add_request_id(None, "info", {"request_id": "mine"}) == {"request_id": "mine"}

    logger.error("out")
    await RequestID(app)(http_scope(headers={NAME: GIVEN}), anyio.sleep_forever, anyio.sleep)  # type: ignore[arg-type]
    logger.removeHandler(handler)
    assert records == ["- out", f"{GIVEN} in", "mine own"]
    assert add_request_id(None, "info", {"event": "a"}) == {"event": "a"}


async def test_structlog_takes_the_processor() -> None:
    structlog = pytest.importorskip("structlog")
    output = structlog.testing.LogCapture()
    logger = structlog.wrap_logger(None, processors=[add_request_id, output])

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        logger.info("hello")

    await RequestID(app)(http_scope(headers={NAME: GIVEN}), anyio.sleep_forever, anyio.sleep)  # type: ignore[arg-type]
    assert output.entries == [{"event": "hello", "log_level": "info", "request_id": GIVEN}]


# -- options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"header": "a b"}, "header must be the name of a header; got 'a b'"),
        ({"header": ""}, "header must be"),
        ({"header": "Content-Length"}, "header must not be a header that frames"),
        ({"trusted_clients": "10.0.0.0/8"}, "trusted_clients must be .*write \\['10.0.0.0/8'\\]"),
        ({"trusted_clients": ["10.0.0.1/8"]}, "trusted_clients must hold addresses or networks"),
        ({"on_invalid": "drop"}, "on_invalid must be one of 'replace', 'refuse'"),
        ({"generator": "uuid1"}, "generator must be"),
    ],
)
def test_options_that_cannot_be_right_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        RequestID(page, **options)


async def test_a_function_makes_ids_of_its_own_kind() -> None:
    numbers = iter(range(10))
    app: ASGIApp = RequestID(page, generator=lambda: f"shop-{next(numbers)}")
    assert [(await request(app)).header(NAME) for _ in range(3)] == ["shop-0", "shop-1", "shop-2"]
