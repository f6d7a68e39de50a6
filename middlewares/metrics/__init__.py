"""Count and time requests and WebSockets for Prometheus, and tell it what was counted.

::

    app = Metrics(app, path="/metrics", allow=["10.0.0.0/8"])
"""

from __future__ import annotations

from .endpoint import MetricsEndpoint
from .middleware import Metrics

__all__ = ("Metrics", "MetricsEndpoint")
