"""Limit the messages that a WebSocket connection receives, by number and by bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import anyio

from .algorithms import Algorithm, make_algorithm
from .notation import SECOND, parse_limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares.asgi import Message, Receive, Send

__all__ = ("MessageLimits",)


class MessageLimits:
    """The limits of every connection; each has quotas of its own."""

    __slots__ = ("action", "clock", "of_bytes", "of_messages")

    def __init__(
        self,
        messages: str | None,
        message_bytes: str | None,
        action: Literal["close", "delay", "drop"],
        clock: Callable[[], int],
    ) -> None:
        self.of_messages = _algorithms(messages)
        self.of_bytes = _algorithms(message_bytes)
        self.action = action
        self.clock = clock

    @classmethod
    def of(cls, layer: Any) -> MessageLimits | None:
        """Return the limits that the options of a layer name, if any."""
        if layer.messages is None and layer.message_bytes is None:
            return None
        return cls(layer.messages, layer.message_bytes, layer.over_messages, layer.clock)

    def connect(self, receive: Receive, send: Send) -> tuple[Receive, Send]:
        """Return ``receive`` and ``send`` of a connection under its limits."""
        return _Connection(self, receive, send).receive, send


class _Connection:
    __slots__ = ("_counters", "_limits", "_receive", "_send")

    def __init__(self, limits: MessageLimits, receive: Receive, send: Send) -> None:
        self._limits = limits
        self._receive = receive
        self._send = send
        self._counters = [
            *([algorithm, algorithm.empty, False] for algorithm in limits.of_messages),
            *([algorithm, algorithm.empty, True] for algorithm in limits.of_bytes),
        ]

    async def receive(self) -> Message:
        """Return the next event; one over the limit is delayed or dropped, or ends the connection."""
        while True:
            message = await self._receive()
            if message["type"] != "websocket.receive":
                return message
            wait = self._charge(message)
            while wait and self._limits.action == "delay":
                await anyio.sleep(wait)
                wait = self._charge(message)
            if not wait:
                return message
            if self._limits.action == "close":
                # RFC 6455, 7.4.1: 1008 says that a message violates the policy of the endpoint.
                await self._send({"type": "websocket.close", "code": 1008, "reason": "too many messages"})
                return {"type": "websocket.disconnect", "code": 1008, "reason": "too many messages"}

    def _charge(self, message: Message) -> float:
        """Charge a message in all its limits or in none; return the seconds until it fits."""
        now = self._limits.clock()
        size = len(message.get("bytes") or b"") or len((message.get("text") or "").encode(errors="replace"))
        afters = []
        for algorithm, state, is_bytes in self._counters:
            # What is larger than the quota itself passes once the quota is whole: it could never pass otherwise.
            cost = min(size, algorithm.capacity) if is_bytes else 1
            after = algorithm.charge(state, now, cost)
            if after is None:
                wait: float = algorithm.wait(state, now, cost) / SECOND
                return wait
            afters.append(after)
        for counter, after in zip(self._counters, afters, strict=True):
            counter[1] = after
        return 0


def _algorithms(text: str | None) -> list[Algorithm]:
    return [] if text is None else [make_algorithm("gcra", quota) for quota in parse_limits(text)]
