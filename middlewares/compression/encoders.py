"""Codecs behind one small interface: a whole body in one call, or a stream chunk by chunk.

Standard: RFC 1952 (gzip); RFC 9110, 8.4.1.3.
"""

from __future__ import annotations

import zlib
from typing import Protocol

__all__ = ("Codec", "Encoder", "GZipCodec", "NoBody")

_GZIP_WINDOW = 16 + zlib.MAX_WBITS  # zlib's way to ask for the gzip format


class Encoder(Protocol):
    """One stream of one content coding."""

    def chunk(self, data: bytes) -> bytes:
        """Return ``data`` encoded and flushed: a client can decode all of it at once."""
        ...

    def finish(self, data: bytes) -> bytes:
        """Return the last ``data`` encoded, and the end of the stream."""
        ...


class Codec(Protocol):
    """A content coding at a chosen level."""

    @property
    def name(self) -> bytes:
        """The name of the coding, as in ``Content-Encoding``."""
        ...

    def whole(self, data: bytes) -> bytes:
        """Return a whole body encoded; the same bytes always give the same result."""
        ...

    def stream(self) -> Encoder:
        """Begin a stream."""
        ...


class GZipCodec:
    """gzip by the standard library's zlib, which writes no time into the header."""

    name = b"gzip"

    __slots__ = ("_level",)

    def __init__(self, level: int) -> None:
        self._level = level

    def whole(self, data: bytes) -> bytes:
        """Return a whole body encoded."""
        return zlib.compress(data, self._level, _GZIP_WINDOW)

    def stream(self) -> Encoder:
        """Begin a stream."""
        return _GZipEncoder(self._level)


class _GZipEncoder:
    """A gzip stream."""

    __slots__ = ("_compressor",)

    def __init__(self, level: int) -> None:
        self._compressor = zlib.compressobj(level, zlib.DEFLATED, _GZIP_WINDOW)

    def chunk(self, data: bytes) -> bytes:
        """Return ``data`` encoded and flushed."""
        return self._compressor.compress(data) + self._compressor.flush(zlib.Z_SYNC_FLUSH)

    def finish(self, data: bytes) -> bytes:
        """Return the last ``data`` encoded, and the end of the stream."""
        return self._compressor.compress(data) + self._compressor.flush()


class NoBody:
    """Stands for the encoder where a response has no body: that to ``HEAD``."""

    __slots__ = ()

    def chunk(self, data: bytes) -> bytes:
        """Return nothing."""
        return b""

    def finish(self, data: bytes) -> bytes:
        """Return nothing."""
        return b""
