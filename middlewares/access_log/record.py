"""What is known of a call when it has ended, as plain values: what every format is written from.

Names are those of the OpenTelemetry semantic conventions; `ECS` translates them to the Elastic Common Schema.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from middlewares.core.headers import joined

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from middlewares.core.observed import ObservedCall

__all__ = ("ECS", "REDACTED", "Record", "record_of", "timestamp", "without_values")

Record = dict[str, Any]

REDACTED: Final = "REDACTED"
"""What stands in the place of a value that is not to be logged."""

_LONGEST: Final = 2048
"""Characters of one value, so that no client makes lines as long as it likes."""

ECS: Final[Mapping[str, str]] = {
    "timestamp": "@timestamp",
    "severity_text": "log.level",
    "body": "message",
    "http.response.status_code": "http.response.status_code",
    "http.server.request.duration": "event.duration",
    "http.request.body.size": "http.request.body.bytes",
    "http.response.body.size": "http.response.body.bytes",
    "network.protocol.version": "http.version",
    "http.request.header.referer": "http.request.referrer",
    "http.request.id": "http.request.id",
    "trace_id": "trace.id",
    "span_id": "span.id",
    "url.path": "url.path",
    "outcome": "event.outcome",
}
"""Names in ECS, version 8, where they differ; ``event.duration`` is in nanoseconds, ``event.outcome`` one of three."""


def record_of(
    call: ObservedCall, query: Callable[[str], str | None], headers: Collection[bytes], hidden: Collection[bytes]
) -> Record:
    """Return what is known of a call, without what is not. ``headers`` are captured unless they are ``hidden``."""
    scope, exchange = call.scope, call.exchange
    sent = scope["headers"]
    is_websocket = call.is_websocket
    status, first = call.final_status, call.first_byte
    client = scope.get("client")
    agent = referer = None
    for name, value in sent:
        size = len(name)
        if size == 10 and agent is None and name.lower() == b"user-agent":
            agent = _cut(value)
        elif size == 7 and referer is None and name.lower() == b"referer":
            referer = _cut(value)
    raw = scope.get("raw_path")
    path = _text(raw.partition(b"?")[0]) if raw else str(scope["path"])
    record: Record = {
        "http.request.method": "GET" if is_websocket else scope["method"][:_LONGEST],  # RFC 6455, 4.1
        "url.path": path[:_LONGEST],
        "url.query": query(_text(scope.get("query_string") or b"")),
        "http.route": call.route,
        "http.response.status_code": status,
        "outcome": call.outcome,
        "error.type": call.error_type,
        "http.server.request.duration": round(call.duration, 6),
        "http.server.time_to_first_byte": None if first is None else round(first - call.began, 6),
        "http.request.body.size": call.received,
        "http.response.body.size": call.response_size,
        "client.address": client[0] if client else None,
        "user_agent.original": agent,
        "http.request.header.referer": referer,
        "url.scheme": scope.get("scheme"),
        "network.protocol.version": scope.get("http_version"),
    }
    if is_websocket:
        record |= {
            "websocket.close_code": call.close_code,
            "websocket.messages.received": call.messages_received,
            "websocket.messages.sent": call.messages_sent,
        }
    if exchange.facts:
        record |= _facts(exchange)
    for name in headers:
        found = joined(sent, name)
        if found is not None:
            record[f"http.request.header.{name.decode()}"] = REDACTED if name in hidden else _cut(found)
    return {name: value for name, value in record.items() if value is not None}


def without_values(query: str) -> str | None:
    """Return a query with the names of its parameters alone: values are often what nobody should read."""
    if not query:
        return None
    names = (part.partition("=") for part in query[:_LONGEST].split("&"))
    return "&".join(f"{name}{sign}{REDACTED if value else ''}" for name, sign, value in names)


def timestamp(seconds: float) -> str:
    """Return a time as RFC 3339 has it, in UTC and to the millisecond."""
    whole = int(seconds)
    return f"{_second(whole)}.{int((seconds - whole) * 1000):03d}Z"


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _facts(exchange: Any) -> Record:
    """Return what other layers have said."""
    record: Record = {
        "http.request.id": exchange.request_id,
        "trace_id": exchange.trace_id,
        "span_id": exchange.span_id,
        "http.response.wire_size": exchange.wire_bytes,
    }
    facts = exchange.facts
    if "codings" in facts:
        applied = [coding.coding.decode() for coding in exchange.codings if coding.coding]
        record["http.response.coding"] = ", ".join(applied) or None
        if exchange.wire_bytes is None and applied:
            record["http.response.wire_size"] = exchange.codings[-1].wire_bytes
    if "refusals" in facts:
        record["refused"] = ", ".join(refusal.code for refusal in exchange.refusals) or None
    if "quotas" in facts:
        told = (f"{policy.name};r={left}" for quota in exchange.quotas for policy, left, _ in quota.readings())
        record["quotas"] = ", ".join(told)[:_LONGEST] or None
    return record


def _cut(value: bytes) -> str:
    return value[:_LONGEST].decode("utf-8", "backslashreplace")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
