"""Bound how long an application may take: to begin its answer, to finish it, and between two parts of it."""

from __future__ import annotations

from .call import ResponseTimeout
from .middleware import Timeout

__all__ = ("ResponseTimeout", "Timeout")
