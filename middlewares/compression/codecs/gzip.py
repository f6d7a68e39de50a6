"""gzip, by libdeflate and zlib-ng where the extra ``fast`` is installed, else by zlib.

The header holds neither a time nor a name, so the same body always gives the same bytes. Padding is a comment in the
header. Sizes of streams are bounded by the format itself: a chunk that does not shrink is sent in stored blocks.

Standard: RFC 1952; RFC 1951, 3.2.4; RFC 9110, 8.4.1.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from zlib import Z_FINISH, Z_SYNC_FLUSH

from middlewares.errors import MissingExtra

from .deflating import BACKENDS, best_backend, event_compressor
from .slices import SLICE, slices

if TYPE_CHECKING:
    from collections.abc import Callable

    from .base import Encoder
    from .deflating import BackendName, Compressor, Deflate

__all__ = ("GZipCodec", "GZipEncoder")

_SLICED: Final = 1_048_576
"""Bytes above which a whole body goes through a stream, slice by slice."""

_NO_TIME: Final = b"\0\0\0\0\0\xff"  # MTIME 0: no time stamp; XFL 0; OS 255: unknown (RFC 1952, 2.3.1)
_PLAIN: Final = b"\x1f\x8b\x08\x00" + _NO_TIME
_WITH_COMMENT: Final = b"\x1f\x8b\x08\x10"  # FLG.FCOMMENT
_HEADER_SIZE: Final = 10
_LONGEST_STORED: Final = 65_535
_UNBOUNDED: Final = 1 << 62


class GZipCodec:
    """gzip at one of zlib's levels from 1 to 9, or (``None``) at a level that suits the size of the body.

    Chosen by size, JSON up to 100 KB is on the whole at most 2 % larger than at zlib's level 6, and larger bodies are
    encoded quickly. ``backend`` is for tests; ``"fast"`` raises `MissingExtra` if its libraries are not installed.
    """

    name = b"gzip"

    __slots__ = ("_deflate", "_levels")

    def __init__(self, level: int | None = None, *, backend: BackendName | None = None) -> None:
        try:
            self._deflate = BACKENDS[backend]() if backend else best_backend()
        except ImportError as error:
            raise MissingExtra("gzip by libdeflate and zlib-ng", "fast") from error
        self._levels = self._deflate.levels.settled(level)

    def whole(self, data: bytes, *, padding: int = 0) -> bytes:
        """Return a whole body encoded, with ``padding`` bytes as a comment that a zero byte ends."""
        size = len(data)
        if size > _SLICED:
            return self.stream(size=size, padding=padding).finish(data)
        encoded = self._deflate.whole(data, self._levels.at(size))
        if padding:
            return b"".join((_header(padding), memoryview(encoded)[_HEADER_SIZE:]))
        return bytes(encoded)

    def stream(self, *, size: int | None = None, events: bool = False, padding: int = 0) -> Encoder:
        """Begin a stream; ``events`` makes do with 30 KB of memory."""
        # Events are small, each by itself, however many follow.
        level = self._levels.at(0 if events else size)
        begin = event_compressor if events else self._deflate.stream
        return GZipEncoder(self._deflate, lambda: begin(level), _header(padding), always_flushes=events)

    def seconds(self, size: int) -> float:
        """Predict how long encoding a whole body takes."""
        return self._levels.seconds(size)


class GZipEncoder:
    """A gzip stream.

    A chunk grows by at most 5 bytes for each begun 65,535: there is no smaller form of bytes that do not compress.
    The first output has 10 more (and the padding with its end), the last has 10 more. Data that is written without a
    flush grows by at most 5 bytes for each begun 16,383, and 6 for the flush that follows.
    """

    __slots__ = ("_always_flushes", "_begin", "_checksum", "_compressor", "_deflate", "_header", "_is_aligned", "_size")

    def __init__(
        self, deflate: Deflate, begin: Callable[[], Compressor], header: bytes, *, always_flushes: bool
    ) -> None:
        self._deflate = deflate
        self._begin = begin
        self._compressor = begin()
        self._header = header
        self._always_flushes = always_flushes
        self._checksum = 0
        self._size = 0
        self._is_aligned = True
        """Whether all that was taken has left, up to a whole byte: stored blocks may follow only then."""

    def chunk(self, data: bytes) -> bytes:
        """Return ``data`` encoded and flushed."""
        if len(data) > SLICE:
            return b"".join([self._flushed(part) for part in slices(data)])
        return self._flushed(data)

    def write(self, data: bytes) -> bytes:
        """Take ``data``, and return what comes out of itself."""
        if self._always_flushes:  # with little memory blocks are short, and each costs five bytes
            return self.chunk(data)
        self._is_aligned = False
        return b"".join([self._with_header(self._fed(part)) for part in slices(data)])

    def finish(self, data: bytes) -> bytes:
        """Return the last ``data`` encoded, and the end of the stream."""
        *parts, last = slices(data) if data else (data,)
        out = [self._flushed(part) for part in parts]
        ending = self._fed(last) + self._compressor.flush(Z_FINISH)
        if self._is_aligned and len(ending) > _stored_size(len(last)):
            ending = _stored(last, is_last=True)
        out.append(self._with_header(ending))
        # RFC 1952, 2.3.1: CRC-32 and length modulo 2**32, least significant byte first.
        out.append(self._checksum.to_bytes(4, "little") + (self._size & 0xFFFF_FFFF).to_bytes(4, "little"))
        return b"".join(out)

    def _flushed(self, data: bytes | memoryview) -> bytes:
        out = self._fed(data) + self._compressor.flush(Z_SYNC_FLUSH)
        if self._is_aligned and len(out) > _stored_size(len(data)):
            # The client has seen nothing of what the compressor made, so it is as if it had not been; a new one
            # refers to nothing before it.
            out = _stored(data)
            self._compressor = self._begin()
        self._is_aligned = True
        return self._with_header(out)

    def _fed(self, data: bytes | memoryview) -> bytes:
        self._size += len(data)
        self._checksum = self._deflate.crc32(data, self._checksum)
        return self._compressor.compress(data)

    def _with_header(self, out: bytes) -> bytes:
        if self._header:
            out = self._header + out
            self._header = b""
        return out


def _header(padding: int) -> bytes:
    """Return the header, with a comment of ``padding`` bytes and the zero byte that ends it (RFC 1952, 2.3.1)."""
    return _WITH_COMMENT + _NO_TIME + b" " * padding + b"\0" if padding else _PLAIN


def _stored(data: bytes | memoryview, *, is_last: bool = False) -> bytes:
    """Return ``data`` in blocks that are not compressed: a type, the length and its complement (RFC 1951, 3.2.4)."""
    out: list[bytes | memoryview] = []
    for start in range(0, len(data), _LONGEST_STORED):
        part = data[start : start + _LONGEST_STORED]
        length, kind = len(part), is_last and start + _LONGEST_STORED >= len(data)
        out += [kind.to_bytes(1, "little"), length.to_bytes(2, "little"), (length ^ 0xFFFF).to_bytes(2, "little"), part]
    return b"".join(out)


def _stored_size(size: int) -> int:
    """Return how long ``size`` bytes are when stored; nothing needs no block, and then there is no bound."""
    return size + 5 * -(-size // _LONGEST_STORED) if size else _UNBOUNDED
