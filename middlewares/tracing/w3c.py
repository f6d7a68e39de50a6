"""Read and write the headers of W3C Trace Context. Strangers send them: reading never raises, and takes linear time.

Standard: W3C Trace Context Level 2, 3.2 (``traceparent``) and 3.3 (``tracestate``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from opentelemetry.trace import SpanContext, TraceFlags, TraceState, format_span_id, format_trace_id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ("format_traceparent", "parse_traceparent", "parse_tracestate")

# 3.2: what comes behind the flags belongs to versions to come, and begins with a dash.
_TRACEPARENT: Final = re.compile(
    rb"[ \t]*([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?[ \t]*", re.DOTALL
)
_INVALID_VERSION: Final = b"ff"  # 3.2.2.1
_FLAGS: Final = tuple(TraceFlags(bits) for bits in range(4))  # 3.2.2.5: sampled, random; all others are zero

# 3.3.1.3.1 and 3.3.1.3.2. What the API of OpenTelemetry refuses, it also logs: nothing may reach it that it refuses.
_MEMBER: Final = re.compile(
    rb"((?:[a-z][_0-9a-z*/-]{0,255}|[a-z0-9][_0-9a-z*/-]{0,240}@[a-z][_0-9a-z*/-]{0,13}))"
    rb"=([\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e])"
)
_MOST_MEMBERS: Final = 32  # 3.3.1.1
_LONGEST_STATE: Final = 8192
"""Bytes of a trace state that are handed on; 512 must be (3.3.1.5)."""


def parse_traceparent(value: bytes, states: Collection[bytes] = ()) -> SpanContext | None:
    """Return the span that a ``traceparent`` names, with the lines of ``tracestate``; ``None`` if it names none."""
    match = _TRACEPARENT.fullmatch(value)
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == _INVALID_VERSION or (rest is not None and version == b"00"):
        return None
    state = parse_tracestate(states) if states else None
    span = SpanContext(int(trace_id, 16), int(span_id, 16), True, _FLAGS[int(flags, 16) & 3], state)
    return span if span.is_valid else None  # 3.2.2.3, 3.2.2.4: all zeroes are invalid


def parse_tracestate(values: Iterable[bytes]) -> TraceState | None:
    """Return the trace state that the lines of ``tracestate`` make together; ``None`` if any part of it is invalid.

    That never harms the ``traceparent`` (3.2.3).
    """
    joined = b",".join(values)
    if len(joined) > _LONGEST_STATE:
        return None
    entries: dict[str, str] = {}
    for part in joined.split(b","):
        member = part.strip(b" \t")
        if not member:
            continue  # 3.3.1.2: empty members are allowed
        match = _MEMBER.fullmatch(member)
        key = match[1].decode() if match else ""
        if match is None or key in entries or len(entries) == _MOST_MEMBERS:
            return None
        entries[key] = match[2].decode()
    return TraceState([*entries.items()]) if entries else None


def format_traceparent(span: SpanContext) -> bytes:
    """Return the value that names a span, for ``traceresponse`` and for the metric ``trace`` of ``Server-Timing``."""
    return f"00-{format_trace_id(span.trace_id)}-{format_span_id(span.span_id)}-{span.trace_flags:02x}".encode()
