"""Tell the client of a response which span it was made in.

Standard: W3C Trace Context, editor's draft (the metric ``trace`` of ``Server-Timing``) and first draft of Level 2
(``traceresponse``); W3C Server Timing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from middlewares.core.headers import joined, set_header, with_headers, with_lasting_headers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Collection

    from middlewares.asgi import Message, Send
    from middlewares.core.exchange import Exchange
    from middlewares.core.headers import Headers

__all__ = ("ResponseHeader", "TracedResponse")

ResponseHeader = Literal["server-timing", "traceresponse"]


class TracedResponse:
    """Sends a response with the headers that name its span."""

    __slots__ = ("_headers", "_send", "_value")

    def __init__(self, send: Send, headers: Collection[ResponseHeader], value: bytes) -> None:
        self._send = send
        self._headers = headers
        self._value = value

    def publish(self, exchange: Exchange) -> None:
        """Leave the headers for a response that is made outside all layers."""
        if "traceresponse" in self._headers:
            exchange.response_headers.append((b"traceresponse", self._value))
        if "server-timing" in self._headers:
            exchange.response_headers.append((b"server-timing", b"trace;desc=" + self._value))

    def send(self, message: Message) -> Awaitable[None]:
        """Send a message; the start of a response gets the headers."""
        return self._send(self._named(message) if message["type"] == "http.response.start" else message)

    def _named(self, message: Message) -> Any:
        headers: Headers = with_lasting_headers(message).get("headers", ())
        if "traceresponse" in self._headers:
            headers = set_header(headers, b"traceresponse", self._value)
        if "server-timing" in self._headers:
            metric = b"trace;desc=" + self._value
            others = joined(headers, b"server-timing")
            headers = set_header(headers, b"server-timing", others + b", " + metric if others else metric)
        return with_headers(message, [(name, value) for name, value in headers])
