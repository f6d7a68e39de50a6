"""An application in which everything goes wrong that can, and a ledger of what each observer says of it."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
from typing import TYPE_CHECKING

import anyio
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from prometheus_client import CollectorRegistry

from middlewares import AccessLog, Metrics, Middleware, RequestID, Stack, Timeout, Tracing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan

    from middlewares.asgi import Message, Receive, Scope, Send

REGISTRY = CollectorRegistry()
LEDGER = "/ledger"
reached = 0
exported = 0
lines = 0
complaints: list[str] = []
"""What anybody logged as an error that the application did not mean."""


class Counting(SpanExporter):
    """Counts spans."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        global exported
        exported += len(spans)
        return SpanExportResult.SUCCESS


class Lines(logging.Handler):
    """Counts lines of the access log."""

    def emit(self, record: logging.LogRecord) -> None:
        global lines
        lines += 1


class Complaints(logging.Handler):
    """Keeps what says that watching went wrong."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith(("opentelemetry", "middlewares.observer")):
            complaints.append(record.getMessage())


class Meant(Exception):
    """What the application raises on purpose."""


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Do what the path says."""
    global reached
    if scope["type"] == "lifespan":
        raise RuntimeError("no lifespan here")
    kind = scope["path"]
    if kind == LEDGER:
        return await answer(send, json.dumps(ledger()).encode())
    reached += 1
    if kind == "/raise":
        raise Meant
    if kind == "/cancel":
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(1)
    if kind == "/silent":
        return
    if kind in ("/slow-inside", "/slow-outside", "/leave"):
        await anyio.sleep(5 if kind != "/leave" else 0.05)
    if kind in ("/half", "/raise-late", "/stream"):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(3):
            await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
            await anyio.sleep(0.001)
        if kind == "/half":
            return
        if kind == "/raise-late":
            raise Meant
        return await send({"type": "http.response.body", "body": b""})
    await answer(send, b"ok")


async def answer(send: Send, body: bytes) -> None:
    """Send a whole response."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    message: Message = {"type": "http.response.body", "body": body}
    await send(message)


def ledger() -> dict[str, object]:
    """Return what everybody has counted."""
    gc.collect()
    counted = active = 0.0
    for family in REGISTRY.collect():
        for sample in family.samples:
            if sample.name == "http_server_request_duration_seconds_count":
                counted += sample.value
            elif sample.name == "http_server_active_requests":
                active += sample.value
    tasks = len(asyncio.all_tasks())
    return {
        "reached": reached,
        "metrics": counted,
        "spans": exported,
        "lines": lines,
        "active": active,
        "tasks": tasks,
        "complaints": complaints,
    }


def limits(path: str) -> Middleware:
    """Return a layer that cancels requests of a path."""
    return Middleware(Timeout, first_byte=0, rules=[{"paths": [path], "first_byte": 0.02}])


provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(Counting()))
access = logging.getLogger("middlewares.access")
access.addHandler(Lines())
access.setLevel(logging.INFO)
access.propagate = False
logging.getLogger().addHandler(Complaints())

watched = Stack(
    limits("/slow-outside"),
    Middleware(Tracing, tracer_provider=provider, exclude_paths=[LEDGER]),
    RequestID,
    Middleware(AccessLog, quiet_paths=[LEDGER]),
    Middleware(Metrics, registry=REGISTRY, exclude_paths=[LEDGER]),
    limits("/slow-inside"),
)(app)
