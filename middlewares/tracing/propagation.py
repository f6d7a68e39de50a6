"""Where a request comes from: the span of its caller and its baggage, as its headers tell them.

The headers of W3C Trace Context and Baggage are read here, unless the application has set another propagator.

Standard: W3C Trace Context Level 2, 3; W3C Baggage, 3.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import baggage, propagate
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import Getter, TextMapPropagator
from opentelemetry.trace import (
    INVALID_SPAN,
    NonRecordingSpan,
    SpanContext,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from middlewares.core.headers import find_all

from .baggage import parse_baggage
from .w3c import parse_traceparent

if TYPE_CHECKING:
    from middlewares.core.headers import Headers

__all__ = ("BAGGAGE_KEY", "LENGTHS", "SPAN_KEY", "Incoming", "Propagation")

LOGGER: Final = logging.getLogger("middlewares.tracing")

# The API names these keys nowhere, but shows them in what it makes.
(SPAN_KEY,) = set_span_in_context(INVALID_SPAN, Context())
(BAGGAGE_KEY,) = baggage.set_baggage("key", "value", Context())

_OURS: Final = {TraceContextTextMapPropagator: b"traceparent", W3CBaggagePropagator: b"baggage"}

LENGTHS: Final = tuple({len(name) for name in _OURS.values()})
"""How long the names are of the headers without which a request tells nothing."""


class Incoming:
    """What the headers of a request tell."""

    __slots__ = ("span", "values")

    def __init__(self, values: dict[str, Any], span: SpanContext | None) -> None:
        self.values = values
        """What belongs into the context of the application: span of the caller, baggage, what propagators add."""
        self.span = span
        """The span of the caller, if there is one."""


class Propagation:
    """Reads headers as the propagator says that is set for the process."""

    __slots__ = ("_foreign", "_names", "_propagator")

    def __init__(self) -> None:
        self._propagator: TextMapPropagator | None = None
        self._foreign = False
        self._names: frozenset[bytes] = frozenset()

    def read(self, headers: Headers, likely: Headers) -> Incoming | None:
        """Return what the headers tell; ``None`` if that is nothing. ``likely`` has those with names of `LENGTHS`."""
        propagator = propagate.get_global_textmap()
        if propagator is not self._propagator:
            self._take(propagator)
        if self._foreign:
            return _extracted(propagator, headers)
        for name, _ in likely:  # most requests have neither: what finds that out is what counts
            size = len(name)
            if size == 11:
                if name.lower() == b"traceparent":
                    return self._parsed(headers)
            elif size == 7 and name.lower() == b"baggage":
                return self._parsed(headers)
        return None

    def _take(self, propagator: TextMapPropagator) -> None:
        # A subclass may read in a way of its own what its parts would read.
        parts = getattr(propagator, "_propagators", ()) if type(propagator) is CompositePropagator else (propagator,)
        kinds = [type(part) for part in parts]
        self._foreign = any(kind not in _OURS for kind in kinds)
        self._names = frozenset(_OURS[kind] for kind in kinds if kind in _OURS)
        self._propagator = propagator

    def _parsed(self, headers: Headers) -> Incoming | None:
        span: SpanContext | None = None
        values: dict[str, Any] = {}
        if b"traceparent" in self._names:
            parents = find_all(headers, b"traceparent")
            if len(parents) == 1:  # of two parents none can be believed
                span = parse_traceparent(parents[0], find_all(headers, b"tracestate"))
        if b"baggage" in self._names and (found := parse_baggage(find_all(headers, b"baggage"))):
            values[BAGGAGE_KEY] = found
        if span is not None:
            values[SPAN_KEY] = NonRecordingSpan(span)
        return Incoming(values, span) if values else None


class _HeaderGetter(Getter[Any]):
    """Reads header lists for propagators of others."""

    def get(self, carrier: Headers, key: str) -> list[str] | None:
        values = [value.decode("latin-1") for value in find_all(carrier, key.lower().encode("latin-1", "replace"))]
        # The propagator of the API reads the first line of baggage only.
        return [",".join(values)] if key.lower() == "baggage" and values else values or None

    def keys(self, carrier: Headers) -> list[str]:
        return [name.decode("latin-1").lower() for name, _ in carrier]


_getter: Final = _HeaderGetter()


def _extracted(propagator: TextMapPropagator, headers: Headers) -> Incoming | None:
    """Return what a propagator of others reads."""
    try:
        context = propagator.extract(headers, Context(), _getter)
    except Exception as error:
        LOGGER.debug("%r failed to read the headers of a request", propagator, exc_info=error)
        return None
    if not context:
        return None
    span = get_current_span(context).get_span_context()
    return Incoming({**context}, span if span.is_valid else None)
