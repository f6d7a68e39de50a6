"""Tracing: what a request costs where nobody takes spans, where this one is not taken, and where it is.

The peer is the instrumentation of OpenTelemetry without its spans for each message, which ours does not make either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.answer import unchanged
from benchmarks.apps import answer_from_pool
from benchmarks.case import Bar, Build, Case, Subject
from benchmarks.pool import browser_head, http_scope

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Scope

__all__ = ("CASES",)

_SMALL = 100
_PEER = "opentelemetry-instrumentation-asgi"


def _page(index: int) -> Scope:
    return http_scope(index, browser_head(index), size=_SMALL)


def _continued(index: int) -> Scope:
    parent = (("traceparent", f"00-{index + 1:032x}-{index + 1:016x}-00"),)
    return http_scope(index, browser_head(index, extra=parent), size=_SMALL)


def _provider(takes: bool | None) -> Any:
    """Return a provider that takes all spans, or none; or ``None``, as where no SDK is set up."""
    if takes is None:
        return None
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

    class Discarding(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    provider = TracerProvider(sampler=ALWAYS_ON if takes else ALWAYS_OFF, shutdown_on_exit=False)
    if takes:
        provider.add_span_processor(BatchSpanProcessor(Discarding()))
    return provider


def _ours(takes: bool | None) -> Build:
    def build(app: ASGIApp) -> ASGIApp:
        from middlewares import Tracing

        return Tracing(app, tracer_provider=_provider(takes))

    return build


def _peer(takes: bool | None) -> Build:
    def build(app: ASGIApp) -> ASGIApp:
        from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

        wrapped: Any = OpenTelemetryMiddleware(app, tracer_provider=_provider(takes), exclude_spans=["receive", "send"])
        return wrapped  # type: ignore[no-any-return]  # its types are narrower than those of ASGI

    return build


def _case(name: str, what: str, takes: bool | None, *bars: Bar, scopes: Any = _page) -> Case:
    subjects = (Subject("ours Tracing", _ours(takes), peer=False), Subject(_PEER, _peer(takes), peer=True))
    return Case(name, what, answer_from_pool, scopes, subjects, unchanged, bars=bars)


CASES = (
    _case("tracing-no-sdk", "no SDK is set up", None, Bar(overhead_us=3.0)),
    _case("tracing-continued", "no SDK, the caller's trace is handed on", None, scopes=_continued),
    _case(
        "tracing-unsampled",
        "the SDK does not take the span",
        False,
        Bar(overhead_us=6.0),
        Bar(peer=_PEER, ratio=1 / 6),
    ),
    _case("tracing-sampled", "the span is recorded and exported", True, Bar(peer=_PEER, ratio=1 / 2.5)),
)
