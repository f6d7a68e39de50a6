"""The course of a WebSocket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from middlewares.testing.scopes import is_from

from . import websocket_events  # noqa: F401 - it registers its checks
from .face import INNER, OUTER, Face
from .http_events import DENIAL, DENIAL_BODY
from .machines import WEBSOCKET_RECEIVED, WEBSOCKET_SENT
from .registry import finds
from .scopes import scope_faults
from .values import content_length, size_of

if TYPE_CHECKING:
    from middlewares.asgi import Message, Scope

    from .machines import Machine

__all__ = ("WebSocketFace",)

_CLOSED = ("closed", "denied")


class WebSocketFace(Face):
    """Follows handshake, data and close."""

    kind = "websocket"
    sent_machine = WEBSOCKET_SENT
    received_machine = WEBSOCKET_RECEIVED
    hang_rule = "W16"
    sent_state = "handshake"
    length = -1
    """What the content-length of a denial response says; -1 where it says nothing."""
    counted = 0

    def check_scope(self, scope: Scope) -> None:
        """Check the scope that was handed in."""
        for rule, fault in scope_faults(scope, "websocket"):
            self.report(rule, OUTER, fault, "warning" if rule == "H9" else "error")

    @finds("W5")
    def move_received(self, machine: Machine, event: str) -> None:
        """Follow the machine; data also waits for the accept."""
        if event == "websocket.receive" and self.received_state == "connected" and self.sent_state == "handshake":
            return self.report("W5", OUTER, "data before the accept")
        super().move_received(machine, event)

    def follow_sent(self, message: Message, kind: str) -> None:
        """Check an event that is sent, and count the body of a denial response."""
        super().follow_sent(message, kind)
        if kind == DENIAL:
            self.length = content_length(message.get("headers"))
        elif kind == DENIAL_BODY and isinstance(message.get("body"), (bytes, memoryview)):
            self.counted += size_of(message["body"])

    def refusal_rule(self) -> str:
        """Return the rule that is broken by an exception of `send`."""
        return "W14" if self.received_state == "gone" and is_from(self.scope, 4) else "G10"

    @finds("W14")
    def check_farewell(self, message: Message) -> None:
        """Look whether `send` may have taken an event after the disconnect."""
        if is_from(self.scope, 4) and not self.has_provoked and message.get("type") == "websocket.send":
            self.report("W14", OUTER, "send did nothing on a closed socket instead of raising", "warning")

    def farewell(self) -> Message:
        """Return the disconnect that the server should have given."""
        return {"type": "websocket.disconnect", "code": 1005, "reason": ""}

    def is_over(self) -> bool:
        """Return whether nothing but a disconnect can come."""
        return self.received_state == "gone" or self.sent_state in _CLOSED

    @finds("W4", "E8", "H33")
    def check_return(self) -> None:
        """Check that the handshake was answered."""
        if self.received_state == "gone" or self.is_cut_off:
            return
        if self.sent_state == "handshake":
            self.report("W4", INNER, "the call returned without an answer to the handshake")
        elif self.sent_state == "denying":
            self.report("E8", INNER, "the call returned before the end of the denial response")
        elif self.sent_state == "denied" and self.length not in (-1, self.counted):
            self.report("H33", INNER, f"{self.counted} bytes were sent, but content-length says {self.length}")

    def has_begun(self) -> bool:
        """Return whether the handshake was answered."""
        return self.sent_state != "handshake"
