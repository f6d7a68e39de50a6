"""Tell other layers, and whoever reads the log, what was compressed and what was not."""

from __future__ import annotations

import logging
from time import perf_counter
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from middlewares.core.exchange import EXCHANGE, Coding

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares.asgi import Scope
    from middlewares.core.exchange import Exchange

__all__ = ("LOGGER", "begun", "done", "ended", "skipped", "timed")

LOGGER: Final = logging.getLogger("middlewares.compression")


def skipped(scope: Scope, reason: str) -> None:
    """Say that a body goes through as it is, and why."""
    exchange: Exchange | None = scope.get(EXCHANGE)
    if exchange is not None:
        exchange.codings.append(Coding(None, reason))
    if LOGGER.isEnabledFor(logging.DEBUG):
        LOGGER.debug("%s: not compressed: %s", _asked(scope), reason)


def begun(scope: Scope, coding: bytes) -> Coding | None:
    """Say that a body is being encoded; return what is to be filled in, or ``None`` if nobody wants to know."""
    exchange: Exchange | None = scope.get(EXCHANGE)
    if exchange is None:
        return Coding(coding) if LOGGER.isEnabledFor(logging.DEBUG) else None
    fact = Coding(coding)
    exchange.codings.append(fact)
    return fact


def done(scope: Scope, coding: bytes, raw_bytes: int, wire_bytes: int, seconds: float) -> None:
    """Say that a whole body was encoded."""
    fact = begun(scope, coding)
    if fact is not None:
        fact.raw_bytes, fact.wire_bytes, fact.seconds = raw_bytes, wire_bytes, seconds
        ended(scope, fact)


def timed(encode: Callable[[bytes], bytes], data: bytes, fact: Coding) -> bytes:
    """Return ``encode(data)``, counted in ``fact``."""
    begin = perf_counter()
    result = encode(data)
    fact.seconds += perf_counter() - begin
    fact.raw_bytes += len(data)
    fact.wire_bytes += len(result)
    return result


def ended(scope: Scope, fact: Coding | None) -> None:
    """Say that a body has been encoded to its end."""
    if fact is not None and fact.coding is not None and LOGGER.isEnabledFor(logging.DEBUG):
        LOGGER.debug(
            "%s: %s, %d to %d bytes in %.2f ms",
            _asked(scope),
            fact.coding.decode("latin-1"),
            fact.raw_bytes,
            fact.wire_bytes,
            fact.seconds * 1000,
        )


def _asked(scope: Scope) -> str:
    """Return method and path in one line, whatever bytes the client has put into the path."""
    return f"{scope['method']} {quote(scope['path'], errors='replace')}"
