"""Spans arrive over OTLP/HTTP, as any collector would receive them."""

from __future__ import annotations

import gzip
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import anyio
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from middlewares import Tracing
from middlewares.testing import http_scope, request
from tests.tracing.collected import SPAN_ID, TRACE_ID, route_app

if TYPE_CHECKING:
    from collections.abc import Iterator

HOSTILE = [
    ("traceparent", f"00-{TRACE_ID}-{SPAN_ID}-01"),
    ("tracestate", "vendor=1"),
    ("host", "\xff\xfe"),
    ("user-agent", "\xe9\x00\n<script>"),
    ("x-odd", "\x80"),
]


@contextmanager
def receiver() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """Serve what takes spans, on a port of this machine."""
    received: list[ExportTraceServiceRequest] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            assert (self.path, self.headers["content-type"]) == ("/v1/traces", "application/x-protobuf")
            received.append(ExportTraceServiceRequest.FromString(gzip.decompress(body)))
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.end_headers()
            self.wfile.write(ExportTraceServiceResponse().SerializeToString())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - it is called so in the library
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/traces", received
        finally:
            server.shutdown()
            thread.join()


def value(attribute: Any) -> Any:
    kind = attribute.value.WhichOneof("value")
    found = getattr(attribute.value, kind)
    return [item.string_value for item in found.values] if kind == "array_value" else found


async def test_a_collector_receives_what_was_traced() -> None:
    with receiver() as (endpoint, received):
        provider = TracerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint, compression=Compression.Gzip)))
        layer = Tracing(route_app, tracer_provider=provider, capture_request_headers=["x-odd"])
        await request(layer, path="/users/7", query=b"q=\xff&sig=secret", headers=HOSTILE)
        provider.shutdown()
    [message] = received
    [resource] = message.resource_spans
    [scope] = resource.scope_spans
    [span] = scope.spans
    assert scope.scope.name == "middlewares.tracing"
    assert scope.schema_url == "https://opentelemetry.io/schemas/1.44.0"
    assert (span.name, span.kind) == ("GET /users/{id}", span.SPAN_KIND_SERVER)
    assert (span.trace_id.hex(), span.parent_span_id.hex(), span.trace_state) == (TRACE_ID, SPAN_ID, "vendor=1")
    assert 0 < span.end_time_unix_nano - span.start_time_unix_nano < 5_000_000_000
    assert span.status.code == span.status.STATUS_CODE_UNSET
    found = {attribute.key: value(attribute) for attribute in span.attributes}
    assert found["url.query"] == "q=\xff&sig=REDACTED"
    assert found["user_agent.original"] == "\xe9\x00\n<script>"
    assert found["http.request.header.x-odd"] == ["\x80"]
    assert found["http.response.status_code"] == 200
    assert "server.address" not in found


NAMES = st.sampled_from([b"traceparent", b"tracestate", b"baggage", b"host", b"user-agent", b"x-odd"])
TEXT = st.text(st.sampled_from("a/%\x00\u00e9\ud83d\udcff"), max_size=10)  # halves of surrogate pairs too


@given(
    headers=st.lists(st.tuples(NAMES, st.binary(max_size=40)), max_size=6),
    query=st.binary(max_size=30),
    path=TEXT,
    raw_path=st.none() | st.binary(max_size=20),
    method=TEXT,
    client=st.none() | st.tuples(TEXT, st.integers(0, 65_535)),
)
def test_whatever_strangers_send_can_be_exported(**scope: Any) -> None:
    """What cannot be encoded is lost."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    names = ["host", "user-agent", "x-odd", "traceparent", "cookie"]
    layer = Tracing(
        route_app, tracer_provider=provider, capture_request_headers=names, response_headers=["traceresponse"]
    )
    received: list[Any] = []

    async def send(message: Any) -> None:
        received.append(message)

    async def ask() -> None:
        given_scope = {**http_scope(), **scope, "query_string": scope["query"], "path": "/" + scope["path"]}
        await layer(given_scope, send, send)  # type: ignore[arg-type]  # nothing is received

    anyio.run(ask)
    assert [message["type"] for message in received] == ["http.response.start", "http.response.body"]
    [span] = exporter.get_finished_spans()
    [encoded] = encode_spans([span]).resource_spans[0].scope_spans[0].spans
    assert {attribute.key for attribute in encoded.attributes} == (span.attributes or {}).keys()
