"""Tracing with OpenTelemetry: one span for each request, continued from the caller and handed on to what is called.

::

    app = Tracing(app)
"""

from __future__ import annotations

from .middleware import REDACTED_HEADERS, Tracing

__all__ = ("REDACTED_HEADERS", "Tracing")
