"""Which word stands for the method of a request, in attributes and in the name of its span."""

from __future__ import annotations

from typing import TYPE_CHECKING

from middlewares.core.known_methods import OTHER_METHOD, known_methods

if TYPE_CHECKING:
    from middlewares.asgi import Scope

__all__ = ("Methods", "handshake_method")


class Methods(dict[str, str]):
    """For each method the word in the name of its span."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__({method: method for method in known_methods()})

    def __missing__(self, method: str) -> str:
        return "HTTP"  # HTTP spans, "Name": the word for a method that is not known

    def attribute(self, scope: Scope) -> str:
        """Return what the attribute of a request or a WebSocket is."""
        method: str = scope["method"] if scope["type"] == "http" else handshake_method(scope)
        return method if method in self else OTHER_METHOD


def handshake_method(scope: Scope) -> str:
    """Return the method with which a WebSocket is opened: ``GET``, or ``CONNECT`` over HTTP/2 and 3."""
    # RFC 6455, 4.1; RFC 8441, 4; RFC 9220, 3
    return "GET" if scope.get("http_version", "1.1").startswith("1") else "CONNECT"
