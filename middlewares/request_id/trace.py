"""Read the id of the trace that a request belongs to, where nobody further out has.

Standard: W3C Trace Context, 3.2 (``traceparent``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from middlewares.core.headers import find_all

if TYPE_CHECKING:
    from middlewares.core.headers import Headers

__all__ = ("incoming_trace_id",)

# 3.2.2.1: other versions may go on after the flags. 3.2.2.3: an id of zeros is none.
_TRACEPARENT: Final = re.compile(
    rb"[ \t]*(?:00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
    rb"|(?!ff|00)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?)[ \t]*"
)


def incoming_trace_id(headers: Headers) -> str | None:
    """Return the trace id of a request's own ``traceparent``; ``None`` unless it has exactly one, and a valid one."""
    values = find_all(headers, b"traceparent")
    match = _TRACEPARENT.fullmatch(values[0]) if len(values) == 1 else None
    return None if match is None else (match[1] or match[2]).decode()
