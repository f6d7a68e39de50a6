"""Response headers that layers add, and that pages of other origins should be able to read.

Standard: the Fetch standard, 3.3.3 (``Access-Control-Expose-Headers``).
"""

from __future__ import annotations

from typing import Final

__all__ = ("EXPOSED",)

EXPOSED: Final = (
    "ETag",  # RFC 9110, 8.8.3
    "RateLimit",  # draft-ietf-httpapi-ratelimit-headers
    "RateLimit-Policy",
    "Retry-After",  # RFC 9110, 10.2.3
    "Server-Timing",  # W3C Server Timing
    "traceresponse",  # W3C Trace Context Level 2
    "WWW-Authenticate",  # RFC 9110, 11.6.1
    "X-Request-ID",
)
"""Headers by their usual names. Whether a layer adds one outside or inside a policy, the policy can name it: a name
that is not there exposes nothing. A layer that uses another name publishes it in `Exchange.expose`, before it hands on
the request."""
