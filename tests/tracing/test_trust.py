"""Callers that are not trusted begin a new trace, which links to theirs."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import baggage, propagate

from middlewares import Tracing
from middlewares.testing import request
from tests.tracing.collected import PARENT, SPAN_ID, TRACE_ID, Collected

HEADERS = {**PARENT, "tracestate": "a=1", "baggage": "user=7"}


async def ask(spans: Collected | None, trust: Any, client: Any = ("192.0.2.1", 1)) -> tuple[dict[str, str], Any]:
    """Return what the application hands on, and its baggage."""
    carried: dict[str, str] = {}
    found: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        propagate.inject(carried)
        found.update(baggage.get_all())
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    provider = spans.provider if spans else None
    await request(Tracing(app, trust=trust, tracer_provider=provider), headers=HEADERS, client=client)
    return carried, found


@pytest.mark.parametrize(
    ("trust", "client", "is_trusted"),
    [
        ("all", ("192.0.2.1", 1), True),
        ("all", None, True),
        ("none", ("192.0.2.1", 1), False),
        ("none", ("127.0.0.1", 1), False),
        (["192.0.2.0/24"], ("192.0.2.1", 1), True),
        (["192.0.2.0/24"], ("::ffff:192.0.2.1", 1), True),
        (["192.0.2.0/24"], ("198.51.100.1", 1), False),
        (["10.0.0.0/8", "2001:db8::/32"], ("2001:db8::1", 1), True),
        (["10.0.0.0/8"], None, False),
        (["10.0.0.0/8"], ("", 0), False),
        (["10.0.0.0/8"], ("testclient", 0), False),
        (["10.0.0.0/8"], ("\udcff", 0), False),
        ([], ("10.0.0.1", 1), False),
    ],
)
async def test_whom_is_believed(trust: Any, client: Any, is_trusted: bool, spans: Collected) -> None:
    carried, found = await ask(spans, trust, client)
    trace_id = carried["traceparent"].split("-")[1]
    assert (trace_id == TRACE_ID) == is_trusted
    assert (spans.one.parent is not None) == is_trusted
    assert found == ({"user": "7"} if is_trusted else {})
    assert ("tracestate" in carried) == is_trusted
    linked = [(f"{link.context.trace_id:032x}", f"{link.context.span_id:016x}") for link in spans.one.links]
    assert linked == ([] if is_trusted else [(TRACE_ID, SPAN_ID)])


async def test_a_stranger_is_not_handed_on_where_there_is_no_sdk() -> None:
    assert await ask(None, "none") == ({}, {})
    carried, _ = await ask(None, "all")
    assert carried["traceparent"] == PARENT["traceparent"]


async def test_a_stranger_with_baggage_alone_makes_no_link(spans: Collected) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert not baggage.get_all()
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    await request(Tracing(app, trust="none", tracer_provider=spans.provider), headers={"baggage": "user=7"})
    assert not spans.one.links
