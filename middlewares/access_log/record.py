"""What is known of a call when it has ended, as plain values: what every format is written from.

Names are those of the OpenTelemetry semantic conventions; `ECS` translates them to the Elastic Common Schema.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from middlewares.core.headers import joined
from middlewares.core.memo import Memo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from middlewares.asgi import Scope
    from middlewares.core.headers import HeaderList
    from middlewares.core.observed import ObservedCall

__all__ = (
    "ECS",
    "HEAD",
    "LENGTHS",
    "REDACTED",
    "Ended",
    "Record",
    "Shown",
    "ended_call",
    "record_of",
    "timestamp",
    "without_values",
)

Record = dict[str, Any]

REDACTED: Final = "REDACTED"
"""What stands in the place of a value that is not to be logged."""

HEAD: Final = ("timestamp", "severity_text", "body")
"""What a record begins with, for JSON, which is written as it stands."""

LENGTHS: Final = (len("referer"), len("user-agent"))
"""How long the names are of the request headers that each record tells."""

_LONGEST: Final = 2048
"""Characters of one value, so that no client makes lines as long as it likes."""

_BODILESS: Final = frozenset({204, 304})  # RFC 9110, 6.4.1

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


Ended = tuple[float, "Scope", "HeaderList", str | None, "Mapping[str, Any] | None", Any, float, float | None, int, int]
"""A call that has ended, as `ended_call` returns it: a plain tuple, as most of a log is to make one for each call."""


def ended_call(call: ObservedCall, at: float) -> Ended:
    """Return what is to be known of a call later, ``at`` the end of it (in seconds since 1970).

    It holds on to facts and to what is in the scope that the server made, a copy of it, as that is its owner's to
    change; and to nothing else of the call: neither to what the application put into its scopes, nor to the channels.
    """
    facts = call.exchange.facts
    if facts:
        facts = facts.copy()
        facts.pop("inner_scope", None)
    began, first = call.began, call.first_byte
    return (
        at,
        {**call.scope},
        call.asked_headers,
        call.route,
        facts,
        call.status if call.is_fine else call.final_status,
        (call.ended or began) - began,
        None if first is None else first - began,
        call.received,
        call.sent,
    )


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown of a request beyond what every line has."""

    query: Callable[[str], str | None]
    """What is shown of a query; ``None`` for nothing."""
    headers: Collection[bytes] = ()
    """Names of headers that are captured, in lower case."""
    hidden: Collection[bytes] = ()
    """Those of which it is only shown that they were there."""


def record_of(ended: Ended, level: str, shown: Shown, call: ObservedCall | None) -> Record:
    """Return what is known of a call, without what is not; it begins with what is in `HEAD`.

    ``call`` is ``None`` for a request that ended well: ``ended`` says all of it.
    """
    at, scope, asked_headers, route, facts, status, duration, to_first_byte, received, sent = ended
    is_websocket = scope["type"] == "websocket"
    method = "GET" if is_websocket else scope["method"]  # RFC 6455, 4.1
    if len(method) > _LONGEST:
        method = method[:_LONGEST]
    path = _path(scope)
    client = scope.get("client")
    address = client[0] if client else None
    agent, referer = _agent_and_referer(asked_headers)
    scheme, version = scope.get("scheme"), scope.get("http_version")
    # At once, as setting values one by one takes half as long again. To microseconds, as `round` does it, which takes
    # longer, and three times as long where it is given a number of digits.
    record: Record = {
        "timestamp": timestamp(at),
        "severity_text": level,
        "body": f"{method} {path} {'-' if status is None else status!s}",
        "http.request.method": method,
        "url.path": path,
        "http.response.status_code": status,
        "outcome": "completed" if call is None else call.outcome,
        "http.server.request.duration": (duration * 1e6 + 0.5) // 1 / 1e6,
        "http.server.time_to_first_byte": None if to_first_byte is None else (to_first_byte * 1e6 + 0.5) // 1 / 1e6,
        "http.request.body.size": received,
        "http.response.body.size": sent if status not in _BODILESS and method != "HEAD" else 0,
        "client.address": address,
        "user_agent.original": agent,
        "url.scheme": scheme,
        "network.protocol.version": version,
    }
    if call is not None or to_first_byte is None or address is None or agent is None or not scheme or not version:
        _amend(record, call)
    asked = scope.get("query_string")
    if route is not None:
        record["http.route"] = route
    if asked and (query := shown.query(_text(asked))) is not None:
        record["url.query"] = query
    if referer is not None:
        record["http.request.header.referer"] = _cut(referer)
    if facts:
        _add_facts(record, facts)
    if shown.headers:
        _add_headers(record, asked_headers, shown)
    return record


def _path(scope: Scope) -> str:
    """Return the path as it was sent, if that is known, without the query that some servers leave there."""
    raw = scope.get("raw_path")
    if not raw:
        path = str(scope["path"])
    else:
        try:
            path = raw.decode()  # naming what to do with errors takes twice as long
        except UnicodeDecodeError:
            path = _text(raw)
        if "?" in path:
            path = path.partition("?")[0]
    return path if len(path) <= _LONGEST else path[:_LONGEST]


def _agent_and_referer(headers: HeaderList) -> tuple[str | None, bytes | None]:
    """Return what each record tells of the request headers; of several lines the first counts."""
    agent = referer = None
    for name, value in headers:
        size = len(name)
        if size == 10 and agent is None and name.lower() == b"user-agent":
            agent = _agents[value]
        elif size == 7 and referer is None and name.lower() == b"referer":
            referer = value
    return agent, referer


def _amend(record: Record, call: ObservedCall | None) -> None:
    """Take out what is not known; add what went wrong, and what only a WebSocket has."""
    for name in [name for name, value in record.items() if value is None]:
        del record[name]
    if call is None:
        return
    error_type = call.error_type
    if error_type is not None:
        record["error.type"] = error_type
    if call.is_websocket:
        if call.close_code is not None:
            record["websocket.close_code"] = call.close_code
        record["websocket.messages.received"] = call.messages_received
        record["websocket.messages.sent"] = call.messages_sent


def _add_headers(record: Record, headers: HeaderList, shown: Shown) -> None:
    """Add the request headers that are captured."""
    for name in shown.headers:
        found = joined(headers, name)
        if found is not None:
            record[f"http.request.header.{name.decode()}"] = REDACTED if name in shown.hidden else _cut(found)


def without_values(query: str) -> str | None:
    """Return a query with the names of its parameters alone: values are often what nobody should read."""
    if not query:
        return None
    return _VALUE.sub(f"={REDACTED}", query[:_LONGEST])


def timestamp(seconds: float) -> str:
    """Return a time as RFC 3339 has it, in UTC and to the millisecond."""
    global _second  # one tuple, which threads replace as a whole
    begins, ends, text = _second
    if not begins <= seconds < ends:
        begins = seconds // 1
        text = datetime.fromtimestamp(begins, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        _second = begins, begins + 1, text
    return text + _MILLISECONDS[int((seconds - begins) * 1000)]


_MILLISECONDS: Final = tuple(f".{part:03d}Z" for part in range(1000))

_second = (0.0, 0.0, "")
"""When the second that was last told begins, when it ends, and its text."""


def _add_facts(record: Record, facts: Mapping[str, Any]) -> None:
    """Add what other layers have said."""
    if "request_id" in facts:
        record["http.request.id"] = facts["request_id"]
    if "span" in facts or "trace_id" in facts:
        _add_ids(record, facts)
    if "wire_bytes" in facts:
        record["http.response.wire_size"] = facts["wire_bytes"]
    if "codings" in facts:
        applied = [coding.coding.decode() for coding in facts["codings"] if coding.coding]
        if applied:
            record["http.response.coding"] = ", ".join(applied)
            record.setdefault("http.response.wire_size", facts["codings"][-1].wire_bytes)
    if facts.get("refusals"):
        record["refused"] = ", ".join(refusal.code for refusal in facts["refusals"])
    quotas: list[Any] | None = facts.get("quotas")
    if quotas:
        told = (f"{policy.name};r={left}" for quota in quotas for policy, left, _ in quota.readings())
        record["quotas"] = ", ".join(told)[:_LONGEST]


def _add_ids(record: Record, facts: Mapping[str, Any]) -> None:
    """Add the ids of trace and span, as the exchange reads them, without asking twice."""
    span = facts.get("span")
    if "trace_id" in facts or span is None:
        trace_id, span_id = facts.get("trace_id"), facts.get("span_id")
        if span_id is None and span is not None:
            span_id = f"{span.span_id:016x}"
    else:
        try:  # in half the time that a format takes
            trace_id, span_id = span.trace_id.to_bytes(16).hex(), span.span_id.to_bytes(8).hex()
        except OverflowError:
            trace_id, span_id = f"{span.trace_id:032x}", f"{span.span_id:016x}"
    if trace_id is not None:
        record["trace_id"] = trace_id
        if span_id is not None:
            record["span_id"] = span_id


def _cut(value: bytes) -> str:
    return value[:_LONGEST].decode("utf-8", "backslashreplace")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


_agents: Final = Memo(_cut)
