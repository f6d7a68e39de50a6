"""``dcz``: Zstandard with a dictionary.

Standard: RFC 9842, 5; RFC 8878.
"""

from __future__ import annotations

import sys
from hashlib import sha256
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING or sys.version_info < (3, 14):
    from backports import zstd
else:
    from compression import zstd

if TYPE_CHECKING:
    from middlewares.compression.codecs import Encoder

__all__ = ("DCZCodec", "memory")

_MAGIC: Final = bytes.fromhex("5e2a4d1820000000")  # a skippable frame of 32 bytes, so plain decoders pass it over
_SKIPPABLE: Final = bytes.fromhex("502a4d18")  # RFC 8878, 3.1.2
_BYTES_PER_SECOND: Final = 150e6
_WINDOW_LOG: Final = 23  # 8 MB, which every decoder of dcz supports


def memory(size: int) -> int:
    """Return how many bytes preparing a dictionary of ``size`` bytes takes at most."""
    # A copy of it, and tables that grow with it up to about 1.5 MB at the levels used here.
    return size + min(16 * size, 1_500_000) + 20_000


class DCZCodec:
    """Zstandard with one dictionary, digested once when the codec is built, which may take milliseconds."""

    name = b"dcz"

    __slots__ = ("_dictionary", "_header", "_options")

    def __init__(self, data: bytes, level: int) -> None:
        self._header = _MAGIC + sha256(data).digest()
        self._options: dict[int, int] = {zstd.CompressionParameter.compression_level: level}
        # What is digested is kept inside for the level, and shared by all compressors and threads.
        self._dictionary = zstd.ZstdDict(data, is_raw=True).as_digested_dict
        self._compressor()

    def whole(self, data: bytes, *, padding: int = 0) -> bytes:
        """Return a whole body encoded."""
        return b"".join((self._header, _skippable(padding), self._compressor().compress(data, _FRAME)))

    def stream(self, *, size: int | None = None, events: bool = False, padding: int = 0) -> Encoder:
        """Begin a stream."""
        compressor = self._compressor()
        if size is not None:
            compressor.set_pledged_input_size(size)
        return _DCZEncoder(compressor, self._header + _skippable(padding))

    def seconds(self, size: int) -> float:
        """Predict how long encoding a whole body takes."""
        return size / _BYTES_PER_SECOND

    def _compressor(self) -> zstd.ZstdCompressor:
        return zstd.ZstdCompressor(options=self._options, zstd_dict=self._dictionary)


_BLOCK: Final = zstd.ZstdCompressor.FLUSH_BLOCK
_FRAME: Final = zstd.ZstdCompressor.FLUSH_FRAME


class _DCZEncoder:
    """A stream of one frame behind the header."""

    __slots__ = ("_compressor", "_header")

    def __init__(self, compressor: zstd.ZstdCompressor, header: bytes) -> None:
        self._compressor = compressor
        self._header = header

    def chunk(self, data: bytes) -> bytes:
        """Return ``data`` encoded and flushed."""
        return self._begun() + self._compressor.compress(data, _BLOCK)

    def write(self, data: bytes) -> bytes:
        """Take ``data``, and return what comes out of itself."""
        return self._begun() + self._compressor.compress(data)

    def finish(self, data: bytes) -> bytes:
        """Return the last ``data`` encoded, and the end of the stream."""
        return self._begun() + self._compressor.compress(data, _FRAME)

    def _begun(self) -> bytes:
        header, self._header = self._header, b""
        return header


def _skippable(padding: int) -> bytes:
    return _SKIPPABLE + padding.to_bytes(4, "little") + bytes(padding) if padding else b""
