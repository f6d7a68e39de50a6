"""The propagator that is set for the process is the one that reads the headers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, propagate
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import NonRecordingSpan, SpanContext, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from middlewares.tracing.propagation import Propagation
from tests.tracing.collected import SAMPLED, TRACE_ID

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADERS = [(b"TraceParent", SAMPLED.encode()), (b"baggage", b"a=1"), (b"Baggage", b"b=2"), (b"x-b3-id", b"ff")]


@pytest.fixture(autouse=True)
def _propagator_is_put_back() -> Iterator[None]:
    before = propagate.get_global_textmap()
    yield
    propagate.set_global_textmap(before)


class Single(TextMapPropagator):
    """A propagator of others, with one header."""

    def extract(self, carrier: Any, context: Any = None, getter: Any = None) -> Context:
        assert "x-b3-id" in getter.keys(carrier) or not carrier
        assert getter.get(carrier, "baggage") in (["a=1,b=2"], None)
        found = getter.get(carrier, "X-B3-Id")
        if found is None:
            return Context()
        return set_span_in_context(NonRecordingSpan(SpanContext(int(found[0], 16), 7, True)), context)

    def inject(self, carrier: Any, context: Any = None, setter: Any = None) -> None:
        raise NotImplementedError

    @property
    def fields(self) -> set[str]:
        return {"x-b3-id"}


class Failing(Single):
    """One that cannot read what it is given."""

    def extract(self, carrier: Any, context: Any = None, getter: Any = None) -> Context:
        raise ValueError("not hexadecimal")


class Guarded(CompositePropagator):
    """One that does not let its parts read."""

    def extract(self, carrier: Any, context: Any = None, getter: Any = None) -> Context:
        return Context()


def read(propagator: TextMapPropagator, headers: Any = HEADERS) -> tuple[int | None, dict[str, Any]]:
    propagate.set_global_textmap(propagator)
    incoming = Propagation().read(headers, headers)
    if incoming is None:
        return None, {}
    return incoming.span and incoming.span.trace_id, dict(baggage.get_all(Context(incoming.values)))


@pytest.mark.parametrize(
    ("propagator", "trace_id", "found"),
    [
        (propagate.get_global_textmap(), int(TRACE_ID, 16), {"a": "1", "b": "2"}),
        (TraceContextTextMapPropagator(), int(TRACE_ID, 16), {}),
        (CompositePropagator([W3CBaggagePropagator()]), None, {"a": "1", "b": "2"}),
        (CompositePropagator([]), None, {}),
        (Single(), 0xFF, {}),
        (CompositePropagator([TraceContextTextMapPropagator(), Single()]), 0xFF, {}),
        (CompositePropagator([Single(), W3CBaggagePropagator()]), 0xFF, {"a": "1", "b": "2"}),
        (Failing(), None, {}),
        (Guarded([TraceContextTextMapPropagator(), W3CBaggagePropagator()]), None, {}),
    ],
)
def test_each_propagator_reads_what_is_its_own(
    propagator: TextMapPropagator, trace_id: int | None, found: dict[str, str]
) -> None:
    assert read(propagator) == (trace_id, found)


def test_nothing_is_read_where_there_is_nothing() -> None:
    for propagator in (propagate.get_global_textmap(), Single()):
        assert read(propagator, []) == (None, {})


def test_a_change_is_noticed() -> None:
    propagation = Propagation()
    first = propagation.read(HEADERS, HEADERS)
    propagate.set_global_textmap(Single())
    second = propagation.read(HEADERS, HEADERS)
    assert first is not None
    assert second is not None
    assert first.span is not None
    assert second.span is not None
    assert (first.span.trace_id, second.span.trace_id) == (int(TRACE_ID, 16), 0xFF)


NAMES = st.sampled_from([b"traceparent", b"Traceparent", b"tracestate", b"baggage", b"host", b""]) | st.binary(
    max_size=12
)
VALUES = st.binary(max_size=80) | st.sampled_from([SAMPLED.encode(), b"a=1", b"a=1,b=2;c"])


@given(st.lists(st.tuples(NAMES, VALUES), max_size=8))
def test_headers_of_strangers_never_raise_and_what_they_say_can_be_handed_on(
    headers: list[tuple[bytes, bytes]],
) -> None:
    incoming = Propagation().read(headers, headers)
    if incoming is not None:
        carried: dict[str, str] = {}
        propagate.inject(carried, Context(incoming.values))
        assert set(carried) <= {"traceparent", "tracestate", "baggage"}
        assert ("traceparent" in carried) == (incoming.span is not None)
