"""Brotli.

Windows are no larger than a body of known size needs, and at most 4 MB; padding is a metadata block at the start,
which decoders skip.

Standard: RFC 7932; RFC 9110, 8.4.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from middlewares.errors import MissingExtra

from .slices import SLICE, slices
from .steps import Levels, Step

try:
    from brotli import Compressor, compress  # type: ignore[import-untyped]  # it has no stubs
except ImportError as error:  # the package requires brotli, but not every Python has it
    raise MissingExtra("Brotli", "all") from error

if TYPE_CHECKING:
    from .base import Encoder

__all__ = ("BrotliCodec", "BrotliEncoder")

_LEVELS: Final = Levels(
    steps=(Step(5, 32_768), Step(4, 262_144), Step(3)),
    stream=4,
    nanoseconds={0: 3, 1: 5.5, 2: 8.5, 3: 10.5, 4: 14, 5: 26, 6: 32, 7: 42, 8: 60, 9: 150, 10: 1500, 11: 2500},
    setup={0: 20e-6, 5: 30e-6, 7: 100e-6, 9: 700e-6, 10: 2e-3},
)
_EVENT_QUALITY: Final = 3  # 380 KB of memory; 690 at 4 for the same bytes

# Bits of the window. 16 is also the one that the format writes in a single bit.
_SMALLEST_WINDOW: Final = 16
_STREAM_WINDOW: Final = 18
_LARGEST_WINDOW: Final = 22
_OUTSIDE_WINDOW: Final = 16  # a window of n bits holds 2**n - 16 bytes (RFC 7932, 9.1)

_LOWEST_FLUSHED: Final = 2  # below, each flush starts with what was learned thrown away: nearly nothing shrinks
_MOST_METADATA: Final = 1 << 24


class BrotliCodec:
    """Brotli at one of its qualities from 0 to 11, or (``None``) at a quality that suits the size of the body."""

    name = b"br"

    __slots__ = ("_events", "_levels")

    def __init__(self, quality: int | None = None) -> None:
        self._levels = _LEVELS.settled(quality)
        self._events = _EVENT_QUALITY if quality is None else quality

    def whole(self, data: bytes, *, padding: int = 0) -> bytes:
        """Return a whole body encoded, with ``padding`` bytes of metadata in front."""
        size = len(data)
        quality = self._levels.at(size)
        if padding or size > SLICE:
            return BrotliEncoder(quality, _window(size), padding).finish(data)
        encoded: bytes = compress(data, quality=quality, lgwin=_window(size))
        return encoded

    def stream(self, *, size: int | None = None, events: bool = False, padding: int = 0) -> Encoder:
        """Begin a stream; ``events`` makes do with 380 KB of memory."""
        quality = self._events if events else self._levels.at(size)
        if events:
            window = _SMALLEST_WINDOW
        else:
            window = _STREAM_WINDOW if size is None else _window(size)
        return BrotliEncoder(max(quality, _LOWEST_FLUSHED), window, padding)

    def seconds(self, size: int) -> float:
        """Predict how long encoding a whole body takes."""
        return self._levels.seconds(size)


class BrotliEncoder:
    """A Brotli stream.

    A chunk grows by at most 4 bytes for each begun 32 KB, and 4 more for its flush. The first output has at most 4
    more, and 4 more with padding.
    """

    __slots__ = ("_compressor", "_start")

    def __init__(self, quality: int, window: int, padding: int) -> None:
        self._compressor = Compressor(quality=quality, lgwin=window)
        # Blocks of metadata stand between others, so the header of the stream comes first, flushed to a whole byte.
        self._start = self._compressor.flush() + _metadata(padding) if padding else b""

    def chunk(self, data: bytes) -> bytes:
        """Return ``data`` encoded and flushed."""
        return self._with_start([*self._fed(data), self._compressor.flush()])

    def write(self, data: bytes) -> bytes:
        """Take ``data``, and return what comes out of itself."""
        return self._with_start(self._fed(data))

    def finish(self, data: bytes) -> bytes:
        """Return the last ``data`` encoded, and the end of the stream."""
        return self._with_start([*self._fed(data), self._compressor.finish()])

    def _fed(self, data: bytes) -> list[bytes]:
        if len(data) <= SLICE:
            return [self._compressor.process(data)]
        return [self._compressor.process(part) for part in slices(data)]

    def _with_start(self, out: list[bytes]) -> bytes:
        if self._start:
            out.insert(0, self._start)
            self._start = b""
        return b"".join(out)


def _window(size: int) -> int:
    return max(_SMALLEST_WINDOW, min(_LARGEST_WINDOW, (size + _OUTSIDE_WINDOW - 1).bit_length()))


def _metadata(size: int) -> bytes:
    """Return blocks of metadata, ``size`` bytes without their headers (RFC 7932, 9.2)."""
    out = []
    for start in range(0, size, _MOST_METADATA):
        length = min(size - start, _MOST_METADATA)
        count = max(1, ((length - 1).bit_length() + 7) // 8)
        # From the lowest bit: ISLAST 0, MNIBBLES 3 for none (2 bits), reserved 0, MSKIPBYTES (2 bits), MSKIPLEN - 1.
        bits = 0b0110 | count << 4 | (length - 1) << 6
        out.append(bits.to_bytes(count + 1, "little") + bytes(length))
    return b"".join(out)
