"""Log each request and WebSocket once, when its last byte has been sent or it has ended otherwise.

::

    app = AccessLog(app, format="json", output="stdout")
"""

from __future__ import annotations

from .middleware import AccessLog

__all__ = ("AccessLog",)
