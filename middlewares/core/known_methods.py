"""The request methods by which telemetry tells requests apart; all others count as one, since clients make them up.

Standard: OpenTelemetry semantic conventions, ``http.request.method``.
"""

from __future__ import annotations

import os
from typing import Final

__all__ = ("KNOWN_METHODS", "OTHER_METHOD", "known_methods")

KNOWN_METHODS: Final = frozenset(
    # RFC 9110, 9.3; RFC 5789 (PATCH); draft-ietf-httpbis-safe-method-w-body (QUERY)
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"}
)
OTHER_METHOD: Final = "_OTHER"
"""What stands for a method that is not known."""

_ENVIRONMENT: Final = "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS"


def known_methods() -> frozenset[str]:
    """Return the known methods, with case: those that the environment lists instead, with commas, or the usual."""
    listed = os.environ.get(_ENVIRONMENT, "")
    return frozenset(method for part in listed.split(",") if (method := part.strip())) or KNOWN_METHODS
