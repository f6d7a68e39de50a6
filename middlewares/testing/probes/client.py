"""The server's side of one generated call: it hands out the events of a script, and takes what the application sends.

Unlike the driver it belongs to no task of its own and waits for nobody, so that an application which hangs in a
thread can be left behind.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from middlewares.testing.driver import ClientDisconnected
from middlewares.testing.messages import ResponseEnd, disconnect_event, farewell_after

if TYPE_CHECKING:
    from collections.abc import Iterable

    from middlewares.asgi import Message

    from .plan import Leaves

__all__ = ("Client",)

_TYPES: dict[str, Any] = {
    "status": int,
    "body": (bytes, bytearray, memoryview),
    "text": (str, type(None)),
    "bytes": (bytes, bytearray, memoryview, type(None)),
    "code": int,
}
_WENT, _CLOSED = 1006, 1000  # RFC 6455, 7.4.1


class Client:
    """A client that follows a script, and the server in front of it."""

    def __init__(self, kind: str, events: Iterable[Message], leaves: Leaves, *, fails_sends: bool) -> None:
        """Prepare a call; ``fails_sends``: once the client has gone, ``send`` raises an `OSError`."""
        self.kind = kind
        self.leaves = leaves
        self.fails_sends = fails_sends
        self.ended = False
        """Whether the response is complete, or the socket closed by the application."""
        self.gone = False
        self.answers: list[str] = []
        """What was sent in a lifespan, by type."""
        self.failure = ""
        """The message of a lifespan that failed."""
        self._inbox: deque[Message] = deque(dict(event) for event in events)
        self._accepted = False
        self._end = ResponseEnd()
        self._farewell: Message | None = None
        self._change = asyncio.Event()
        if leaves == "before":
            self.leave()

    def feed(self, message: Message) -> None:
        """Put one more event in line."""
        self._inbox.append(message)
        self._changed()

    def leave(self, code: int = _WENT) -> None:
        """Let the client go."""
        if self._farewell is not None or self.kind not in ("http", "websocket"):
            return
        self.gone = True
        self._finish(disconnect_event(self.kind, code, ""))

    async def wait(self) -> None:
        """Wait until something happens."""
        await self._change.wait()

    async def receive(self) -> Message:
        """Give the next event; after the last, tell of the disconnect as often as it is asked for."""
        await asyncio.sleep(0)  # an application that asks in a loop must not block the others
        while True:
            if self._inbox and (self.kind != "websocket" or self._is_open()):
                return self._inbox.popleft()
            if not self._inbox and self._goes_now():
                self.leave(_CLOSED)
            if not self._inbox and self._farewell is not None:
                return dict(self._farewell)
            await self._change.wait()

    async def send(self, message: Message) -> None:
        """Take an event, as a server that raises on what it cannot encode."""
        await asyncio.sleep(0)
        _refuse_invalid(self.kind, message)
        if self.gone and self.fails_sends:
            raise ClientDisconnected("the client has disconnected")
        self._follow(message)

    def _follow(self, message: Message) -> None:
        kind = message["type"]
        if self.kind == "lifespan":
            self.answers.append(kind)
            self.failure = str(message.get("message", "")) if kind.endswith(".failed") else self.failure
        self._accepted = self._accepted or kind == "websocket.accept"
        if self._end.is_reached_by(message):
            self.ended = True
            if self._farewell is None:
                self._finish(farewell_after(message))
        elif self.leaves == "in response" and kind == "http.response.body":
            self.leave()
        self._changed()

    def _is_open(self) -> bool:
        """Return whether the next event of a WebSocket may come: data waits for the answer to the handshake."""
        return self._accepted or self._inbox[0]["type"] == "websocket.connect"

    def _goes_now(self) -> bool:
        """Return whether a client that has said all it has to say leaves."""
        return self.leaves == "in request" or (self.kind == "websocket" and self._accepted)

    def _finish(self, farewell: Message) -> None:
        self._farewell = farewell
        if self._inbox and self._inbox[0]["type"] != "websocket.connect":
            self._inbox.clear()
        self._changed()

    def _changed(self) -> None:
        self._change.set()
        self._change = asyncio.Event()


def _refuse_invalid(kind: str, message: Any) -> None:
    """Raise on what no server could encode: rule G7."""
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise TypeError("an event must be a dict with a type")
    if not message["type"].startswith(f"{kind}."):
        raise ValueError(f"{message['type']!r} is no event of {kind}")
    if message["type"].endswith("http.response.start") and "status" not in message:
        raise ValueError("http.response.start must have a status")
    for key, kinds in _TYPES.items():
        if key in message and not isinstance(message[key], kinds):
            raise TypeError(f"{key} of {message['type']} is of type {type(message[key]).__name__}")
