"""One span for each request or WebSocket: its name, its attributes, and what it says of each way to end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from opentelemetry import trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.trace import SpanKind, StatusCode
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from middlewares import Tracing
from middlewares.testing import ClientDisconnected, Driver, http_scope, request, websocket, websocket_scope
from tests.tracing.collected import PARENT, Collected, attributes_of, route_app

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan


async def answer(send: Any, status: int = 200, body: bytes = b"", **more: Any) -> None:
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": body, **more})


def answering(status: int) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, status)

    return app


def ending(span: ReadableSpan) -> tuple[Any, Any, StatusCode, str | None]:
    """Return the status that was sent, the type of the error, and the status of the span."""
    attributes = attributes_of(span)
    return (
        attributes.get("http.response.status_code"),
        attributes.get("error.type"),
        span.status.status_code,
        span.status.description,
    )


async def test_a_span_says_all_that_is_known_of_its_request(spans: Collected) -> None:
    headers = {"host": "shop.example:8443", "user-agent": "curl/8", **PARENT}
    await request(
        Tracing(route_app, tracer_provider=spans.provider),
        "GET",
        "/users/7",
        query="page=2",
        headers=headers,
        scheme="https",
        client=("192.0.2.1", 4711),
    )
    assert spans.one.name == "GET /users/{id}"
    assert spans.one.kind is SpanKind.SERVER
    assert attributes_of(spans.one) == {
        "http.request.method": "GET",
        "url.scheme": "https",
        "url.path": "/users/7",
        "url.query": "page=2",
        "network.protocol.version": "1.1",
        "user_agent.original": "curl/8",
        "server.address": "shop.example",
        "server.port": 8443,
        "client.address": "192.0.2.1",
        "network.peer.address": "192.0.2.1",
        "network.peer.port": 4711,
        "http.route": "/users/{id}",
        "http.response.status_code": 200,
    }
    assert ending(spans.one) == (200, None, StatusCode.UNSET, None)
    assert spans.one.instrumentation_scope is not None
    assert spans.one.instrumentation_scope.name == "middlewares.tracing"
    assert spans.one.instrumentation_scope.schema_url == "https://opentelemetry.io/schemas/1.44.0"


@pytest.mark.parametrize(
    ("method", "name", "known", "original"),
    [
        ("GET", "GET", "GET", None),
        ("QUERY", "QUERY", "QUERY", None),
        ("get", "HTTP", "_OTHER", "get"),
        ("BREW", "HTTP", "_OTHER", "BREW"),
        ("\ud800", "HTTP", "_OTHER", "?"),
    ],
)
async def test_the_name_holds_a_known_method_and_never_the_path(
    method: str, name: str, known: str, original: str | None, spans: Collected
) -> None:
    scope = {**http_scope(path="/users/7"), "method": method}
    async with Driver(Tracing(answering(404), tracer_provider=spans.provider), scope) as call:
        await call.finish()
    assert spans.one.name == name
    assert attributes_of(spans.one)["http.request.method"] == known
    assert attributes_of(spans.one).get("http.request.method_original") == original


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (200, None, StatusCode.UNSET),
        (304, None, StatusCode.UNSET),
        (404, None, StatusCode.UNSET),
        (499, None, StatusCode.UNSET),
        (500, "500", StatusCode.ERROR),
        (503, "503", StatusCode.ERROR),
    ],
)
async def test_statuses_of_the_server_alone_are_errors(
    status: int, error: str | None, code: StatusCode, spans: Collected
) -> None:
    await request(Tracing(answering(status), tracer_provider=spans.provider))
    assert ending(spans.one) == (status, error, code, None)
    assert not spans.one.events


@pytest.mark.parametrize("is_outside", [True, False])
async def test_the_route_is_the_one_of_the_framework(is_outside: bool, spans: Collected) -> None:
    async def user(request: Any) -> Any:
        return PlainTextResponse(request.path_params["id"])

    layer = Middleware(Tracing, tracer_provider=spans.provider)
    routes = [Mount("/shop/{tenant}", routes=[Route("/users/{id}", user)])]
    app: Any = Starlette(routes=routes, middleware=[] if is_outside else [layer])
    app = Tracing(app, tracer_provider=spans.provider) if is_outside else app
    assert (await request(app, path="/shop/blue/users/7")).text == "7"
    await request(app, path="/nowhere")
    assert [span.name for span in spans.servers] == ["GET /shop/{tenant}/users/{id}", "GET"]
    assert [attributes_of(span).get("http.route") for span in spans.servers] == ["/shop/{tenant}/users/{id}", None]


class Broken(Exception):
    """What the applications of these tests raise."""


async def test_an_exception_is_recorded_once_with_its_traceback(spans: Collected) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise Broken("told nobody")

    layer = Tracing(Tracing(app, tracer_provider=spans.provider), tracer_provider=spans.provider)
    await request(layer, raise_exceptions=False)
    error = f"{__name__}.Broken"
    assert ending(spans.one) == (500, error, StatusCode.ERROR, None)
    [event] = spans.one.events
    noted = dict(event.attributes or {})
    assert event.name == "exception"
    assert event.timestamp == spans.one.end_time
    assert (noted["exception.type"], noted["exception.message"]) == (error, "told nobody")
    assert "in app" in str(noted["exception.stacktrace"])


async def test_an_exception_that_the_application_has_recorded_is_not_recorded_again(spans: Collected) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        error = Broken("mine")
        trace.get_current_span().add_event("other", {"exception.message": "mine"})
        trace.get_current_span().record_exception(Broken("another"))
        trace.get_current_span().record_exception(error)
        raise error

    await request(Tracing(app, tracer_provider=spans.provider), raise_exceptions=False)
    messages = [(event.name, (event.attributes or {})["exception.message"]) for event in spans.one.events]
    assert messages == [("other", "mine"), ("exception", "another"), ("exception", "mine")]


@pytest.mark.parametrize(
    ("asked", "is_event", "is_logged"),
    [("", True, False), ("logs", False, True), ("logs/dup", True, True), ("other, logs", False, True)],
)
async def test_exceptions_are_logged_where_the_process_asks_for_it(
    asked: str, is_event: bool, is_logged: bool, spans: Collected, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]  # has no annotations
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    monkeypatch.setattr("middlewares.tracing.exceptions.get_logger_provider", lambda: provider)
    monkeypatch.setenv("OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN", asked)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise Broken("told")

    await request(Tracing(app, tracer_provider=spans.provider), raise_exceptions=False)
    assert len(spans.one.events) == is_event
    records = [found.log_record for found in exporter.get_finished_logs()]
    assert len(records) == is_logged
    for record in records:
        found = dict(record.attributes or {})
        assert (record.event_name, record.severity_text) == ("http.server.request.exception", "ERROR")
        assert (found["exception.type"], found["exception.message"]) == (f"{__name__}.Broken", "told")
        assert "in app" in str(found["exception.stacktrace"])
        assert spans.one.context is not None
        assert (record.timestamp, record.span_id) == (spans.one.end_time, spans.one.context.span_id)


async def test_exceptions_can_be_left_out(spans: Collected) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise Broken

    layer = Tracing(app, tracer_provider=spans.provider, record_exceptions=False)
    await request(layer, raise_exceptions=False)
    assert not spans.one.events
    assert ending(spans.one)[1] == f"{__name__}.Broken"


async def test_an_exception_after_the_start_keeps_the_status_that_was_sent(spans: Collected) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, 200, b"half", more_body=True)
        raise Broken

    await request(Tracing(app, tracer_provider=spans.provider), raise_exceptions=False)
    assert ending(spans.one) == (200, f"{__name__}.Broken", StatusCode.ERROR, None)


@pytest.mark.parametrize("is_outside", [True, False])
async def test_a_framework_that_answers_500_tells_the_same_from_inside_and_outside(
    is_outside: bool, spans: Collected
) -> None:
    def endpoint(request: Any) -> None:
        raise Broken("in a thread")

    layer = Middleware(Tracing, tracer_provider=spans.provider)
    app: Any = Starlette(routes=[Route("/", endpoint)], middleware=[] if is_outside else [layer])
    await request(Tracing(app, tracer_provider=spans.provider) if is_outside else app, raise_exceptions=False)
    assert ending(spans.one) == (500, f"{__name__}.Broken", StatusCode.ERROR, None)
    assert len(spans.one.events) == 1


async def test_an_answer_that_is_raised_is_no_exception(spans: Collected) -> None:
    def endpoint(request: Any) -> None:
        raise HTTPException(404)

    await request(Tracing(Starlette(routes=[Route("/", endpoint)]), tracer_provider=spans.provider))
    assert ending(spans.one) == (404, None, StatusCode.UNSET, None)
    assert not spans.one.events


async def test_no_answer_and_half_an_answer_are_errors(spans: Collected) -> None:
    async def silent(scope: Any, receive: Any, send: Any) -> None:
        pass

    async def half(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, 200, b"half", more_body=True)

    for app in (silent, half):
        async with Driver(Tracing(app, tracer_provider=spans.provider), http_scope()) as call:
            await call.finish()
    assert [ending(span) for span in spans.servers] == [
        (500, "no_response", StatusCode.ERROR, None),
        (200, "incomplete_response", StatusCode.ERROR, None),
    ]


async def test_a_cancelled_request_is_told_from_one_whose_client_has_left(spans: Collected) -> None:
    async def waiting(scope: Any, receive: Any, send: Any) -> None:
        await anyio.sleep_forever()

    async def leaving(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "http.disconnect"

    async def sending(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, 200, b"half", more_body=True)
        await receive()
        await send({"type": "http.response.body", "body": b"more"})

    async with Driver(Tracing(waiting, tracer_provider=spans.provider), http_scope()) as call:
        await call.assert_silent()
    async with Driver(Tracing(leaving, tracer_provider=spans.provider), http_scope()) as call:
        call.disconnect()
        await call.finish()
    async with Driver(Tracing(sending, tracer_provider=spans.provider), http_scope(), fail_sends=True) as call:
        await call.receive("http.response.start")
        await call.receive("http.response.body")
        call.disconnect()
        with pytest.raises(ClientDisconnected):
            await call.finish()
    assert [ending(span) for span in spans.servers] == [
        (None, "cancelled", StatusCode.ERROR, None),
        (None, "client_disconnected", StatusCode.UNSET, None),
        (200, "client_disconnected", StatusCode.UNSET, None),
    ]
    assert not any(span.events for span in spans.servers)


@pytest.mark.parametrize("status", [0, 1000, -1, "teapot", None])
async def test_odd_statuses_end_the_span_all_the_same(status: Any, spans: Collected) -> None:
    async with Driver(Tracing(answering(status), tracer_provider=spans.provider), http_scope()) as call:
        await call.finish()
    found = attributes_of(spans.one).get("http.response.status_code")
    assert found == (status if isinstance(status, int) else None)


async def test_background_work_is_not_in_the_duration(spans: Collected) -> None:
    """The span ends with the last byte; what the application begins afterwards is its child all the same."""
    tracer = spans.provider.get_tracer("app")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send)
        assert [span.kind for span in spans.all] == [SpanKind.SERVER]
        assert not trace.get_current_span().is_recording()
        with tracer.start_as_current_span("background"):
            pass

    await request(Tracing(app, tracer_provider=spans.provider))
    server, background = spans.all
    assert server.context is not None
    assert background.parent is not None
    assert background.parent.span_id == server.context.span_id


async def test_a_span_that_the_application_has_ended_is_left_alone(
    spans: Collected, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        trace.get_current_span().end()
        await answer(send)

    await request(Tracing(app, tracer_provider=spans.provider))
    assert attributes_of(spans.one).get("http.response.status_code") is None
    assert not caplog.records


async def test_what_the_application_adds_to_the_span_stays(spans: Collected) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        trace.get_current_span().set_attribute("enduser.id", "ada")
        await answer(send)

    await request(Tracing(app, tracer_provider=spans.provider))
    assert attributes_of(spans.one)["enduser.id"] == "ada"


async def test_captured_headers_are_lists_and_secrets_are_not_told(spans: Collected) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"ETag", b'"1"'), (b"set-cookie", b"id=1"), (b"set-cookie", b"id=2"), (b"x-other", b"1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body"})

    layer = Tracing(
        app,
        tracer_provider=spans.provider,
        capture_request_headers=["Accept", "Authorization", "x-missing"],
        capture_response_headers=["etag", "Set-Cookie"],
    )
    sent = [("Accept", "a"), ("accept", "b"), ("authorization", "Bearer secret"), ("x-other", "1")]
    await request(layer, headers=sent)
    found = {name: value for name, value in attributes_of(spans.one).items() if ".header." in name}
    assert found == {
        "http.request.header.accept": ("a", "b"),
        "http.request.header.authorization": ("REDACTED",),
        "http.response.header.etag": ('"1"',),
        "http.response.header.set-cookie": ("REDACTED", "REDACTED"),
    }


async def test_what_is_redacted_is_an_option(spans: Collected) -> None:
    layer = Tracing(
        answering(200),
        tracer_provider=spans.provider,
        capture_request_headers=["cookie", "x-token"],
        redact_headers=["X-Token"],
        redact_parameters=["key"],
    )
    await request(layer, query="key=1&sig=2", headers={"cookie": "a=1", "x-token": "b"})
    found = attributes_of(spans.one)
    assert found["url.query"] == "key=REDACTED&sig=2"
    assert found["http.request.header.cookie"] == ("a=1",)
    assert found["http.request.header.x-token"] == ("REDACTED",)


@pytest.mark.parametrize("path", ["/health", "/healthz", "/readyz", "/metrics", "/app/metrics"])
async def test_monitoring_is_not_traced(path: str, spans: Collected) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert trace.get_current_span() is trace.INVALID_SPAN
        await answer(send)

    root_path = "/app" if path.startswith("/app") else ""
    await request(Tracing(app, tracer_provider=spans.provider), path=path, root_path=root_path, headers=PARENT)
    assert not spans.all


async def test_other_scopes_pass(spans: Collected) -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    await Tracing(app, tracer_provider=spans.provider)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]  # passed on as they are
    assert seen == ["lifespan"]
    assert not spans.all


class TestWebSockets:
    """One span from the handshake to the end."""

    async def test_messages_are_counted_and_make_no_spans(self, spans: Collected) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["middlewares.exchange"].route = "/chat/{room}"
            await receive()
            await send({"type": "websocket.accept"})
            for _ in range(2):
                await receive()
            await send({"type": "websocket.send", "text": "hello"})
            assert (await receive())["type"] == "websocket.disconnect"

        layer = Tracing(app, tracer_provider=spans.provider, response_headers=["traceresponse"])
        async with websocket(layer, "/chat/blue", headers={"host": "shop.example"}) as ws:
            await ws.send_text("one")
            await ws.send_bytes(b"two")
            assert await ws.receive_text() == "hello"
        [span] = spans.all
        assert span.name == "GET /chat/{room}"
        found = attributes_of(span)
        expected = {
            "http.request.method": "GET",
            "http.response.status_code": 101,
            "http.route": "/chat/{room}",
            "network.protocol.name": "websocket",
            "server.address": "shop.example",
            "server.port": 80,
            "url.path": "/chat/blue",
            "url.scheme": "ws",
            "websocket.close.code": 1000,
            "websocket.messages.received": 2,
            "websocket.messages.sent": 1,
        }
        assert {name: found.get(name) for name in expected} == expected
        assert "network.protocol.version" not in found
        assert ending(span) == (101, None, StatusCode.UNSET, None)

    @pytest.mark.parametrize(
        ("code", "error"), [(1000, None), (1001, None), (3000, None), (1006, "client_disconnected")]
    )
    async def test_a_client_that_closes_makes_no_error(self, code: int, error: str | None, spans: Collected) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "websocket.accept"})
            await receive()

        async with Driver(Tracing(app, tracer_provider=spans.provider), websocket_scope()) as call:
            call.feed({"type": "websocket.connect"})
            await call.receive("websocket.accept")
            call.feed({"type": "websocket.disconnect", "code": code})
            await call.finish()
        assert ending(spans.one) == (101, error, StatusCode.UNSET, None)
        assert attributes_of(spans.one)["websocket.close.code"] == code

    async def test_a_handshake_that_is_refused_has_its_status(self, spans: Collected) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "websocket.close", "code": 1008})

        async with Driver(Tracing(app, tracer_provider=spans.provider), websocket_scope()) as call:
            call.feed({"type": "websocket.connect"})
            await call.receive("websocket.close")
            await call.finish()
        assert ending(spans.one) == (403, None, StatusCode.UNSET, None)

    async def test_an_exception_is_an_error(self, spans: Collected) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "websocket.accept"})
            raise Broken

        async with Driver(Tracing(app, tracer_provider=spans.provider), websocket_scope()) as call:
            call.feed({"type": "websocket.connect"})
            await call.receive("websocket.accept")
            with pytest.raises(Broken):
                await call.finish()
        assert ending(spans.one) == (101, f"{__name__}.Broken", StatusCode.ERROR, None)

    async def test_over_http_2_the_method_is_connect(self, spans: Collected) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "websocket.close"})

        scope = websocket_scope(http_version="2")
        async with Driver(Tracing(app, tracer_provider=spans.provider), scope) as call:
            call.feed({"type": "websocket.connect"})
            await call.receive("websocket.close")
            await call.finish()
        assert spans.one.name == "CONNECT"
