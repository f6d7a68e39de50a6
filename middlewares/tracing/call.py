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
                self._end(span, call, headers, exceptions)

    def _end(self, span: Span, call: ObservedCall, headers: CapturedHeaders, exceptions: Exceptions | None) -> None:
        ended_ns = self.began_ns + round(call.duration * _SECOND)
        try:
            route, error_type = call.route, None if call.is_fine else call.error_type
            attributes = _outcome(call, route, error_type)
            if headers:
                attributes.update(captured("http.response.header.", headers, call.response_headers))
            # One by one: the SDK takes half as long for it as for a mapping of one or two.
            for name, value in attributes.items():
                span.set_attribute(name, value)
            if route is not None:
                span.update_name(f"{self.word} {route}")
            # HTTP spans, "Status": an error of the server; that a client has left is none.
            if error_type is not None and error_type != _LEFT:
                span.set_status(StatusCode.ERROR)
                if exceptions is not None and isinstance(call.error, Exception):
                    exceptions.record(call.error, span, self.context, ended_ns)
        finally:
            span.end(ended_ns)


def _outcome(call: ObservedCall, route: str | None, error_type: str | None) -> dict[str, Any]:
    """Return the attributes that are known at the end."""
    attributes: dict[str, Any] = {}
    if route is not None:
        attributes["http.route"] = route
    status = call.final_status if call.status is None else call.status
    if isinstance(status, int):
        attributes["http.response.status_code"] = status
    if error_type is not None:
        attributes["error.type"] = error_type
    if call.is_websocket:
        attributes["websocket.messages.received"] = call.messages_received
        attributes["websocket.messages.sent"] = call.messages_sent
        if call.close_code is not None:
            attributes["websocket.close.code"] = call.close_code
    return attributes
