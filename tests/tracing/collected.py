"""The spans that a test has made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

__all__ = (
    "PARENT",
    "SAMPLED",
    "SPAN_ID",
    "TRACE_ID",
    "Broken",
    "Collected",
    "answer",
    "answering",
    "attributes_of",
    "ending",
    "route_app",
)

TRACE_ID = "12345678901234567890123456789012"
SPAN_ID = "1234567890123456"
SAMPLED = f"00-{TRACE_ID}-{SPAN_ID}-01"
PARENT = {"traceparent": SAMPLED}


@dataclass(frozen=True)
class Collected:
    """A provider, and what it has exported."""

    provider: TracerProvider
    exporter: InMemorySpanExporter

    @property
    def all(self) -> tuple[ReadableSpan, ...]:
        """Every span, in the order of their ends."""
        return self.exporter.get_finished_spans()

    @property
    def servers(self) -> list[ReadableSpan]:
        """Spans of servers."""
        return [span for span in self.all if span.kind is SpanKind.SERVER]

    @property
    def one(self) -> ReadableSpan:
        """The only span of a server."""
        [span] = self.servers
        return span


def attributes_of(span: ReadableSpan) -> dict[str, Any]:
    """Return the attributes of a span."""
    return dict(span.attributes or {})


async def route_app(scope: Any, receive: Any, send: Any) -> None:
    """Answer, and say which route has matched, as routers do."""
    scope["middlewares.exchange"].route = "/users/{id}"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"hello"})


async def answer(send: Any, status: int = 200, body: bytes = b"", **more: Any) -> None:
    """Send a response."""
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": body, **more})


def answering(status: int) -> Any:
    """Return an application that answers with a status."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, status)

    return app


def ending(span: ReadableSpan) -> tuple[Any, Any, StatusCode, str | None]:
    """Return the status that was sent, the type of the error, and the status of the span."""
    attributes = attributes_of(span)
    return (
        attributes.get("http.response.status_code"),
        attributes.get("error.type"),
        span.status.status_code,
        span.status.description,
    )


class Broken(Exception):
    """What the applications of these tests raise."""
