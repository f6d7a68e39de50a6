"""Note how a request ends, for what follows it: its status, and whether its client left."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from middlewares.asgi import Message, Receive, Send

__all__ = ("Outcome",)

_STARTS = ("http.response.start", "websocket.http.response.start")


class Outcome:
    """What is seen of a request on its way."""

    __slots__ = ("_receive", "_send", "is_gone", "status")

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.status = 0
        """That of the response; 0 until it starts."""
        self.is_gone = False
        """Whether the client left."""

    async def receive(self) -> Message:
        """Return the next event."""
        message = await self._receive()
        if message["type"].endswith(".disconnect"):
            self.is_gone = True
        return message

    async def send(self, message: Message) -> None:
        """Hand on a message of the application."""
        kind = message["type"]
        if kind in _STARTS:
            self.status = message["status"]
        elif kind == "websocket.accept":
            self.status = 101
        try:
            await self._send(message)
        except OSError:  # ASGI HTTP & WebSocket, 2.4: so a server says that the client has left
            self.is_gone = True
            raise

    def after(self, error: BaseException) -> int | None:
        """Return the status that counts after an error: 0 for a failure of the application.

        ``None`` is that of a client who left before there was one. It gets nothing back: leaving early, which aborts
        or fails the application, would be the way around a limit.
        """
        if isinstance(error, Exception) and not self.is_gone:
            return 0
        return self.status or None
