"""``dcb``: Brotli with a dictionary.

Standard: RFC 9842, 4; RFC 7932.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

from middlewares.compression.codecs.slices import SLICE, slices

from . import libbrotli
from .libbrotli import FINISH, FLUSH, PROCESS, Compressor, Prepared

if TYPE_CHECKING:
    from middlewares.compression.codecs import Encoder

__all__ = ("DCBCodec", "is_available", "memory")

_MAGIC: Final = bytes.fromhex("ff444342")
_BYTES_PER_SECOND: Final = 25e6


def is_available() -> bool:
    """Return whether the installed brotli has the functions for dictionaries."""
    return libbrotli.is_available()


def memory(size: int, level: int) -> int:
    """Return how many bytes preparing a dictionary of ``size`` bytes takes at most."""
    return 5 * size + 600_000  # tables; the bytes themselves are not copied


class DCBCodec:
    """Brotli with one dictionary, prepared once when the codec is built, which may take milliseconds."""

    name = b"dcb"

    __slots__ = ("_header", "_prepared", "_quality")

    def __init__(self, data: bytes, level: int) -> None:
        self._header = _MAGIC + sha256(data).digest()
        self._quality = level
        self._prepared = Prepared(data, level)

    def whole(self, data: bytes, *, padding: int = 0) -> bytes:
        """Return a whole body encoded."""
        return self.stream(size=len(data), padding=padding).finish(data)

    def stream(self, *, size: int | None = None, events: bool = False, padding: int = 0) -> Encoder:
        """Begin a stream."""
        compressor = Compressor(self._prepared, self._quality, size or 0)
        padded = compressor.metadata(bytes(padding)) if padding else b""
        return _DCBEncoder(compressor, self._header + padded)

    def seconds(self, size: int) -> float:
        """Predict how long encoding a whole body takes."""
        return size / _BYTES_PER_SECOND


class _DCBEncoder:
    """A Brotli stream behind the header."""

    __slots__ = ("_compressor", "_header")

    def __init__(self, compressor: Compressor, header: bytes) -> None:
        self._compressor = compressor
        self._header = header

    def chunk(self, data: bytes) -> bytes:
        """Return ``data`` encoded and flushed."""
        return self._encoded(data, FLUSH)

    def write(self, data: bytes) -> bytes:
        """Take ``data``, and return what comes out of itself."""
        return self._encoded(data, PROCESS)

    def finish(self, data: bytes) -> bytes:
        """Return the last ``data`` encoded, and the end of the stream."""
        return self._encoded(data, FINISH)

    def _encoded(self, data: bytes, operation: int) -> bytes:
        run = self._compressor.run
        header, self._header = self._header, b""
        if len(data) <= SLICE:
            return header + run(data, operation)
        *parts, last = map(bytes, slices(data))
        return b"".join([header, *(run(part, PROCESS) for part in parts), run(last, operation)])
