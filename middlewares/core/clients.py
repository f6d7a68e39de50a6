"""Tell whether a request comes from clients in some networks, asking once for each address that repeats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .addresses import is_in, parse_address
from .memo import Memo

if TYPE_CHECKING:
    from collections.abc import Collection

    from middlewares.asgi import Scope

    from .addresses import Network

__all__ = ("Clients",)


class Clients:
    """The clients in some networks, as far as it is known who a client is."""

    __slots__ = ("_known",)

    def __init__(self, networks: Collection[Network]) -> None:
        def is_one(host: bytes) -> bool:
            address = parse_address(host.decode())
            return address is not None and is_in(address, networks)

        self._known = Memo(is_one)

    def have_sent(self, scope: Scope) -> bool:
        """Return whether a request is of one of them."""
        host, *_ = scope.get("client") or ("",)
        return self._known[str(host).encode("utf-8", "replace")]
