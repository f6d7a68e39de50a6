"""What a layer tells about itself to be taken through every composition: how it is built, and what its duty is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .requests import Request
from .traffic import Traffic
from .view import View

if TYPE_CHECKING:
    from middlewares import Middleware
    from middlewares.asgi import Message


__all__ = ("Seen", "Subject")


@dataclass(frozen=True, eq=False)
class Seen:
    """One call as a layer's duty is judged by it, once it has ended."""

    request: Request
    outside: Traffic
    """What passed just outside the layer."""
    inside: Traffic
    """What passed just inside."""
    client: View
    """What the client has got."""
    is_whole: bool
    """Whether the client stayed and nobody cancelled the call."""


class Subject:
    """One configuration of one layer, with the state of a single call."""

    builtin: str | None = None
    """Its name in `middlewares.registry.BUILTIN`."""

    def record(self) -> Middleware:
        """Return the layer, as an entry of a stack."""
        raise NotImplementedError

    def answers(self, request: Request) -> int | None:
        """Return the status with which the layer answers a request by itself, or ``None`` if it hands it on."""
        return None

    def drops(self, request: Request, start: Message) -> bool:
        """Return whether this start never leaves if the application fails before the event loop turns."""
        return False

    def preflight(self, request: Request) -> int | None:
        """Return the status with which the layer answers a request as a preflight: then no other layer does."""
        return None

    def shows(self, request: Request) -> bool | None:
        """Return whether a page may read the response, whoever makes it and wherever; ``None``: no say in that."""
        return None

    def answers_failure(self, request: Request) -> bool:
        """Return whether the layer answers 500 where an application fails before it has begun to answer."""
        return False

    def keeps_failure(self, request: Request) -> bool:
        """Return whether an exception that the layer has answered ends there."""
        return False

    def times_out(self, request: Request) -> bool:
        """Return whether the layer answers by itself when an application does not begin to answer in time."""
        return False

    def ring(self) -> bool:
        """Let the time of the request be up; return whether the layer was waiting for that."""
        return False

    def check(self, seen: Seen) -> None:
        """Raise `AssertionError` if a call that reached the layer ended with its duty not done."""
        raise NotImplementedError
