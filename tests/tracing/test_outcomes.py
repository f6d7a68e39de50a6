"""What a span says of each way that a request ends, and of exceptions."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.trace import StatusCode
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route

from middlewares import Tracing
from middlewares.testing import ClientDisconnected, Driver, http_scope, request
from tests.tracing.collected import Broken, Collected, answer, answering, attributes_of, ending


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


async def test_an_exception_is_recorded_once_with_its_traceback(spans: Collected) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise Broken("told nobody")

    layer = Tracing(Tracing(app, tracer_provider=spans.provider), tracer_provider=spans.provider)
    await request(layer, raise_exceptions=False)
    error = f"{Broken.__module__}.Broken"
    assert ending(spans.one) == (500, error, StatusCode.ERROR, None)
    [event] = spans.one.events
    noted = dict(event.attributes or {})
    assert event.name == "exception"
    assert event.timestamp == spans.one.end_time
    assert (noted["exception.type"], noted["exception.message"]) == (error, "told nobody")
    assert "in app" in str(noted["exception.stacktrace"])


class Wordless(Exception):
    """What cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize("error", [Broken("\ud800" * 9), Broken("x" * 1_000_000), Wordless()], ids=lambda e: type(e))
async def test_whatever_an_exception_quotes_it_can_be_exported_and_is_bounded(
    error: Exception, spans: Collected
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise error

    await request(Tracing(app, tracer_provider=spans.provider), raise_exceptions=False)
    [encoded] = encode_spans(spans.all).resource_spans[0].scope_spans[0].spans
    found = {attribute.key: attribute.value.string_value for attribute in encoded.events[0].attributes}
    assert found.keys() == {"exception.type", "exception.message", "exception.stacktrace"}
    assert "in app" in found["exception.stacktrace"]
    assert type(error).__name__ in found["exception.type"]
    assert len(found["exception.message"]) <= 8192
    assert len(found["exception.stacktrace"]) < 40_000


async def test_a_long_exception_that_the_application_has_recorded_is_not_recorded_again(spans: Collected) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        error = Broken("x" * 10_000)
        trace.get_current_span().record_exception(error)
        raise error

    await request(Tracing(app, tracer_provider=spans.provider), raise_exceptions=False)
    assert len(spans.one.events) == 1


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
        assert (found["exception.type"], found["exception.message"]) == (f"{Broken.__module__}.Broken", "told")
        assert "in app" in str(found["exception.stacktrace"])
        assert spans.one.context is not None
        assert (record.timestamp, record.span_id) == (spans.one.end_time, spans.one.context.span_id)


async def test_exceptions_can_be_left_out(spans: Collected) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise Broken

    layer = Tracing(app, tracer_provider=spans.provider, record_exceptions=False)
    await request(layer, raise_exceptions=False)
    assert not spans.one.events
    assert ending(spans.one)[1] == f"{Broken.__module__}.Broken"


async def test_an_exception_after_the_start_keeps_the_status_that_was_sent(spans: Collected) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, 200, b"half", more_body=True)
        raise Broken

    await request(Tracing(app, tracer_provider=spans.provider), raise_exceptions=False)
    assert ending(spans.one) == (200, f"{Broken.__module__}.Broken", StatusCode.ERROR, None)


@pytest.mark.parametrize("is_outside", [True, False])
async def test_a_framework_that_answers_500_tells_the_same_from_inside_and_outside(
    is_outside: bool, spans: Collected
) -> None:
    def endpoint(request: Any) -> None:
        raise Broken("in a thread")

    layer = Middleware(Tracing, tracer_provider=spans.provider)
    app: Any = Starlette(routes=[Route("/", endpoint)], middleware=[] if is_outside else [layer])
    await request(Tracing(app, tracer_provider=spans.provider) if is_outside else app, raise_exceptions=False)
    assert ending(spans.one) == (500, f"{Broken.__module__}.Broken", StatusCode.ERROR, None)
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
