"""Bound how many requests an application works on at once; refuse the rest quickly, while it still works well.

::

    app = ConcurrencyLimit(app)             # finds the limit by itself
    app = ConcurrencyLimit(app, limit=10)
"""

from __future__ import annotations

from .gate import Load
from .middleware import ConcurrencyLimit

__all__ = ("ConcurrencyLimit", "Load")
