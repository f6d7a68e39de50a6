"""The channels of a call that is watched: what the application receives through, and what it sends through."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from middlewares.asgi import mark_coroutine_function

from .headers import find
from .observed import ObservedCall

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from middlewares.asgi import Message, Receive, Scope, Send

    from .exchange import Exchange
    from .headers import Headers
    from .observer import Observer, Plan

__all__ = ("HTTPCall", "OpenedCall", "WebSocketCall", "open_call")

_SWITCHING_PROTOCOLS: Final = 101
_DENIED: Final = 403  # ASGI WebSocket, "close": what a server answers to a handshake that is closed
_ABNORMAL: Final = 1006  # RFC 6455, 7.1.5


def open_call(
    cls: type[HTTPCall | WebSocketCall],
    plan: Plan,
    observer: Observer,
    scope: Scope,
    inner: Scope,
    exchange: Exchange,
    receive: Receive,
    send: Send,
) -> HTTPCall | WebSocketCall:
    """Return what is known of a call that begins now."""
    call = cls()
    call.plan = plan
    call.observer = observer
    call.scope = scope
    call.inner = inner
    call.exchange = exchange
    call.receive = receive
    call.send = send
    call.target = plan.target
    call.states = []
    call.asked_headers = asked = []
    lengths = plan.lengths
    if lengths:
        headers = scope.get("headers", ())
        if type(headers) is not list and not isinstance(headers, (list, tuple)):
            headers = [*headers]  # it can be read only once, and is for the application
            call.scope, call.inner = {**scope, "headers": headers}, {**inner, "headers": headers}
        for pair in headers:
            if len(pair[0]) in lengths:
                asked.append(pair)  # noqa: PERF401 - few are: a comprehension costs more than it saves
    call.response_headers = ()
    call.status = call.first_byte = call.ended = call.error = call._route = None
    call.sent = call.received = 0
    call.has_trailers = call.is_disconnected = call.is_complete = call.is_fine = call._is_route_final = False
    call.began = plan.clock()
    return call


class HTTPCall(ObservedCall):
    """A request."""

    __slots__ = ()

    close_code: int | None = None
    messages_received: int = 0
    messages_sent: int = 0

    async def receive_observed(self) -> Message:
        """Receive for a request, and count."""
        event = await self.receive()
        if event["type"] == "http.request":
            if self.ended is None:
                self.received += len(event.get("body", b""))
        elif event["type"] == "http.disconnect" and self.ended is None:
            self.is_disconnected = True
        return event

    @mark_coroutine_function
    def send_observed(self, message: Message) -> Awaitable[None]:
        """Send for a request, and watch."""
        kind = message["type"]
        if kind == "http.response.start":
            return self.send(self.begin_response(message))
        if kind == "http.response.body":
            body = message.get("body")
            if body and self.ended is None:
                self.sent += len(body)
            if self.has_trailers or message.get("more_body"):
                return self.send(message)
            return self.send_last(message)
        return self._send_rest(message)

    def _send_rest(self, message: Message) -> Awaitable[None]:
        """Send what is rare: trailers, files, what is not known."""
        kind = message["type"]
        if kind == "http.response.pathsend":
            self.sent += _length(self.response_headers, message)
            return self.send_last(message)
        if kind == "http.response.zerocopysend":
            self.sent += _extent(message)
            is_last = not (self.has_trailers or message.get("more_body"))
        else:
            is_last = kind == "http.response.trailers" and not message.get("more_trailers")
        return self.send_last(message) if is_last else self.send(message)


class OpenedCall(HTTPCall):
    """A request of which only the beginning of the response matters: nobody counts, or waits for its end."""

    __slots__ = ()

    @mark_coroutine_function
    def send_observed(self, message: Message) -> Awaitable[None]:
        """Send for a request, and watch it begin."""
        if message["type"] == "http.response.start":
            message = self.begin_response(message)
        return self.send(message)

    def finish(self) -> None:
        """Do nothing: nobody wants to know."""


class WebSocketCall(ObservedCall):
    """A WebSocket."""

    __slots__ = ("close_code", "messages_received", "messages_sent")

    def __init__(self) -> None:
        self.close_code = None
        self.messages_received = self.messages_sent = 0

    async def receive_observed(self) -> Message:
        """Receive for a WebSocket, and count."""
        event = await self.receive()
        if event["type"] == "websocket.receive":
            self.messages_received += 1
            self.received += _message_size(event)
        elif event["type"] == "websocket.disconnect" and self.ended is None:
            self._closed(event.get("code", 1005))  # ASGI WebSocket, "disconnect": the default
        return event

    @mark_coroutine_function
    def send_observed(self, message: Message) -> Awaitable[None]:
        """Send for a WebSocket, and watch."""
        kind = message["type"]
        if kind == "websocket.send":
            self.messages_sent += 1
            self.sent += _message_size(message)
            return self.send(message)
        if kind == "websocket.accept":
            return self.send(self.begin_response(message, _SWITCHING_PROTOCOLS))
        if kind == "websocket.http.response.start":
            return self.send(self.begin_response(message))
        if kind == "websocket.close":
            if self.status is None:
                self.status, self.first_byte = _DENIED, self.plan.clock()
            elif self.close_code is None:
                self.close_code = message.get("code", 1000)  # ASGI WebSocket, "close": the default
            return self.send_last(message)
        if kind == "websocket.http.response.body":
            self.sent += len(message.get("body", b""))
            return self.send(message) if message.get("more_body") else self.send_last(message)
        return self.send(message)

    def _closed(self, code: int) -> None:
        """Take note that the client closed a WebSocket, or left before it was accepted or without a word."""
        if self.status == _SWITCHING_PROTOCOLS and code != _ABNORMAL:
            self.is_complete = True
        else:
            self.is_disconnected = True
        self.close_code = code
        self.finish()


def _message_size(message: Message) -> int:
    data = message.get("bytes")
    if data is not None:
        return len(data)
    text = message.get("text")
    if not text:
        return 0
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _length(headers: Headers, message: Message) -> int:
    """Return how many bytes of a file are sent by its path."""
    declared = find(headers, b"content-length")
    if declared is not None and declared.isdigit() and len(declared) < 20:  # of 64 bits at most
        return int(declared)
    try:
        return os.stat(message["path"]).st_size  # noqa: PTH116 - half the cost of a `Path`
    except (OSError, ValueError, TypeError, KeyError):
        return 0


def _extent(message: Message) -> int:
    """Return how many bytes of an open file are sent."""
    count = message.get("count")
    if isinstance(count, int):
        return count
    try:
        file: Any = message["file"]
        size = os.fstat(file if isinstance(file, int) else file.fileno()).st_size
        offset = message.get("offset")
        begin: int = file.tell() if offset is None and not isinstance(file, int) else offset or 0
        return max(0, size - begin)
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return 0
