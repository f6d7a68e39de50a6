"""The layer: it continues the trace of the caller, or begins one, around what the application does."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from sys import modules
from time import time_ns
from typing import TYPE_CHECKING, Final, Literal

from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Link, SpanKind, TracerProvider

from middlewares.asgi import ASGIApp
from middlewares.core.clients import Clients
from middlewares.core.layer import freeze
from middlewares.core.observer import Observer, Plan, observe
from middlewares.core.paths import MONITORING_PATHS, compile_paths, route_path

from .attributes import REDACTED_PARAMETERS, CapturedHeaders, Description, RequestAttributes, compile_redaction
from .call import TracedCall
from .check import captured_headers, check_options
from .exceptions import Exceptions
from .instruments import Measured
from .methods import Methods, handshake_method
from .propagation import LENGTHS, SPAN_KEY, Incoming, Propagation
from .providers import SCOPE, Meters, Tracers
from .response import ResponseHeader, TracedResponse
from .surroundings import TaskContext, is_measured, joined_context, parent_context, silenced, span_of_others
from .w3c import format_traceparent

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.trace import Tracer

    from middlewares.core.observed import ObservedCall

__all__ = ("REDACTED_HEADERS", "Tracing")

_SERVER: Final = SpanKind.SERVER  # to look it up in its enumeration takes as long as a call of a function

REDACTED_HEADERS = ("authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key")
"""Headers of which only the presence is told."""


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class Tracing(Observer):
    """Trace each request, and each WebSocket, with one span of OpenTelemetry, as a part of its caller's trace.

    Spans are named for the method and the template of the route, never for the path. Where no SDK of OpenTelemetry is
    set up, nothing is recorded, but what the application calls is told of the caller's trace all the same. Which spans
    are taken, and where they go, is the SDK's business.

    Order: outside of what should be traced, and of all that names the trace: logs, error pages.
    Standard: W3C Trace Context Level 2; W3C Baggage; OpenTelemetry semantic conventions 1.44 for HTTP.
    """

    app: ASGIApp = field(kw_only=False)
    exclude_paths: Collection[str] = MONITORING_PATHS
    """Path patterns that are not traced; health checks and metrics unless given."""
    trust: Literal["all", "none"] | Collection[str] = "all"
    """Whose trace is continued: that of ``all`` callers, of ``none``, or of clients in networks such as ``10.0.0.0/8``.
    For others a trace begins anew, with a link to theirs."""
    response_headers: Collection[ResponseHeader] = ()
    """Headers that tell clients the trace and span of a response: ``server-timing``, ``traceresponse``, or both."""
    capture_request_headers: Collection[str] = ()
    """Request headers to be kept as attributes, such as ``content-type``."""
    capture_response_headers: Collection[str] = ()
    """Response headers to be kept as attributes."""
    redact_headers: Collection[str] = REDACTED_HEADERS
    """Headers of which only the presence is told, where they are captured."""
    redact_parameters: Collection[str] = REDACTED_PARAMETERS
    """Query parameters, with case, whose values are replaced by ``REDACTED``."""
    record_exceptions: bool = True
    """Whether an exception of the application becomes an event of its span, with its traceback, or a record of the log
    where ``OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN`` says so."""
    metrics: bool = False
    """Whether to measure duration, sizes and active requests with OpenTelemetry as well."""
    tracer_provider: TracerProvider | None = None
    """Where spans go; unless given, the provider that is set for the process, now or later."""
    meter_provider: MeterProvider | None = None
    """Where measurements go; unless given, the provider that is set for the process, now or later."""
    _plan: Plan = field(init=False, repr=False)
    _excluded: Callable[[str], object] = field(init=False, repr=False)
    _methods: Methods = field(init=False, repr=False)
    _propagation: Propagation = field(init=False, repr=False)
    _trust: Clients | None = field(init=False, repr=False)
    _description: Description = field(init=False, repr=False)
    _captured: CapturedHeaders = field(init=False, repr=False)
    _exceptions: Exceptions | None = field(init=False, repr=False)
    _tracers: Tracers = field(init=False, repr=False)
    _meters: Meters = field(init=False, repr=False)
    _tasks: TaskContext = field(init=False, repr=False)

    def __post_init__(self) -> None:
        networks = check_options(self)
        methods = Methods()
        captured = captured_headers(self.capture_request_headers, self.redact_headers)
        freeze(
            self,
            _excluded=compile_paths(self.exclude_paths),
            _methods=methods,
            _propagation=Propagation(),
            _trust=None if self.trust == "all" else Clients(networks),
            _description=Description(methods, compile_redaction(self.redact_parameters), captured),
            _captured=captured_headers(self.capture_response_headers, self.redact_headers),
            _exceptions=Exceptions(SCOPE) if self.record_exceptions else None,
            _tracers=Tracers(self.tracer_provider),
            _meters=Meters(self.meter_provider),
            _tasks=TaskContext(),
            _plan=observe(self),
        )

    def header_lengths(self) -> Collection[int]:
        return LENGTHS

    def begin(self, call: ObservedCall) -> TracedCall | Token[Context] | None:
        """Begin the span of a call, and make it current; look away if there is nothing to do.

        A span that is not recorded has no end to note: all that is left of it is the token of its context.
        """
        scope, exchange = call.scope, call.exchange
        if self._excluded(route_path(scope) if scope.get("root_path") else scope["path"]):
            return None
        facts = exchange.facts
        if facts and "span" in facts:
            if not facts["span"].is_remote:
                return None  # a layer further out traces this call
            del facts["span"]  # that of the caller, from a layer further out for which nobody takes spans
        incoming = self._propagation.read(scope["headers"], call.asked_headers)
        parent = self._tasks.get()
        tracer = self._tracers.get()
        if parent or incoming is not None or self.metrics:
            return self._begin_among_others(call, tracer, parent, incoming)
        return None if tracer is None else self._begin_span(call, tracer, parent, (), None)

    def finish(self, call: ObservedCall, state: TracedCall | Token[Context]) -> None:
        """End the span, which background work of the application does not prolong."""
        if type(state) is TracedCall:
            state.finish(call, self._captured, self._exceptions)

    def leave(self, call: ObservedCall, state: TracedCall | Token[Context]) -> None:
        """Take the context away from around the application."""
        token = state.token if type(state) is TracedCall else state
        if token is not None:
            try:  # half the cost of `suppress`
                self._tasks.reset(token)
            except ValueError:
                return  # this is another task: so it is with generators that the event loop closes

    def _begin_among_others(
        self, call: ObservedCall, tracer: Tracer | None, current: Context, incoming: Incoming | None
    ) -> TracedCall | Token[Context] | None:
        """Begin a call that is measured, has a caller, or is made where something is current already."""
        scope = call.scope
        if current and (others := span_of_others(scope, current, incoming)) is not None:
            call.exchange.span = others.get_span_context()
            return None
        links: tuple[Link, ...] = ()
        if incoming is not None and self._trust is not None and not self._trust.have_sent(scope):
            links = () if incoming.span is None else (Link(incoming.span),)
            incoming = None
        measured = self._measure(call) if self.metrics else None
        if tracer is None:
            return self._begin_without_span(call, current, incoming, measured)
        try:
            return self._begin_span(call, tracer, parent_context(current, incoming), links, measured)
        except BaseException:
            if measured is not None:
                measured.give_up()
            raise

    def _begin_span(
        self,
        call: ObservedCall,
        tracer: Tracer,
        parent: Context,
        links: tuple[Link, ...],
        measured: Measured | None,
    ) -> TracedCall | Token[Context]:
        scope, exchange = call.scope, call.exchange
        word = self._methods[scope["method"] if scope["type"] == "http" else handshake_method(scope)]
        began_ns = time_ns()  # the same instant as `call.began`, but for what other observers just did
        span = tracer.start_span(word, parent, _SERVER, RequestAttributes(scope, self._description), links, began_ns)
        context = Context({**parent, SPAN_KEY: span} if parent else {SPAN_KEY: span})
        span_context = span.get_span_context()
        if exchange.facts is None:  # as `exchange.span = span_context` does it, at a third of the cost
            exchange.facts = {"span": span_context}
        else:
            exchange.facts.setdefault("span", span_context)
        if "fastapi" in modules or "starlette.middleware.opentelemetry" in modules:  # who else would trace it
            call.inner = silenced(call.inner)
        if self.response_headers and span_context.is_valid and scope["type"] == "http":
            response = TracedResponse(call.send, self.response_headers, format_traceparent(span_context))
            response.publish(exchange)
            call.send = response.send
        token = self._tasks.attach(context)
        if span.is_recording():
            return TracedCall(context, token, measured, span, word, began_ns)
        return token if measured is None else TracedCall(context, token, measured)

    def _begin_without_span(
        self, call: ObservedCall, current: Context, incoming: Incoming | None, measured: Measured | None
    ) -> TracedCall | None:
        """Make the caller's trace current, and measure, where nobody takes spans."""
        exchange = call.exchange
        if measured is not None:  # no span says so to whoever measures further in
            exchange.is_measured = True
            call.inner = silenced(call.inner)
        if incoming is None:
            return None if measured is None else TracedCall(measured=measured)
        if incoming.span is not None:
            exchange.span = incoming.span
        context = joined_context(current, incoming)
        return TracedCall(context, self._tasks.attach(context), measured)

    def _measure(self, call: ObservedCall) -> Measured | None:
        scope = call.scope
        instruments = self._meters.get()
        if instruments is None or scope["type"] != "http" or is_measured(scope) or call.exchange.is_measured:
            return None
        return Measured(instruments, self._methods.attribute(scope), scope.get("scheme") or "http")
