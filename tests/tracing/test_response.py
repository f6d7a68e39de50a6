"""Responses name their span where that is asked for, also those that are made outside all layers."""

from __future__ import annotations

from typing import Any

import pytest

from middlewares import CORS, Tracing
from middlewares.core.exchange import EXCHANGE
from middlewares.testing import Driver, request, websocket_scope
from tests.tracing.collected import PARENT, Collected, attributes_of


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


async def test_handshakes_of_websockets_are_left_alone(spans: Collected) -> None:
    """No page can read their headers."""

    async def denying(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.http.response.start", "status": 403, "headers": []})
        await send({"type": "websocket.http.response.body"})

    layer = Tracing(denying, tracer_provider=spans.provider, response_headers=["traceresponse"])
    async with Driver(layer, websocket_scope(extensions=["websocket.http.response"])) as call:
        assert (await call.receive("websocket.http.response.start"))["headers"] == []
        await call.receive()
        await call.finish()
    assert attributes_of(spans.one)["http.response.status_code"] == 403
