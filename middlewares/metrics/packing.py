"""Compress a page of metrics, in a coding that is there.

Standard: RFC 1952 (gzip); RFC 8878 (zstd).
"""

from __future__ import annotations

import sys
import zlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ("CODINGS", "packed")

_zstd: Any = None
try:  # middlewares do not import one another, so this one does not take what `Compress` has
    if sys.version_info >= (3, 14):
        from compression import zstd as _zstd
    else:
        from backports import zstd as _zstd
except ImportError:  # without the extra there is gzip
    pass

CODINGS: Final = (b"zstd", b"gzip") if _zstd else (b"gzip",)
"""The quicker first, which makes such text smaller too."""


def packed(pieces: Iterable[bytes], coding: bytes) -> list[bytes]:
    """Return a page in a coding, as one piece."""
    # Level 4 of gzip is much quicker than 6, and little worse with text that repeats itself.
    packer = _zstd.ZstdCompressor() if coding == b"zstd" else zlib.compressobj(4, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return [b"".join((*map(packer.compress, pieces), packer.flush()))]
