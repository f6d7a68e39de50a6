"""gzip by the standard library's zlib.

Standard: RFC 1952; RFC 9110, 8.4.1.3.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .base import Encoder

__all__ = ("GZipCodec",)

_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS  # zlib's way to ask for the gzip format
_BYTES_PER_SECOND: Final = 50e6


class GZipCodec:
    """gzip by zlib, which writes no time into the header."""

    name = b"gzip"

    __slots__ = ("_level",)

    def __init__(self, level: int) -> None:
        self._level = level

    def whole(self, data: bytes, *, padding: int = 0) -> bytes:
        """Return a whole body encoded."""
        return zlib.compress(data, self._level, _GZIP_WINDOW)

    def stream(self, *, size: int | None = None, events: bool = False, padding: int = 0) -> Encoder:
        """Begin a stream."""
        return _GZipEncoder(self._level)

    def seconds(self, size: int) -> float:
        """Predict how long encoding a whole body takes."""
        return size / _BYTES_PER_SECOND


class _GZipEncoder:
    """A gzip stream."""

    __slots__ = ("_compressor",)

    def __init__(self, level: int) -> None:
        self._compressor = zlib.compressobj(level, zlib.DEFLATED, _GZIP_WINDOW)

    def chunk(self, data: bytes) -> bytes:
        """Return ``data`` encoded and flushed."""
        return self._compressor.compress(data) + self._compressor.flush(zlib.Z_SYNC_FLUSH)

    def write(self, data: bytes) -> bytes:
        """Take ``data``, and return what comes out of itself."""
        return self._compressor.compress(data)

    def finish(self, data: bytes) -> bytes:
        """Return the last ``data`` encoded, and the end of the stream."""
        return self._compressor.compress(data) + self._compressor.flush()
