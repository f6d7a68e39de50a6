"""Compress response bodies in the coding that the client prefers.

::

    app = GZip(app, minimum_size=1000)

A client that sends ``Accept-Encoding: gzip`` gets ``Content-Encoding: gzip``.
"""

from __future__ import annotations

from .gzip import GZip

__all__ = ("GZip",)
