"""Write a record as one line. Whatever a client sends, a line is one line, and no terminal obeys it.

Standard: RFC 8259 (JSON); logfmt as Go's ``kr/logfmt`` reads it; the combined format of the Apache HTTP server.
"""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any, Final

from middlewares.core.addresses import parse_address

from .record import ECS, timestamp
from .writer import told_plainly

if TYPE_CHECKING:
    from collections.abc import Callable

    from .record import Record

__all__ = ("FORMATS", "combined", "ecs", "in_json", "logfmt", "notice", "otel", "pretty")

try:
    import orjson
except ImportError:  # it is optional, and some times quicker
    orjson = None  # type: ignore[assignment]

# C0 and C1 controls, the separators of lines and paragraphs, marks that turn text around, and halves of pairs.
_UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_PLAIN: Final = re.compile(r"[!#-<>-\[\]-~]+")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_OUTCOMES: Final = {"completed": "success", "cancelled": "unknown", "disconnected": "unknown"}
_COLOURS: Final = {1: "36", 2: "32", 3: "36", 4: "33", 5: "31"}


def otel(at: float, level: str, record: Record) -> str:
    """Return JSON with the names of OpenTelemetry: the record as it is, with its head."""
    return in_json(record)


def ecs(at: float, level: str, record: Record) -> str:
    """Return JSON with the names of ECS."""
    head = {"@timestamp": timestamp(at), "log.level": level.lower(), "message": _message(record)}
    named = {ECS.get(name, name): value for name, value in record.items()}
    address = parse_address(record.get("client.address"))
    if address is not None:
        named["client.ip"] = str(address)  # a type of its own there: a document with anything else is refused
    named["event.duration"] = round(record["http.server.request.duration"] * 1e9)
    outcome = record["outcome"]
    status = record.get("http.response.status_code")
    is_failure = isinstance(status, int) and status >= 500
    named["event.outcome"] = "failure" if is_failure else _OUTCOMES.get(outcome, "failure")
    named["http.outcome"] = outcome
    return in_json({**head, "ecs.version": "8.17.0", **named})


def logfmt(at: float, level: str, record: Record) -> str:
    """Return ``name=value`` pairs."""
    pairs = {"ts": timestamp(at), "level": level.lower(), **record}
    return " ".join(f"{name}={_quoted(value)}" for name, value in pairs.items())


def combined(at: float, level: str, record: Record) -> str:
    """Return what Apache logs as ``combined``; times are in UTC."""
    moment = time.gmtime(at)
    date = f"{moment.tm_mday:02}/{_MONTHS[moment.tm_mon - 1]}/{moment.tm_year}:{time.strftime('%H:%M:%S', moment)}"
    query = record.get("url.query")
    target = _escaped(record["url.path"]) + (f"?{_escaped(query)}" if query else "")
    line = (
        f"{_escaped(record['http.request.method'])} {target} HTTP/{_escaped(_get(record, 'network.protocol.version'))}"
    )
    return (
        f'{_word(_get(record, "client.address"))} - - [{date} +0000] "{line}" '
        f"{_word(_get(record, 'http.response.status_code'))} {record['http.response.body.size'] or '-'} "
        f'"{_escaped(_get(record, "http.request.header.referer"))}" "{_escaped(_get(record, "user_agent.original"))}"'
    )


def pretty(at: float, level: str, record: Record, *, colour: bool = False) -> str:
    """Return a line for whoever develops: time, status, method, path, duration, and what went wrong."""
    status = record.get("http.response.status_code")
    shown = _escaped(status or "---")
    if colour:
        kind = status // 100 if isinstance(status, int) else 5
        shown = f"\x1b[{_COLOURS.get(kind, '31')}m{shown}\x1b[0m"
    query = record.get("url.query")
    parts = [
        time.strftime("%H:%M:%S", time.localtime(at)),
        shown,
        _escaped(record["http.request.method"]),
        _escaped(record["url.path"]) + (f"?{_escaped(query)}" if query else ""),
        f"{record['http.server.request.duration'] * 1000:.1f} ms",
    ]
    if record["outcome"] != "completed":
        parts.append(record["outcome"])
    parts += [_escaped(record[name]) for name in ("error.type", "refused", "http.request.id") if name in record]
    return " ".join(parts)


FORMATS: Final[dict[str, Callable[[float, str, Record], str]]] = {
    "json": otel,
    "ecs": ecs,
    "logfmt": logfmt,
    "combined": combined,
    "pretty": pretty,
}


def notice(form: object) -> Callable[[int], str]:
    """Return what makes a line, in a format, of the number of lines that were lost."""
    return _NOTICES.get(form, told_plainly) if isinstance(form, str) else told_plainly


def _otel_notice(dropped: int) -> str:
    told = {"timestamp": timestamp(time.time()), "severity_text": "WARNING", "body": told_plainly(dropped)}
    return in_json({**told, "access_log.dropped": dropped})


def _ecs_notice(dropped: int) -> str:
    told = {"@timestamp": timestamp(time.time()), "log.level": "warning", "message": told_plainly(dropped)}
    return in_json({**told, "ecs.version": "8.17.0", "access_log.dropped": dropped})


def _logfmt_notice(dropped: int) -> str:
    return f'ts={timestamp(time.time())} level=warning msg="{told_plainly(dropped)}" dropped={dropped}'


_NOTICES: Final[dict[str, Callable[[int], str]]] = {
    "json": _otel_notice,
    "ecs": _ecs_notice,
    "logfmt": _logfmt_notice,
}


def _message(record: Record) -> str:
    return f"{record['http.request.method']} {record['url.path']} {record.get('http.response.status_code', '-')}"


def in_json(values: dict[str, Any]) -> str:
    """Return JSON on one line, whatever the values are."""
    if orjson is not None:
        try:
            line = orjson.dumps(values).decode()
            # Controls of C1 and marks that turn text around are legal in JSON, and nothing for a terminal.
            return line if line.isascii() and "\x7f" not in line else _UNSAFE.sub(_escape, line)
        except TypeError:
            pass  # a lone surrogate, or a number of more than 64 bits
    return json.dumps(values, separators=(",", ":"), default=str)


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _escaped(value: object) -> str:
    """Return a value as it can stand between double quotes."""
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return _UNSAFE.sub(_escape, text)


def _quoted(value: object) -> str:
    text = str(value)
    return text if _PLAIN.fullmatch(text) else f'"{_escaped(text)}"'


def _word(value: object) -> str:
    return re.sub(r"\s", "_", _escaped(value)) or "-"


def _get(record: Record, name: str) -> object:
    value = record.get(name)
    return "-" if value is None or value == "" else value
