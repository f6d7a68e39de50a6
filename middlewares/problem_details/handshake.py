"""The handshake of one WebSocket: whether it was answered, and whether the application has taken its first event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from middlewares.asgi import mark_coroutine_function

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from middlewares.asgi import Message, Receive, Send

__all__ = ("Handshake",)

_ANSWERS: Final = frozenset({"websocket.accept", "websocket.close", "websocket.http.response.start"})


class Handshake:
    """Watches what passes."""

    __slots__ = ("_is_connected", "_receive", "_send", "is_answered")

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._is_connected = False
        self.is_answered = False
        """Whether it was accepted or refused."""

    async def receive(self) -> Message:
        """Return the next event for the application."""
        event = await self._receive()
        self._is_connected = True
        return event

    async def receive_connect(self) -> Message:
        """Return the event that a handshake begins with, also if the application has taken it already."""
        return {"type": "websocket.connect"} if self._is_connected else await self._receive()

    @mark_coroutine_function
    def send(self, message: Message) -> Awaitable[None]:
        """Hand on a message of the application."""
        if message["type"] in _ANSWERS:
            self.is_answered = True
        return self._send(message)
