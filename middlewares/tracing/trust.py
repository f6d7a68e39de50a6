"""Whose word about the trace of a request is believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from middlewares.core.addresses import is_in, parse_address
from middlewares.core.memo import Memo

if TYPE_CHECKING:
    from middlewares.asgi import Scope
    from middlewares.core.addresses import Network

__all__ = ("Trust",)


class Trust:
    """Believes clients in some networks, as far as it is known who the client is."""

    __slots__ = ("_known",)

    def __init__(self, networks: tuple[Network, ...]) -> None:
        def is_trusted(host: bytes) -> bool:
            address = parse_address(host.decode())
            return address is not None and is_in(address, networks)

        self._known = Memo(is_trusted)

    def believes(self, scope: Scope) -> bool:
        """Return whether the client of a request is one of them."""
        host, *_ = scope.get("client") or ("",)
        return self._known[str(host).encode("utf-8", "replace")]
