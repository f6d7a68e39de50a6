"""``dcz``: Zstandard with a dictionary.

Standard: RFC 9842, 5; RFC 8878.
"""

from __future__ import annotations

import sys
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING or sys.version_info < (3, 14):
    from backports import zstd
else:
    from compression import zstd

from middlewares.compression.codecs.slices import SLICE, slices

if TYPE_CHECKING:
    from middlewares.compression.codecs import Encoder

__all__ = ("DCZCodec", "memory")

_MAGIC: Final = bytes.fromhex("5e2a4d1820000000")  # a skippable frame of 32 bytes, so plain decoders pass it over
_SKIPPABLE: Final = bytes.fromhex("502a4d18")  # RFC 8878, 3.1.2
# Digesting would take these bytes for a dictionary with tables of its own (RFC 8878, 5); here all content is raw.
_FORMATTED: Final = bytes.fromhex("37a430ec")
_BYTES_PER_SECOND: Final = 100e6
_MOST_DIGESTED: Final = 256 * 1024

_Parameter: Final = zstd.CompressionParameter
_CONTINUE: Final = zstd.ZstdCompressor.CONTINUE
_BLOCK: Final = zstd.ZstdCompressor.FLUSH_BLOCK
_FRAME: Final = zstd.ZstdCompressor.FLUSH_FRAME


def memory(size: int, level: int) -> int:
    """Return how many bytes preparing a dictionary of ``size`` bytes takes at most."""
    # A copy of it, and tables that grow with it; what is not digested needs neither.
    return 60_000 + min(32 * size, 2_000_000 if level < 5 else 6_000_000) if size <= _MOST_DIGESTED else 0


class DCZCodec:
    """Zstandard with one dictionary, digested once when the codec is built, which may take milliseconds."""

    name = b"dcz"

    __slots__ = ("_dictionary", "_header", "_options", "_read_again")

    def __init__(self, data: bytes, level: int) -> None:
        self._header = _MAGIC + sha256(data).digest()
        self._options: dict[int, int] = {_Parameter.compression_level: level}
        dictionary = zstd.ZstdDict(data, is_raw=True)
        if len(data) <= _MOST_DIGESTED and not data.startswith(_FORMATTED):
            # What is digested is kept inside for the level, and shared by all compressors and threads.
            self._dictionary = dictionary.as_digested_dict
            self._compressor()
            self._read_again = 0
        else:
            # The tables of a level are too small for a large dictionary. Long matches between two versions are found
            # at the same price by what is made for them: of a bundle of 1.4 MB with a tenth changed, less than half
            # as many bytes remain.
            self._dictionary = dictionary.as_prefix
            self._read_again = len(data)
            self._options[_Parameter.enable_long_distance_matching] = 1
            self._options[_Parameter.window_log] = _window_log(len(data))

    def whole(self, data: bytes, *, padding: int = 0) -> bytes:
        """Return a whole body encoded."""
        return self._whole(data, self._header + _skippable(padding))

    def stream(self, *, size: int | None = None, events: bool = False, padding: int = 0) -> Encoder:
        """Begin a stream."""
        # The size is not pledged: the frame of an application that sends more, or less, must not break here.
        return _DCZEncoder(self._compressor(), self._header + _skippable(padding))

    def seconds(self, size: int) -> float:
        """Predict how long encoding a whole body takes."""
        return (size + self._read_again) / _BYTES_PER_SECOND

    def _whole(self, data: bytes, start: bytes) -> bytes:
        compressor = self._compressor()
        if len(data) > SLICE:
            compressor.set_pledged_input_size(len(data))
        return start + _compressed(compressor, data, _FRAME)

    def _compressor(self) -> zstd.ZstdCompressor:
        return zstd.ZstdCompressor(options=self._options, zstd_dict=self._dictionary)


def _window_log(size: int) -> int:
    """Return the binary logarithm of the largest window that decoders support for a dictionary of ``size`` bytes.

    RFC 9842, 5: 8 MB, or 1.25 times the dictionary if that is more, and at most 128 MB.
    """
    return min(max(23, (size * 5 // 4).bit_length() - 1), 27)


class _DCZEncoder:
    """A stream of one frame behind the header."""

    __slots__ = ("_compressor", "_header")

    def __init__(self, compressor: zstd.ZstdCompressor, header: bytes) -> None:
        self._compressor = compressor
        self._header = header

    def chunk(self, data: bytes) -> bytes:
        """Return ``data`` encoded and flushed."""
        return self._encoded(data, _BLOCK)

    def write(self, data: bytes) -> bytes:
        """Take ``data``, and return what comes out of itself."""
        return self._encoded(data, _CONTINUE)

    def finish(self, data: bytes) -> bytes:
        """Return the last ``data`` encoded, and the end of the stream."""
        return self._encoded(data, _FRAME)

    def _encoded(self, data: bytes, mode: Literal[0, 1, 2]) -> bytes:
        out = _compressed(self._compressor, data, mode)
        if self._header and out:  # alone it would be a whole body: that of no bytes
            out = self._header + out
            self._header = b""
        return out


def _compressed(compressor: zstd.ZstdCompressor, data: bytes, mode: Literal[0, 1, 2]) -> bytes:
    if len(data) <= SLICE:
        return compressor.compress(data, mode)
    *parts, last = slices(data)
    out = [compressor.compress(part, _CONTINUE) for part in parts]
    return b"".join([*out, compressor.compress(last, mode)])


def _skippable(padding: int) -> bytes:
    return _SKIPPABLE + padding.to_bytes(4, "little") + bytes(padding) if padding else b""
