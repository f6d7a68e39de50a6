"""Nothing is traced twice, whoever else traces; and what else is current stays what it is."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI, Request
from opentelemetry import context, trace
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags
from starlette.middleware.opentelemetry import OpenTelemetryMiddleware as OfStarlette

from middlewares import Tracing
from middlewares.core.exchange import EXCHANGE
from middlewares.testing import http_scope, request
from tests.tracing.collected import PARENT, SPAN_ID, TRACE_ID, Collected, answer, route_app

PATHS = pytest.mark.parametrize("headers", [{}, PARENT], ids=["root", "continued"])


async def copying(scope: Any, receive: Any, send: Any) -> None:
    await route_app(dict(scope), receive, send)


@PATHS
async def test_our_own_layer_twice_makes_one_span(headers: dict[str, str], spans: Collected) -> None:
    layer = Tracing(route_app, tracer_provider=spans.provider)

    async def between(scope: Any, receive: Any, send: Any) -> None:
        await layer({**scope}, receive, send)

    await request(
        Tracing(Tracing(between, tracer_provider=spans.provider), tracer_provider=spans.provider), headers=headers
    )
    assert [span.name for span in spans.all] == ["GET /users/{id}"]


@PATHS
async def test_a_layer_further_out_for_which_nobody_takes_spans_takes_none_from_ours(
    headers: dict[str, str], spans: Collected
) -> None:
    published: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        published.append(scope[EXCHANGE].span.span_id)
        await answer(send)

    await request(Tracing(Tracing(app, tracer_provider=spans.provider)), headers=headers)
    assert spans.one.context is not None
    assert published == [spans.one.context.span_id]


@PATHS
async def test_the_instrumentation_of_opentelemetry_outside_keeps_its_span(
    headers: dict[str, str], spans: Collected
) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope[EXCHANGE].trace_id, scope[EXCHANGE].span_id, scope[EXCHANGE].is_sampled))
        await route_app(scope, receive, send)

    inner = Tracing(app, tracer_provider=spans.provider)
    outer: Any = OpenTelemetryMiddleware(inner, tracer_provider=spans.provider, exclude_spans=["receive", "send"])
    await request(outer, path="/users/7", headers=headers)
    [span] = spans.all
    assert span.context is not None
    assert seen == [(f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}", True)]


@PATHS
async def test_what_it_does_not_sample_does_not_come_back(headers: dict[str, str], spans: Collected) -> None:
    off = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(trace.get_current_span().get_span_context().trace_flags & 1)
        await route_app(scope, receive, send)

    inner = Tracing(app, tracer_provider=spans.provider)
    await request(OpenTelemetryMiddleware(inner, tracer_provider=off), headers=headers)
    assert seen == [0]
    assert not spans.all


@PATHS
async def test_the_instrumentation_of_opentelemetry_inside_makes_no_span_of_a_server(
    headers: dict[str, str], spans: Collected
) -> None:
    inner: Any = OpenTelemetryMiddleware(copying, tracer_provider=spans.provider, exclude_spans=["receive", "send"])
    await request(Tracing(inner, tracer_provider=spans.provider), headers=headers)
    assert [span.kind for span in spans.all] == [SpanKind.SERVER, SpanKind.INTERNAL]


@pytest.mark.parametrize("is_outside", [True, False])
@PATHS
async def test_the_layer_of_starlette_beside_ours_makes_one_span(
    headers: dict[str, str], is_outside: bool, spans: Collected
) -> None:
    def ours(app: Any) -> Any:
        return Tracing(app, tracer_provider=spans.provider)

    def theirs(app: Any) -> Any:
        return OfStarlette(app, tracer_provider=spans.provider)

    app = ours(theirs(route_app)) if is_outside else theirs(ours(route_app))
    scope = http_scope(headers=headers)
    await app(scope, None, _discard)
    assert [span.name for span in spans.all] == ["GET /users/{id}" if is_outside else "GET"]
    assert "starlette.opentelemetry" not in scope


@pytest.mark.parametrize("is_outside", [True, False])
@PATHS
async def test_fastapi_beside_ours_makes_one_span(headers: dict[str, str], is_outside: bool, spans: Collected) -> None:
    app = FastAPI(telemetry={"tracer_provider": spans.provider})

    @app.get("/users/{number}")
    async def user(number: int) -> int:
        return number

    if not is_outside:
        app.add_middleware(Tracing, tracer_provider=spans.provider)
    response = await request(
        Tracing(app, tracer_provider=spans.provider) if is_outside else app, path="/users/7", headers=headers
    )
    assert response.json() == 7
    assert spans.one.name == "GET /users/{number}"
    assert spans.one.instrumentation_scope is not None
    assert spans.one.instrumentation_scope.name == ("middlewares.tracing" if is_outside else "fastapi")


async def test_the_span_of_fastapi_is_told_also_from_within_another(spans: Collected) -> None:
    seen: list[str | None] = []
    app = FastAPI(telemetry={"tracer_provider": spans.provider})

    @app.get("/users/{number}")
    async def user(request: Request) -> None:
        seen.append(request.scope[EXCHANGE].span_id)

    def within(app: Any) -> Any:
        async def spanning(scope: Any, receive: Any, send: Any) -> None:
            with spans.provider.get_tracer("app").start_as_current_span("within"):
                await app(scope, receive, send)

        return spanning

    app.add_middleware(Tracing, tracer_provider=spans.provider)
    app.add_middleware(within)
    await request(app, path="/users/7")
    assert spans.one.context is not None
    assert seen == [f"{spans.one.context.span_id:016x}"]


async def test_fastapi_that_does_not_trace_leaves_it_to_us(spans: Collected) -> None:
    app = FastAPI(telemetry={"tracing": False})
    app.add_middleware(Tracing, tracer_provider=spans.provider)
    await request(app, path="/nowhere")
    assert spans.one.name == "GET"


async def test_a_span_of_the_whole_process_is_no_parent(spans: Collected) -> None:
    """A server that was started in a span hands it to every request."""
    tracer = spans.provider.get_tracer("startup")
    for kind in (SpanKind.INTERNAL, SpanKind.CLIENT):
        with tracer.start_as_current_span("startup", kind=kind):
            await request(Tracing(route_app, tracer_provider=spans.provider))
            await request(Tracing(route_app, tracer_provider=spans.provider), headers=PARENT)
    roots, continued = spans.servers[::2], spans.servers[1::2]
    assert [span.parent for span in roots] == [None, None]
    assert [f"{span.parent.span_id:016x}" for span in continued if span.parent] == [SPAN_ID, SPAN_ID]


async def test_what_else_is_in_the_context_stays(spans: Collected) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(context.get_value("tenant"))
        await route_app(scope, receive, send)

    token = context.attach(context.set_value("tenant", "blue"))
    for provider in (spans.provider, None):
        for headers in ({}, PARENT, {"baggage": "a=1"}):
            await request(Tracing(app, tracer_provider=provider), headers=headers)
    assert context.get_value("tenant") == "blue"
    context.detach(token)
    assert seen == ["blue"] * 6


async def test_an_application_that_calls_another_one_gets_a_span_for_it(spans: Collected) -> None:
    """The headers name the span of the outer request then, or the path is another one."""
    from opentelemetry import propagate

    layer = Tracing(route_app, tracer_provider=spans.provider)

    async def calling(scope: Any, receive: Any, send: Any) -> None:
        carried: dict[str, str] = {}
        propagate.inject(carried)
        await request(layer, path="/same", headers=carried)
        await request(layer, path="/other")
        await route_app(scope, receive, send)

    await request(Tracing(calling, tracer_provider=spans.provider), path="/same")
    inner, other, outer = spans.servers
    assert inner.parent is not None
    assert outer.context is not None
    assert inner.parent.span_id == outer.context.span_id
    assert other.parent is None


async def test_without_sdk_the_caller_is_what_logs_are_told() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        exchange = scope[EXCHANGE]
        seen.append((exchange.trace_id, exchange.span_id, exchange.is_sampled))
        await route_app(scope, receive, send)

    await request(Tracing(app), headers=PARENT)
    await request(Tracing(app))
    assert seen == [(TRACE_ID, SPAN_ID, True), (None, None, None)]


async def _discard(message: Any) -> None:
    pass


async def test_an_unsampled_span_of_the_whole_process_does_not_hide_callers(spans: Collected) -> None:
    """It is the parent of what nobody has called, which is not sampled either; callers decide for themselves."""
    unsampled = NonRecordingSpan(SpanContext(1, 2, False))
    token = context.attach(trace.set_span_in_context(unsampled))
    layer = Tracing(route_app, tracer_provider=spans.provider)
    await request(layer)
    assert not spans.all
    await request(layer, headers=PARENT)
    context.detach(token)
    assert spans.one.parent is not None
    assert f"{spans.one.parent.span_id:016x}" == SPAN_ID


async def test_the_caller_of_something_else_is_no_parent(spans: Collected) -> None:
    token = context.attach(trace.set_span_in_context(NonRecordingSpan(SpanContext(1, 2, True, TraceFlags(1)))))
    await request(Tracing(route_app, tracer_provider=spans.provider))
    await request(Tracing(route_app, tracer_provider=spans.provider), headers={"baggage": "a=1"})
    context.detach(token)
    assert [span.parent for span in spans.servers] == [None, None]


@PATHS
async def test_what_a_layer_of_ours_further_out_does_not_sample_is_left_out(
    headers: dict[str, str], spans: Collected
) -> None:
    """Even by a sampler that does not ask for parents."""
    spans.provider.sampler = ALWAYS_ON
    off = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    inner = Tracing(route_app, tracer_provider=spans.provider)

    async def between(scope: Any, receive: Any, send: Any) -> None:
        await inner(scope, receive, send)

    await request(Tracing(between, tracer_provider=off), headers=headers)
    assert not spans.all
