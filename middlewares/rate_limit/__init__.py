"""Limit how many requests a client may make: exact, in one process or in many, and alive when the store is not.

::

    app = RateLimit(app, limit="100/minute;5/second")
"""

from __future__ import annotations

from .decision import Decision, Standing
from .marks import limited
from .memory import MemoryLimits
from .middleware import RateLimit
from .rules import Rule

__all__ = ("Decision", "MemoryLimits", "RateLimit", "Rule", "Standing", "limited")
