"""Decoders of the content codings, each giving its output in pieces of bounded size.

A decoder is fed while it ``needs_input``, and asked with nothing until it does again. Work and memory of one call are
bounded, whatever the data: a few bytes can stand for gigabytes.

Standard: RFC 9110, 8.4.1; RFC 1950, 1951 and 1952 (deflate, gzip); RFC 7932 (br); RFC 8878 and 9659 (zstd).
"""

from __future__ import annotations

import zlib
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from middlewares.errors import MissingExtra

from .failures import CorruptDataError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("DECODERS", "Decoder", "new_raw_deflate")

_MEMBERS_A_CALL: Final = 16
"""Members that one call of a decoder begins, if they hold nothing: making a decoder takes up to 10 µs."""

_GZIP: Final = 16 + zlib.MAX_WBITS  # zlib's way to ask for the gzip format, its checksum and length verified
_ZSTD_WINDOW_LOG: Final = 23  # RFC 9659, 3: a window of at most 8 MB
_BROTLI_LEAST: Final = 32_752
"""Bytes of brotli's first output buffer: it fills this much whatever it is asked for, and if asked for no more, stops
there; with larger buffers it overshoots by half."""

_BROTLI_HEAD: Final = 5
"""Bytes that hold the window, and kind and length of the first block."""
_BROTLI_QUICK: Final = 256 * 1024
"""Bytes of a brotli block that are decoded within 1 ms."""


class Decoder(Protocol):
    """One encoded body on its way."""

    @property
    def needs_input(self) -> bool:
        """Whether all input is decoded, and its output handed out."""
        ...

    @property
    def is_complete(self) -> bool:
        """Whether the data may end here."""
        ...

    @property
    def members(self) -> int:
        """How many members or frames have begun."""
        ...

    @property
    def is_slow(self) -> bool:
        """Whether one call may take longer than other requests should wait."""
        ...

    def look(self, data: bytes) -> int:
        """Return how many bytes the coded data says it will come to, as far as its first ``data`` tells, or 0."""
        ...

    def decode(self, data: bytes, limit: int) -> bytes:
        """Return what comes next: about ``limit`` bytes at most, often nothing; brotli gives 32 KB if there are.

        ``data`` must be empty unless the decoder ``needs_input``. Raises `CorruptDataError`.
        """
        ...


class _MembersDecoder:
    """Decode members one after the other, each with a decompressor of its own."""

    __slots__ = ("_member", "_pending", "is_complete", "members", "needs_input")

    is_slow = False
    coding: str
    error: type[Exception]

    def __init__(self) -> None:
        self._member: Any = None
        self._pending = b""
        self.needs_input = True
        self.is_complete = False
        self.members = 0

    def look(self, data: bytes) -> int:
        return 0

    def decode(self, data: bytes, limit: int) -> bytes:
        if data:
            self._pending = data
        output = b""
        for _ in range(_MEMBERS_A_CALL):
            if self._member is None:
                if not self._pending or not self._can_begin():
                    break
                self._member = self._new()
                self.members += 1
                self.is_complete = False
            output = self._decode_member(limit)
            if output or self._member is not None:
                break
        # A full output may have left more behind.
        self.needs_input = not self._pending and (self._member is None or len(output) < limit)
        return output

    def _can_begin(self) -> bool:
        """Return whether what is pending is enough to tell the format of a member."""
        return True

    def _decode_member(self, limit: int) -> bytes:
        member = self._member
        try:
            output: bytes = member.decompress(self._pending, limit)
        except self.error as error:
            raise CorruptDataError(f"The request body is not valid {self.coding}.") from error
        if member.eof:
            self._pending = member.unused_data
            self._member = None
            self.is_complete = True
        else:
            self._pending = self._unconsumed(member)
        return output

    def _new(self) -> Any:
        """Return a decompressor for the member that begins."""
        raise NotImplementedError

    @staticmethod
    def _unconsumed(member: Any) -> bytes:
        """Return the input that a member has left, because its output is full."""
        rest: bytes = member.unconsumed_tail
        return rest


class _GZipDecoder(_MembersDecoder):
    """gzip, of one member or several (RFC 1952, 2.2); zlib checks CRC and length of each."""

    __slots__ = ()

    coding = "gzip"
    error = zlib.error

    def _new(self) -> Any:
        return zlib.decompressobj(_GZIP)


class _DeflateDecoder(_MembersDecoder):
    """deflate: the zlib format (RFC 9110, 8.4.1.2), or if allowed what some clients send instead, without its frame."""

    __slots__ = ("_head", "_takes_raw")

    coding = "deflate"
    error = zlib.error

    def __init__(self, *, takes_raw: bool = False) -> None:
        _MembersDecoder.__init__(self)
        self._takes_raw = takes_raw
        self._head = b""

    def _can_begin(self) -> bool:
        if self.members:
            raise CorruptDataError("The request body goes on after the end of its deflate coding.")
        if self._takes_raw:
            self._pending = self._head + self._pending
            if len(self._pending) < 2:
                self._head, self._pending = self._pending, b""
                return False
        return True

    def _new(self) -> Any:
        is_raw = self._takes_raw and not _has_zlib_header(self._pending)
        return zlib.decompressobj(-zlib.MAX_WBITS if is_raw else zlib.MAX_WBITS)


def _has_zlib_header(data: bytes) -> bool:
    method, flags = data[:2]  # RFC 1950, 2.2
    return method & 0x0F == 8 and (method << 8 | flags) % 31 == 0


class _ZstdDecoder(_MembersDecoder):
    """Zstandard, of one frame or several, skippable ones among them (RFC 8878, 3.1)."""

    __slots__ = ("_make", "error")

    coding = "zstd"

    def __init__(self) -> None:
        _MembersDecoder.__init__(self)
        zstd: Any = _zstd()
        self.error = zstd.ZstdError
        options = {zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
        self._make: Callable[[], Any] = partial(zstd.ZstdDecompressor, options=options)

    def _new(self) -> Any:
        return self._make()

    @staticmethod
    def _unconsumed(member: Any) -> bytes:
        return b""  # it keeps its input itself


class _BrotliDecoder:
    """Brotli, with windows of up to 16 MB (RFC 7932, 9.1): the "large window" variant is no content coding.

    The library decodes a whole window before it hands out the first byte, whatever it is asked for: that may take
    30 ms and 16 MB. So the head of the data is read here, and what may be large is left to a thread, or refused.
    """

    __slots__ = ("_decompressor", "_error", "_head", "is_complete", "is_slow", "members", "needs_input")

    def __init__(self) -> None:
        import brotli  # type: ignore[import-untyped]  # it has no types

        self._decompressor = brotli.Decompressor()
        self._error = brotli.error
        self._head = b""
        self.needs_input = True
        self.is_complete = False
        self.is_slow = True  # until its head is known
        self.members = 1

    def look(self, data: bytes) -> int:
        if len(self._head) == _BROTLI_HEAD:
            return 0
        self._head += data[: _BROTLI_HEAD - len(self._head)]
        if len(self._head) < _BROTLI_HEAD:
            self.is_slow = False  # so few bytes stand for nothing yet
            return 0
        is_last, size = _brotli_block(int.from_bytes(self._head, "little"))
        self.is_slow = not is_last or size > _BROTLI_QUICK
        return size

    def decode(self, data: bytes, limit: int) -> bytes:
        if self.is_complete:
            if data:
                raise CorruptDataError("The request body goes on after the end of its br coding.")
            return b""
        try:
            output: bytes = self._decompressor.process(data, output_buffer_limit=min(limit, _BROTLI_LEAST))
        except self._error as error:
            raise CorruptDataError("The request body is not valid br.") from error
        self.is_complete = self._decompressor.is_finished()
        # It accepts more as soon as its input is read, though output may wait that this has made.
        self.needs_input = self.is_complete or (not output and self._decompressor.can_accept_more_data())
        return output


def _brotli_block(bits: int) -> tuple[bool, int]:
    """Return whether the first block of brotli data is the last, and the bytes that it stands for (RFC 7932, 9)."""
    if not bits & 1:
        bits >>= 1  # the window: 1, 4 or 7 bits
    else:
        bits >>= 4 if bits & 0b1110 else 7
    is_last = bool(bits & 1)
    bits >>= 1
    if is_last:
        if bits & 1:
            return True, 0  # and empty
        bits >>= 1
    nibbles = 4 + (bits & 0b11)
    if nibbles == 7:
        return is_last, 0  # metadata
    return is_last, ((bits >> 2) & ((1 << 4 * nibbles) - 1)) + 1


@cache
def _zstd() -> Any:
    """Return the module of the standard library, or its backport."""
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]  # Python 3.14
    except ImportError:
        try:
            from backports import zstd
        except ImportError:
            raise MissingExtra("Decompress: the coding zstd", "zstd") from None
    return zstd


def new_raw_deflate() -> Decoder:
    """Return a decoder of ``deflate`` that takes both formats, told apart by the first two bytes."""
    return _DeflateDecoder(takes_raw=True)


DECODERS: Final[dict[str, Callable[[], Decoder]]] = {
    "gzip": _GZipDecoder,
    "deflate": _DeflateDecoder,
    "br": _BrotliDecoder,
    "zstd": _ZstdDecoder,
}
"""What makes a decoder, by the name of its coding."""
