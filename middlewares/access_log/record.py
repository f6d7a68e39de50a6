"""What is known of a call when it has ended, as plain values: what every format is written from.

Names are those of the OpenTelemetry semantic conventions; `ECS` translates them to the Elastic Common Schema.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from middlewares.core.headers import joined
from middlewares.core.memo import Memo

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from middlewares.asgi import Scope
    from middlewares.core.exchange import Exchange
    from middlewares.core.observed import ObservedCall

__all__ = ("ECS", "REDACTED", "Record", "record_of", "timestamp", "without_values")

Record = dict[str, Any]

REDACTED: Final = "REDACTED"
"""What stands in the place of a value that is not to be logged."""

_LONGEST: Final = 2048
"""Characters of one value, so that no client makes lines as long as it likes."""

_VALUE: Final = re.compile("=[^&]+")

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
    query: Callable[[str], str | None], headers: Collection[bytes], hidden: Collection[bytes], call: ObservedCall
) -> Record:
    """Return what is known of a call, without what is not. ``headers`` are captured unless they are ``hidden``."""
    scope = call.scope
    raw = scope.get("raw_path")
    path = raw.partition(b"?")[0].decode("utf-8", "backslashreplace") if raw else str(scope["path"])
    is_websocket = scope["type"] == "websocket"
    record: Record = {
        "http.request.method": "GET" if is_websocket else scope["method"][:_LONGEST],  # RFC 6455, 4.1
        "url.path": path if len(path) <= _LONGEST else path[:_LONGEST],
    }
    asked = scope.get("query_string")
    if asked and (shown := query(_text(asked))) is not None:
        record["url.query"] = shown
    _add_outcome(record, call)
    _add_client(record, scope)
    if is_websocket:
        if call.close_code is not None:
            record["websocket.close_code"] = call.close_code
        record["websocket.messages.received"] = call.messages_received
        record["websocket.messages.sent"] = call.messages_sent
    if call.exchange.facts:
        _add_facts(record, call.exchange)
    for name in headers:
        found = joined(scope["headers"], name)
        if found is not None:
            record[f"http.request.header.{name.decode()}"] = REDACTED if name in hidden else _cut(found)
    return record


def _add_outcome(record: Record, call: ObservedCall) -> None:
    """Add what became of a call."""
    route, status, first = call.route, call.status, call.first_byte
    if route is not None:
        record["http.route"] = route
    if call.is_fine:
        record["http.response.status_code"] = status
        record["outcome"] = "completed"
    else:
        status, error_type = call.final_status, call.error_type
        if status is not None:
            record["http.response.status_code"] = status
        record["outcome"] = call.outcome
        if error_type is not None:
            record["error.type"] = error_type
    began = call.began
    # To microseconds: rounding to a number of digits takes three times as long.
    record["http.server.request.duration"] = round(((call.ended or began) - began) * 1e6) / 1e6
    if first is not None:
        record["http.server.time_to_first_byte"] = round((first - began) * 1e6) / 1e6
    record["http.request.body.size"] = call.received
    record["http.response.body.size"] = call.response_size


def _add_client(record: Record, scope: Scope) -> None:
    """Add who asked, and how."""
    client = scope.get("client")
    if client and client[0] is not None:
        record["client.address"] = client[0]
    agent = referer = None
    for name, value in scope["headers"]:
        size = len(name)
        if size == 10 and agent is None and name.lower() == b"user-agent":
            agent = value
        elif size == 7 and referer is None and name.lower() == b"referer":
            referer = value
    if agent is not None:
        record["user_agent.original"] = _agents[agent]
    if referer is not None:
        record["http.request.header.referer"] = _cut(referer)
    scheme, version = scope.get("scheme"), scope.get("http_version")
    if scheme is not None:
        record["url.scheme"] = scheme
    if version is not None:
        record["network.protocol.version"] = version


def without_values(query: str) -> str | None:
    """Return a query with the names of its parameters alone: values are often what nobody should read."""
    if not query:
        return None
    return _VALUE.sub(f"={REDACTED}", query[:_LONGEST])


def timestamp(seconds: float) -> str:
    """Return a time as RFC 3339 has it, in UTC and to the millisecond."""
    whole = int(seconds)
    return _second(whole) + _MILLISECONDS[int((seconds - whole) * 1000)]


_MILLISECONDS: Final = tuple(f".{part:03d}Z" for part in range(1000))


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _add_facts(record: Record, exchange: Exchange) -> None:
    """Add what other layers have said."""
    facts = exchange.facts or {}
    if "request_id" in facts:
        record["http.request.id"] = facts["request_id"]
    span = facts.get("span")
    if span is not None and "trace_id" not in facts:  # as the exchange reads it, without asking twice
        record["trace_id"], record["span_id"] = f"{span.trace_id:032x}", f"{span.span_id:016x}"
    elif "trace_id" in facts:
        record["trace_id"] = facts["trace_id"]
        if exchange.span_id is not None:
            record["span_id"] = exchange.span_id
    if "wire_bytes" in facts:
        record["http.response.wire_size"] = facts["wire_bytes"]
    if "codings" in facts:
        applied = [coding.coding.decode() for coding in exchange.codings if coding.coding]
        if applied:
            record["http.response.coding"] = ", ".join(applied)
            record.setdefault("http.response.wire_size", exchange.codings[-1].wire_bytes)
    if facts.get("refusals"):
        record["refused"] = ", ".join(refusal.code for refusal in exchange.refusals)
    if facts.get("quotas"):
        quotas: list[Any] = facts["quotas"]
        told = (f"{policy.name};r={left}" for quota in quotas for policy, left, _ in quota.readings())
        record["quotas"] = ", ".join(told)[:_LONGEST]


def _cut(value: bytes) -> str:
    return value[:_LONGEST].decode("utf-8", "backslashreplace")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


_agents: Final = Memo(_cut)
