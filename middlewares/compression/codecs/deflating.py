"""DEFLATE by the quickest libraries that are there: one for whole bodies, one for streams.

======== ============ =====================
backend  whole bodies streams
======== ============ =====================
``fast`` libdeflate   zlib-ng (events zlib)
``zlib`` zlib         zlib
======== ============ =====================

Measured on JSON, libdeflate makes bodies of zlib's size in half of its time, from 500 bytes to 1 MB. Below 2 KB most of
that goes into its object, so the levels that find most cost no more than others; the first makes do with a smaller one,
and bodies that fit into a packet grow by no more than 2 %. zlib-ng's first level makes larger bodies than zlib's, so
its second stands in.

Standard: RFC 1951.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from .steps import Levels, Step

__all__ = ("BACKENDS", "BackendName", "Compressor", "Deflate", "best_backend", "event_compressor")

BackendName = Literal["fast", "zlib"]

_RAW: Final = -zlib.MAX_WBITS
_GZIP: Final = 16 + zlib.MAX_WBITS
_SMALL_WINDOW: Final = -12
_SMALL_MEMORY: Final = 4
_SETUP: Final = {1: 20e-6}


class Compressor(Protocol):
    """What zlib and zlib-ng have in common."""

    def compress(self, data: bytes | memoryview, /) -> bytes:
        """Take ``data`` and return what comes out of itself."""
        ...

    def flush(self, mode: int, /) -> bytes:
        """Return what is left: ``Z_SYNC_FLUSH`` or ``Z_FINISH``."""
        ...


@dataclass(frozen=True, slots=True)
class Deflate:
    """One choice of libraries."""

    levels: Levels
    whole: Callable[[bytes, int], bytes | bytearray]
    """Encode a whole body as one gzip member, at a level of zlib's scale, with a header of ten bytes."""
    stream: Callable[[int], Compressor]
    """Begin a raw stream at a level of zlib's scale."""
    crc32: Callable[[bytes | memoryview, int], int]


def event_compressor(level: int) -> Compressor:
    """Begin a raw stream that keeps 30 KB of memory instead of 210, for some hundredths more bytes."""
    return zlib.compressobj(level, zlib.DEFLATED, _SMALL_WINDOW, _SMALL_MEMORY)


def _zlib() -> Deflate:
    return Deflate(
        Levels(
            steps=(Step(6, 131_072), Step(4, 1_048_576), Step(2)),
            stream=4,
            nanoseconds={1: 10, 2: 12, 3: 19, 4: 20, 5: 25, 6: 40, 7: 70, 8: 140, 9: 160},
            setup=_SETUP,
        ),
        whole=lambda data, level: zlib.compress(data, level, _GZIP),
        stream=lambda level: zlib.compressobj(level, zlib.DEFLATED, _RAW),
        crc32=zlib.crc32,
    )


def _fast() -> Deflate:
    from deflate import gzip_compress
    from zlib_ng import zlib_ng

    # libdeflate's level that makes bodies no larger than zlib's level (the index) does.
    of_zlib = (0, 1, 1, 2, 3, 5, 5, 6, 7, 8)
    packet, small, highest_quick = 1200, 2048, 6

    def whole(data: bytes, level: int) -> bytes | bytearray:
        size = len(data)
        if size < small:
            return gzip_compress(data, 1 if size < packet and level <= highest_quick else 6)
        return gzip_compress(data, of_zlib[level])

    return Deflate(
        Levels(
            steps=(Step(6, 131_072), Step(3)),
            stream=4,
            nanoseconds={1: 5, 2: 7, 3: 9, 4: 13, 5: 14, 6: 14, 7: 42, 8: 75, 9: 90},
            setup=_SETUP,
        ),
        whole=whole,
        stream=lambda level: zlib_ng.compressobj(max(level, 2), zlib_ng.DEFLATED, _RAW),
        crc32=zlib_ng.crc32,
    )


BACKENDS: Final[dict[BackendName, Callable[[], Deflate]]] = {"fast": _fast, "zlib": _zlib}


def best_backend() -> Deflate:
    """Return the quickest backend whose libraries are installed."""
    try:
        return _fast()
    except ImportError:
        return _zlib()
