"""Turn on traces, request ids, logs and metrics with one word: ``Stack(…, observability=True)``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from middlewares.order.roles import role_of
from middlewares.record import Middleware
from middlewares.registry import load_builtin

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("OBSERVABILITY", "with_observability")

OBSERVABILITY: Final = ("tracing", "request_id", "access_log", "metrics")
"""The layers that are meant, outermost first: next to each other they watch through one pair of channels."""


def with_observability(entries: Sequence[Middleware]) -> tuple[Middleware, ...]:
    """Return the entries of a stack with those layers of `OBSERVABILITY` that are not among them.

    They stand outside of all others but the layers that say who the client is, whose address logs are to have.
    """
    present = {entry.cls for entry in entries}
    missing = [cls for cls in map(load_builtin, OBSERVABILITY) if cls not in present]
    first = next((index for index, entry in enumerate(entries) if not _tells_the_client(entry)), len(entries))
    return (*entries[:first], *map(Middleware, missing), *entries[first:])


def _tells_the_client(entry: Middleware) -> bool:
    return role_of(entry.cls, entry.kwargs, {}) == "proxy_headers"
