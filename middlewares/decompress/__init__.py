"""Decode compressed request bodies, within limits that no body can get past.

::

    app = Decompress(app, max_size=1_000_000)

A request with ``Content-Encoding: gzip`` reaches the application as if it had been sent without coding.
"""

from __future__ import annotations

from .failures import RefusedBody
from .middleware import Decompress

__all__ = ("Decompress", "RefusedBody")
