"""Which word stands for the method of a request, in attributes and in the name of its span."""

from __future__ import annotations

from typing import TYPE_CHECKING

from middlewares.core.known_methods import OTHER_METHOD, known_methods

if TYPE_CHECKING:
    from middlewares.asgi import Scope

__all__ = ("Methods",)


class Methods(dict[str, tuple[str, str]]):
    """For each known method what its attribute is, and the word in the name of its span."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__({method: (method, method) for method in known_methods()})

    def __missing__(self, method: str) -> tuple[str, str]:
        return OTHER_METHOD, "HTTP"  # HTTP spans, "Name": the word for a method that is not known

    def of(self, scope: Scope) -> tuple[str, str]:
        """Return both for a request or a WebSocket, whose handshake is ``GET``, or ``CONNECT`` over HTTP/2 and 3."""
        if scope["type"] == "http":
            return self[scope["method"]]
        # RFC 6455, 4.1; RFC 8441, 4; RFC 9220, 3
        return self["GET" if scope.get("http_version", "1.1").startswith("1") else "CONNECT"]
