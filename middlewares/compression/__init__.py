"""Compress response bodies in the coding that the client prefers.

::

    app = Compress(app, minimum_size=1000)

A client that sends ``Accept-Encoding: gzip, br, zstd`` gets ``Content-Encoding: zstd``. `GZip`, `Brotli` and `Zstd`
offer one coding each.
"""

from __future__ import annotations

from .brotli import Brotli
from .compress import Compress
from .gzip import GZip
from .zstd import Zstd

__all__ = ("Brotli", "Compress", "GZip", "Zstd")
