"""The span is current wherever the application works for its request, and nowhere else."""

from __future__ import annotations

import gc
from contextvars import Context
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from opentelemetry import context, propagate, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from middlewares import Tracing
from middlewares.core.exchange import EXCHANGE
from middlewares.testing import http_scope, request
from tests.tracing.collected import PARENT, Collected, route_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def current_id() -> int:
    return trace.get_current_span().get_span_context().span_id


@pytest.mark.parametrize("is_recorded", [True, False])
async def test_the_span_is_current_in_endpoints_threads_streams_and_background_tasks(
    is_recorded: bool, spans: Collected
) -> None:
    seen: dict[str, int] = {}

    def note(where: str) -> None:
        seen[where] = current_id()

    def threaded(request: Any) -> Any:
        note("thread")
        return PlainTextResponse("", background=BackgroundTask(note, "background in a thread"))

    async def awaited(request: Any) -> Any:
        note("endpoint")

        async def body() -> AsyncIterator[bytes]:
            note("stream")
            yield b"."
            async with anyio.create_task_group() as group:
                group.start_soon(child)

        async def child() -> None:
            note("task")

        async def behind() -> None:
            note("background")

        return StreamingResponse(body(), background=BackgroundTask(behind))

    app = Starlette(routes=[Route("/thread", threaded), Route("/", awaited)])
    layer = Tracing(app, tracer_provider=spans.provider if is_recorded else None)
    await request(layer, path="/thread", headers=PARENT)
    await request(layer, headers=PARENT)
    if is_recorded:
        first, second = (span.context.span_id for span in spans.servers if span.context)
    else:
        first = second = int(PARENT["traceparent"].split("-")[2], 16)
    assert seen == {
        "thread": first,
        "background in a thread": first,
        "endpoint": second,
        "stream": second,
        "task": second,
        "background": second,
    }


@pytest.mark.parametrize("is_recorded", [True, False])
async def test_a_call_that_is_closed_from_elsewhere_leaves_no_trace_in_the_log(
    is_recorded: bool, spans: Collected, caplog: pytest.LogCaptureFixture
) -> None:
    """So the event loop closes what nobody waits for any more: in a context that is not that of the request."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await anyio.sleep_forever()

    layer = Tracing(app, tracer_provider=spans.provider if is_recorded else None)
    call: Any = layer(http_scope(headers=PARENT), _never, _never)
    Context().run(call.send, None)
    call.close()
    gc.collect()
    assert not caplog.records
    assert len(spans.all) == is_recorded


async def test_a_thousand_interleaved_requests_never_mix(spans: Collected) -> None:
    gate = anyio.Event()
    seen: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        own = current_id()
        await gate.wait()
        await anyio.lowlevel.checkpoint()
        carried: dict[str, str] = {}
        propagate.inject(carried)
        seen.append(current_id() == own == int(carried["traceparent"].split("-")[2], 16))
        await route_app(scope, receive, send)

    layer = Tracing(app, tracer_provider=spans.provider)
    async with anyio.create_task_group() as group:
        for number in range(1000):
            traceparent = f"00-{number + 1:032x}-{number + 1:016x}-01"
            group.start_soon(_ask, layer, {"traceparent": traceparent} if number % 2 else {})
        await anyio.wait_all_tasks_blocked()
        gate.set()
    assert seen == [True] * 1000
    ids = {span.context.span_id for span in spans.servers if span.context}
    assert len(ids) == 1000
    assert all(span.parent is None or span.parent.trace_id == span.parent.span_id for span in spans.servers)
    assert not context.get_current()


async def test_what_the_application_leaves_attached_goes_with_its_request(spans: Collected) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        context.attach(context.set_value("left", "behind"))
        await route_app(scope, receive, send)

    await Tracing(app, tracer_provider=spans.provider)(http_scope(), _never, _discard)
    assert context.get_value("left") is None


async def test_a_span_that_is_not_taken_is_current_as_well_and_leaves_nothing_behind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What the application calls is left out too, which the span alone tells it."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((trace.get_current_span().get_span_context(), scope[EXCHANGE].span))
        if scope["path"] == "/held":
            await anyio.sleep_forever()
        await route_app(scope, receive, send)

    layer = Tracing(app, tracer_provider=TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False))
    await layer(http_scope(), _never, _discard)
    assert not context.get_current()
    call: Any = layer(http_scope(path="/held"), _never, _never)
    Context().run(call.send, None)
    call.close()
    assert not caplog.records
    assert [current.is_valid and not current.trace_flags.sampled for current, _ in seen] == [True, True]
    assert all(current is published for current, published in seen)


@pytest.mark.parametrize("is_taken", [True, False])
@pytest.mark.parametrize("is_elsewhere", [True, False])
async def test_contexts_of_another_kind_are_detached_as_they_ask(
    is_taken: bool, is_elsewhere: bool, spans: Collected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``OTEL_PYTHON_CONTEXT`` may name an implementation whose tokens are its own.

    What is attached in one task is not to be detached in another.
    """
    held: list[Any] = [context.Context()]
    detached: list[int] = []

    class Runtime:
        def attach(self, value: Any) -> Any:
            held.append(value)
            return len(held)

        def get_current(self) -> Any:
            return held[-1]

        def detach(self, token: Any) -> None:
            detached.append(token)
            held.pop()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await route_app(scope, receive, send)
        if is_elsewhere:
            held[:] = [context.Context()]

    monkeypatch.setattr(context, "_RUNTIME_CONTEXT", Runtime())
    if not is_taken:
        spans.provider.sampler = ALWAYS_OFF
    layer = Tracing(app, tracer_provider=spans.provider)
    detached.clear()
    await request(layer)
    assert len(held) == 1
    assert (2 in detached) != is_elsewhere  # other tokens are of the exporter
    assert [span.name for span in spans.servers] == ["GET /users/{id}"] * is_taken


async def _ask(layer: Any, headers: dict[str, str]) -> None:
    await layer(http_scope(headers=headers), _never, _discard)


async def _never(*_: Any) -> Any:
    raise AssertionError("nothing is received here")


async def _discard(message: Any) -> None:
    await anyio.lowlevel.checkpoint()
