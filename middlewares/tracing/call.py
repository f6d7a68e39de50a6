"""One request that is traced, from the context that it puts around the application to the end of its span."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.trace import StatusCode

from .attributes import captured

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from middlewares.core.observed import ObservedCall

    from .attributes import CapturedHeaders
    from .exceptions import Exceptions
    from .instruments import Measured

__all__ = ("TracedCall",)

_SECOND: Final = 1_000_000_000
_LEFT: Final = "client_disconnected"


class TracedCall:
    """What tracing has made of one request."""

    __slots__ = ("began_ns", "context", "measured", "span", "token", "word")

    def __init__(
        self,
        context: Context | None = None,
        token: Any = None,
        measured: Measured | None = None,
        span: Span | None = None,
        word: str = "",
        began_ns: int = 0,
    ) -> None:
        self.context = context
        """The context around the application, if it is another than the one of its task."""
        self.token = token
        """What gives the task back the context that it had."""
        self.measured = measured
        self.span = span
        """The span of the request, if it is recorded."""
        self.word = word
        """What the name of the span begins with."""
        self.began_ns = began_ns
        """When the span began, in nanoseconds since the epoch."""

    def finish(self, call: ObservedCall, headers: CapturedHeaders, exceptions: Exceptions | None) -> None:
        """Measure the request, and end its span, if the application has not done so already."""
        try:
            if self.measured is not None:
                self.measured.finish(call, self.context)
        finally:
            span = self.span
            if span is not None and span.is_recording():
                ended_ns = self.began_ns + round(call.duration * _SECOND)
                try:
                    self._tell_outcome(span, call, headers)
                    if not call.is_fine:
                        self._tell_failure(span, call, exceptions, ended_ns)
                finally:
                    span.end(ended_ns)

    def _tell_outcome(self, span: Span, call: ObservedCall, headers: CapturedHeaders) -> None:
        # The SDK takes half as long for an attribute as for a mapping of one.
        route = call.route
        if route is not None:
            span.set_attribute("http.route", route)
            span.update_name(f"{self.word} {route}")
        status = call.status or call.final_status
        if isinstance(status, int):
            span.set_attribute("http.response.status_code", status)
        if call.scope["type"] == "websocket":
            span.set_attribute("websocket.messages.received", call.messages_received)
            span.set_attribute("websocket.messages.sent", call.messages_sent)
            if call.close_code is not None:
                span.set_attribute("websocket.close.code", call.close_code)
        if headers:
            span.set_attributes(captured("http.response.header.", headers, call.response_headers))

    def _tell_failure(self, span: Span, call: ObservedCall, exceptions: Exceptions | None, ended_ns: int) -> None:
        error_type = call.error_type
        if error_type is None:
            return
        span.set_attribute("error.type", error_type)
        # HTTP spans, "Status": an error of the server; that a client has left is none.
        if error_type != _LEFT:
            span.set_status(StatusCode.ERROR)
            if exceptions is not None and isinstance(call.error, Exception):
                exceptions.record(call.error, span, self.context, ended_ns)
