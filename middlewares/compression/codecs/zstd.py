"""Zstandard, by the standard library from Python 3.14 on, before by its backport in the extra ``zstd``.

No frame declares a window over 8 MB, which is all that browsers take. Compressors are kept for reuse: making one takes
longer than encoding 10 KB. Padding is a skippable frame in front.

Standard: RFC 8878; RFC 9659.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, Literal

from middlewares.errors import MissingExtra

from .slices import SLICE, slices
from .steps import Levels, Step

try:
    if sys.version_info >= (3, 14):
        from compression.zstd import CompressionParameter, ZstdCompressor
    else:
        from backports.zstd import CompressionParameter, ZstdCompressor
except ImportError as error:
    raise MissingExtra("Zstandard", "zstd") from error

if TYPE_CHECKING:
    from .base import Encoder

__all__ = ("ZstdCodec", "ZstdEncoder")

_LEVELS: Final = Levels(
    steps=(Step(3),),  # quick enough for any size: 5 ms for 1 MB, no larger than gzip's
    stream=3,
    nanoseconds={
        1: 4, 2: 4.5, 3: 6.2, 4: 10, 5: 13, 6: 18, 8: 24, 9: 30, 10: 36, 11: 50, 12: 110, 13: 300, 16: 500, 19: 1000
    },
    setup={1: 25e-6, 4: 50e-6, 13: 200e-6, 19: 1e-3},
)  # fmt: skip

_LARGEST_WINDOW: Final = 23  # bits; 8 MB (RFC 9659, 3)
_LEVEL_OF_LARGER_WINDOWS: Final = 20
_SMALL_WINDOW: Final = 15
# A smaller window alone saves nothing: the tables are what is large.
_SMALL: Final[dict[int, int]] = {
    CompressionParameter.window_log: _SMALL_WINDOW,
    CompressionParameter.hash_log: 13,
    CompressionParameter.chain_log: 13,
}
_LEVEL_OF_LARGER_TABLES: Final = 5
# Tables of several MB are cleared for the first chunk: from 3 ms at level 9 to a second at level 22, for streams that
# get no smaller by it, since each chunk is flushed.
_BOUNDED: Final[dict[int, int]] = {
    CompressionParameter.window_log: 21,
    CompressionParameter.hash_log: 18,
    CompressionParameter.chain_log: 18,
}
_MOST_KEPT: Final = 4
_LARGEST_REUSED: Final = 262_144
"""Bytes of a body from which a compressor is not kept: its tables have grown, and making it no longer counts."""

_CONTINUE: Final = 0  # ZstdCompressor.CONTINUE, and so on
_FLUSH_BLOCK: Final = 1
_FLUSH_FRAME: Final = 2
_SKIPPABLE: Final = b"\x50\x2a\x4d\x18"  # 0x184D2A50, least significant byte first (RFC 8878, 3.1.2)


class ZstdCodec:
    """Zstandard at one of its levels up to 22, or (``None``) at a level that suits the size of the body."""

    name = b"zstd"

    __slots__ = ("_full", "_levels", "_small", "_streams")

    def __init__(self, level: int | None = None) -> None:
        self._levels = _LEVELS.settled(level)
        settled = self._levels.at(None)  # one for all sizes: compressors keep theirs
        # A smaller body bounds the window too, so naming one costs the levels that need it nothing.
        largest: dict[int, int] = {}
        if settled >= _LEVEL_OF_LARGER_WINDOWS:
            largest[CompressionParameter.window_log] = _LARGEST_WINDOW
        self._full = _Compressors({CompressionParameter.compression_level: settled, **largest})
        self._small = _Compressors({CompressionParameter.compression_level: settled, **_SMALL})
        self._streams = self._full
        if settled >= _LEVEL_OF_LARGER_TABLES:
            self._streams = _Compressors({CompressionParameter.compression_level: settled, **_BOUNDED})

    def whole(self, data: bytes, *, padding: int = 0) -> bytes:
        """Return a whole body encoded, with ``padding`` bytes in a skippable frame in front."""
        size = len(data)
        if size > SLICE:
            return self._sliced(data, _skippable(padding))
        compressor = self._full.take()
        encoded = compressor.compress(data, _FLUSH_FRAME)
        if size <= _LARGEST_REUSED:
            self._full.put(compressor)
        return _skippable(padding) + encoded if padding else encoded

    def stream(self, *, size: int | None = None, events: bool = False, padding: int = 0) -> Encoder:
        """Begin a stream; ``events`` makes do with 160 KB of memory.

        The size is not written into the frame: an application that sends another one would make the stream fail.
        """
        is_small = events or (size is not None and size <= 1 << _SMALL_WINDOW)
        return ZstdEncoder(self._small if is_small else self._streams, _skippable(padding))

    def seconds(self, size: int) -> float:
        """Predict how long encoding a whole body takes."""
        return self._levels.seconds(size)

    def _sliced(self, data: bytes, start: bytes) -> bytes:
        compressor = self._full.new()
        compressor.set_pledged_input_size(len(data))
        *parts, last = slices(data)
        out = [start, *(compressor.compress(part, _CONTINUE) for part in parts)]
        out.append(compressor.compress(last, _FLUSH_FRAME))
        return b"".join(out)


class ZstdEncoder:
    """A Zstandard stream of one frame.

    A chunk grows by at most 3 bytes for each begun 128 KB (32 KB for events), and 3 more; the first output has
    at most 6 more, and 8 more with padding.
    """

    __slots__ = ("_compressor", "_compressors", "_start")

    def __init__(self, compressors: _Compressors, start: bytes) -> None:
        self._compressors = compressors
        self._compressor = compressors.take()
        self._start = start

    def chunk(self, data: bytes) -> bytes:
        """Return ``data`` encoded and flushed."""
        return self._encoded(data, _FLUSH_BLOCK)

    def write(self, data: bytes) -> bytes:
        """Take ``data``, and return what comes out of itself."""
        return self._encoded(data, _CONTINUE)

    def finish(self, data: bytes) -> bytes:
        """Return the last ``data`` encoded, and the end of the stream, which must not be used again."""
        encoded = self._encoded(data, _FLUSH_FRAME)
        self._compressors.put(self._compressor)
        return encoded

    def _encoded(self, data: bytes, mode: Literal[0, 1, 2]) -> bytes:
        if len(data) <= SLICE:
            out = self._compressor.compress(data, mode)
        else:
            *parts, last = slices(data)
            pieces = [self._compressor.compress(part, _CONTINUE) for part in parts]
            out = b"".join([*pieces, self._compressor.compress(last, mode)])
        if self._start and out:  # alone it would be a whole body: that of no bytes
            out = self._start + out
            self._start = b""
        return out


class _Compressors:
    """Makes compressors with one set of options, and keeps a few that have finished their frame.

    Lists take and give single items whole, so threads need no lock. A compressor that is not put back, because its
    stream was broken off or a thread still works with it, is simply gone.
    """

    __slots__ = ("_kept", "_options")

    def __init__(self, options: dict[int, int]) -> None:
        self._options = options
        self._kept: list[ZstdCompressor] = []

    def take(self) -> ZstdCompressor:
        """Return a compressor at the start of a frame."""
        try:
            return self._kept.pop()
        except IndexError:
            return self.new()

    def put(self, compressor: ZstdCompressor) -> None:
        """Keep a compressor that nobody uses any more, if there are few."""
        if len(self._kept) < _MOST_KEPT:
            self._kept.append(compressor)

    def new(self) -> ZstdCompressor:
        """Return a compressor that was never used."""
        return ZstdCompressor(options=self._options)


def _skippable(size: int) -> bytes:
    """Return a skippable frame with ``size`` bytes behind its magic number and length, or nothing for none."""
    return _SKIPPABLE + size.to_bytes(4, "little") + bytes(size) if size else b""
