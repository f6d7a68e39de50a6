"""The id of the request that is being served: for code that has no request at hand, and for log records.

It is a context variable: tasks that the application starts know it, and so do threads that Starlette, anyio or
`asyncio.to_thread` run for it. Threads of one's own begin without it.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import MutableMapping

__all__ = ("RequestIDFilter", "add_request_id", "get_request_id", "request_id")

request_id: Final[ContextVar[str | None]] = ContextVar("request_id", default=None)
"""The id of the request that is being served; ``None`` outside of one."""


def get_request_id() -> str | None:
    """Return the id of the request that is being served; ``None`` outside of one."""
    return request_id.get()


class RequestIDFilter(logging.Filter):
    """Gives each log record an attribute ``request_id``; it lets all of them pass.

    A filter of a handler sees the records of every logger, one of a logger only its own::

        handler.addFilter(RequestIDFilter())
        handler.setFormatter(logging.Formatter("%(levelname)s %(request_id)s %(message)s"))
    """

    def __init__(self, name: str = "", default: str = "-") -> None:
        """``default`` is what records get that belong to no request."""
        super().__init__(name)
        self.default = default

    def filter(self, record: logging.LogRecord) -> bool:
        """Put the id into a record that has none."""
        if not hasattr(record, "request_id"):
            record.request_id = request_id.get() or self.default
        return super().filter(record)


def add_request_id(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put the id under ``request_id`` into what is logged: a processor for structlog."""
    found = request_id.get()
    if found is not None:
        event.setdefault("request_id", found)
    return event
