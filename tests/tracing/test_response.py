"""Responses name their span where that is asked for, also those that are made outside all layers."""

from __future__ import annotations

from typing import Any

import pytest

from middlewares import CORS, Tracing
from middlewares.core.exchange import EXCHANGE
from middlewares.testing import Driver, request, websocket_scope
from tests.tracing.collected import PARENT, Collected


def answering(*headers: tuple[bytes, bytes]) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": iter(headers)})
        await send({"type": "http.response.body"})

    return app


def named(spans: Collected) -> str:
    span = spans.one.context
    assert span is not None
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"


async def test_nothing_is_told_unless_asked_for(spans: Collected) -> None:
    response = await request(Tracing(answering((b"a", b"b")), tracer_provider=spans.provider), headers=PARENT)
    assert response.headers == [(b"a", b"b")]


@pytest.mark.parametrize("headers", [{}, PARENT])
async def test_both_headers_name_the_span(headers: dict[str, str], spans: Collected) -> None:
    options: Any = {"response_headers": ["server-timing", "traceresponse"]}
    layer = Tracing(answering((b"a", b"b")), tracer_provider=spans.provider, **options)
    response = await request(layer, headers=headers)
    assert response.values("traceresponse") == [named(spans)]
    assert response.values("server-timing") == [f"trace;desc={named(spans)}"]
    assert response.headers[0] == (b"a", b"b")


async def test_other_timings_stay(spans: Collected) -> None:
    others = (b"Server-Timing", b'db;dur=2;desc="a, b"'), (b"server-timing", b"cache"), (b"TraceResponse", b"theirs")
    layer = Tracing(
        answering(*others), tracer_provider=spans.provider, response_headers=["traceresponse", "server-timing"]
    )
    response = await request(layer)
    assert response.values("server-timing") == [f'db;dur=2;desc="a, b", cache, trace;desc={named(spans)}']
    assert response.values("traceresponse") == [named(spans)]


async def test_without_a_span_there_is_nothing_to_tell() -> None:
    response = await request(Tracing(answering(), response_headers=["server-timing"]), headers=PARENT)
    assert response.headers == []


async def test_a_response_that_is_made_outside_can_name_it_too(spans: Collected) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(scope[EXCHANGE].response_headers)

    layer = Tracing(app, tracer_provider=spans.provider, response_headers=["traceresponse", "server-timing"])
    await request(layer, raise_exceptions=False)
    value = named(spans).encode()
    assert seen == [(b"traceresponse", value), (b"server-timing", b"trace;desc=" + value)]


async def test_pages_of_other_origins_may_read_them(spans: Collected) -> None:
    origin = "https://page.example"
    inner = Tracing(answering(), tracer_provider=spans.provider, response_headers=["traceresponse", "server-timing"])
    response = await request(CORS(inner, allow_origins=[origin], expose_headers="auto"), headers={"origin": origin})
    exposed = {name.strip().lower() for name in (response.header("access-control-expose-headers") or "").split(",")}
    assert {"traceresponse", "server-timing"} <= exposed


async def test_a_denied_handshake_names_it_and_an_accepted_one_is_left_alone(spans: Collected) -> None:
    async def denying(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.http.response.start", "status": 403})
        await send({"type": "websocket.http.response.body"})

    async def accepting(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close"})

    for app, kind in ((denying, "websocket.http.response.start"), (accepting, "websocket.accept")):
        spans.exporter.clear()
        layer = Tracing(app, tracer_provider=spans.provider, response_headers=["traceresponse"])
        scope = websocket_scope(extensions=["websocket.http.response"])
        async with Driver(layer, scope) as call:
            start = await call.receive(kind)
            await call.receive()
            await call.finish()
        expected = [(b"traceresponse", named(spans).encode())] if app is denying else []
        assert [*start.get("headers", ())] == expected
