"""Whole calls in one line: an HTTP request, the life of a WebSocket, the lifespan of an app."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from middlewares.asgi import Message

from .driver import DEADLINE, ClientDisconnected, Driver
from .messages import Body, request_events
from .scopes import http_scope, lifespan_scope, websocket_scope

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from middlewares.asgi import ASGIApp

__all__ = ("LifespanFailed", "Response", "WebSocket", "WebSocketRefused", "lifespan", "request", "websocket")


@dataclass(frozen=True, slots=True)
class Response:
    """The answer to one request, put together from the messages that the app sent."""

    status: int | None
    """``None`` where the app has started no response."""
    headers: list[tuple[bytes, bytes]]
    """As sent: names, order and repetitions are the app's."""
    chunks: list[bytes]
    """The body as it was split by the app."""
    trailers: list[tuple[bytes, bytes]]
    messages: list[Message]
    """Every message of the app, in order, those of extensions included."""
    exception: Exception | None = None
    """What the app raised."""

    @property
    def body(self) -> bytes:
        """The whole body; without what extensions send from files (see ``messages``)."""
        return b"".join(self.chunks)

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode()

    def json(self) -> Any:
        """Return the value of a JSON body."""
        return json.loads(self.body)

    def values(self, name: str) -> list[str]:
        """Return the values of all header fields of that name, in any case."""
        wanted = name.lower().encode("latin-1")
        return [value.decode("latin-1") for field, value in self.headers if field.lower() == wanted]

    def header(self, name: str) -> str | None:
        """Return the header of that name, several joined as by RFC 9110, 5.2; ``None`` without any."""
        values = self.values(name)
        return ", ".join(values) if values else None


async def request(
    app: ASGIApp,
    method: str = "GET",
    path: str = "/",
    *,
    body: Body = b"",
    raise_exceptions: bool = True,
    timeout: float = DEADLINE,  # noqa: ASYNC109 - the deadline of a test, kept by the driver
    **options: Any,
) -> Response:
    """Make one HTTP request and return the response, once the app has returned.

    ``options`` are those of `http_scope`: ``query``, ``headers``, ``extensions`` and so on. ``body`` may be
    given in chunks, which arrive as one event each. With ``raise_exceptions=False`` the response holds what
    the app raised.
    """
    async with Driver(app, http_scope(method, path, **options), timeout=timeout) as call:
        call.feed(*request_events(body))
        try:
            await call.finish()
        except Exception:
            if call.exception is None or raise_exceptions:
                raise
        return _response(call.sent, call.exception)


class WebSocketRefused(Exception):
    """The app refused the handshake."""

    def __init__(self, response: Response, code: int | None = None, reason: str = "") -> None:
        super().__init__(f"the app refused the WebSocket with status {response.status} (close code {code})")
        self.response = response
        """The denial response, or the plain 403 with which servers answer when the app closes."""
        self.code = code
        """The code of the app's ``websocket.close``; ``None`` after a denial response."""
        self.reason = reason


class WebSocket(Driver):
    """A driver of one WebSocket, with the messages of a client by name."""

    subprotocol: str | None = None
    """What the app chose when it accepted."""
    headers: Sequence[tuple[bytes, bytes]] = ()
    """What the app adds to the answer of the handshake."""

    async def connect(self) -> None:
        """Do the handshake; raise `WebSocketRefused` if the app closes or denies instead of accepting."""
        self.feed({"type": "websocket.connect"})
        answer = await self.receive()
        if answer["type"] == "websocket.accept":
            self.subprotocol = answer.get("subprotocol")
            self.headers = list(answer.get("headers", ()))
            return
        await self.finish()
        if answer["type"] == "websocket.close":
            refusal = Response(403, [], [], [], self.sent)
            raise WebSocketRefused(refusal, answer.get("code", 1000), answer.get("reason") or "")
        raise WebSocketRefused(_response(self.sent, None, prefix="websocket."))

    async def send_text(self, text: str) -> None:
        """Send a text message, and wait until the app has taken it."""
        await self.send({"type": "websocket.receive", "text": text})

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message, and wait until the app has taken it."""
        await self.send({"type": "websocket.receive", "bytes": data})

    async def receive_text(self) -> str:
        """Return the next message of the app, which must be text."""
        text: str = (await self.receive("websocket.send"))["text"]
        return text

    async def receive_bytes(self) -> bytes:
        """Return the next message of the app, which must be binary."""
        data: bytes = (await self.receive("websocket.send"))["bytes"]
        return data


@asynccontextmanager
async def websocket(
    app: ASGIApp,
    path: str = "/",
    *,
    timeout: float = DEADLINE,  # noqa: ASYNC109 - the deadline of a test, kept by the driver
    **options: Any,
) -> AsyncIterator[WebSocket]:
    """Open a WebSocket; at the end of the block the client leaves (code 1000) and the app must return.

    What the app sends after that raises `ClientDisconnected` in it, unless ``spec_version`` is below 2.4.

    ``options`` are those of `websocket_scope`. Raises `WebSocketRefused` if the app does not accept.
    """
    async with WebSocket(app, websocket_scope(path, **options), timeout=timeout) as call:
        await call.connect()
        yield call
        if call.connected:
            call.disconnect(1000)
        with suppress(ClientDisconnected):  # which an app may let go on: no server takes it for a fault of the app
            await call.finish()


class LifespanFailed(Exception):
    """The app answered ``startup.failed`` or ``shutdown.failed``; the text is its message."""


@asynccontextmanager
async def lifespan(
    app: ASGIApp,
    *,
    state: Mapping[str, Any] | None = None,
    timeout: float = DEADLINE,  # noqa: ASYNC109 - the deadline of a test, kept by the driver
) -> AsyncIterator[dict[str, Any]]:
    """Start the app up, yield its state (to be given to ``request(..., state=state)``), and shut it down.

    The shutdown also happens after an exception in the block. Raises `LifespanFailed` if the app says that it
    failed.
    """
    async with Driver(app, lifespan_scope(state=state), timeout=timeout) as call:
        await _lifespan_step(call, "startup")
        try:
            yield call.scope["state"]
        finally:
            await _lifespan_step(call, "shutdown")
            await call.finish()


async def _lifespan_step(call: Driver, step: str) -> None:
    call.feed({"type": f"lifespan.{step}"})
    answer = await call.receive()
    if answer["type"] == f"lifespan.{step}.failed":
        raise LifespanFailed(answer.get("message", ""))
    if answer["type"] != f"lifespan.{step}.complete":
        call.fail(f"the app answered {answer['type']!r} to lifespan.{step}")


def _response(sent: list[Message], exception: Exception | None, *, prefix: str = "") -> Response:
    """Put a response together; ``prefix`` stands before the message types of a WebSocket denial."""
    of_type: dict[str, list[Message]] = {}
    for message in sent:
        of_type.setdefault(message["type"].removeprefix(prefix), []).append(message)
    start = of_type.get("http.response.start", [{}])[0]
    return Response(
        status=start.get("status"),
        headers=[(bytes(name), bytes(value)) for name, value in start.get("headers", ())],
        chunks=[bytes(message.get("body", b"")) for message in of_type.get("http.response.body", ())],
        trailers=[
            (bytes(name), bytes(value))
            for message in of_type.get("http.response.trailers", ())
            for name, value in message.get("headers", ())
        ],
        messages=sent,
        exception=exception,
    )
