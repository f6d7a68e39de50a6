"""What a rule is, and the texts that rules cite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ("CORE", "EXTENSIONS", "HTTP", "LIFESPAN", "TLS", "WEBSOCKET", "Party", "Rule", "ours")

Party: TypeAlias = Literal["server", "app", "middleware", "both"]

CORE = "ASGI 3.0"
HTTP = "HTTP & WebSocket 2.5, HTTP"
WEBSOCKET = "HTTP & WebSocket 2.5, WebSocket"
LIFESPAN = "Lifespan 2.0"
EXTENSIONS = "Extensions"
TLS = "TLS Extension 0.2"


@dataclass(frozen=True, slots=True)
class Rule:
    """One statement about ASGI, and what to do when it is broken."""

    id: str
    """Its name, such as ``H22``: ``G`` general, ``H`` HTTP, ``W`` WebSocket, ``L`` lifespan, ``E`` extensions."""
    party: Party
    """Who must keep it."""
    statement: str
    source: str
    """The specification that says so, or ``ours`` with the reason."""
    hint: str
    """How to mend it."""
    unobservable: str | None = None
    """Why nobody between server and application can see it broken, where that is so."""
    unseen: str | None = None
    """Which ways to break it cannot be seen there, and why, where others can."""


def ours(reason: str) -> str:
    """Return the source of a rule that no specification states, but servers or RFCs force."""
    return f"ours: {reason}"
