"""Decoders one after the other, as codings are stacked, under limits that hold for all of them.

No I/O: bytes from the wire go in, decoded bytes come out step by step. One step is a bounded amount of work, some
0.3 ms and at worst about 1 ms, so that between two the event loop can serve others; a chain that ``is_slow`` says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .failures import CorruptDataError, LimitError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .decoders import Decoder

__all__ = ("Chain", "Limits")

_INPUT: Final = 16 * 1024
"""Bytes that a decoder is given at once: empty blocks cost zlib up to 60 ns a byte, and give nothing."""
_OUTPUT: Final = 64 * 1024
"""Bytes of one step, about."""
_MOST_MEMBERS: Final = 1000
"""Members or frames of a body. Each may be empty and costs up to 10 µs; an honest one holds 64 KB or more."""
_OVERHEAD: Final = 2
"""Encoded bytes may be so many times ``max_size``: no honest coding doubles a body, but padding can be endless."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a body may be."""

    max_size: int
    """Decoded bytes."""
    max_ratio: int | None
    """Decoded bytes to one encoded byte."""
    ratio_floor: int
    """Decoded bytes up to which the ratio is not judged."""

    @property
    def encoded(self) -> int:
        """Encoded bytes, on the wire and between two codings."""
        return self.max_size * _OVERHEAD

    def check(self, size: int, limit: int, received: int) -> None:
        """Raise `LimitError` if ``size`` bytes are more than ``limit``, or too many for those ``received``."""
        if size > limit:
            raise too_large(self)
        if self.max_ratio is not None and size > self.ratio_floor and size > self.max_ratio * received:
            detail = f"The request body unpacks to more than {self.max_ratio} times its encoded size."
            raise LimitError("ratio", detail)


def too_large(limits: Limits) -> LimitError:
    """Return the error for a body that is larger than allowed."""
    return LimitError("size", f"The request body is larger than {limits.max_size} bytes when it is decoded.")


class Chain:
    """The decoders of one body; bytes pass them in the order of the list."""

    __slots__ = ("_announced", "_decoders", "_given", "_limits", "_received", "_source")

    def __init__(self, makers: Sequence[Callable[[], Decoder]], limits: Limits, length: int | None = None) -> None:
        """``length``: bytes that will come from the wire, if that is known."""
        self._decoders = [make() for make in makers]
        self._announced = length
        self._given = [0] * len(makers)
        self._limits = limits
        self._received = 0
        self._source = memoryview(b"")

    @property
    def needs_input(self) -> bool:
        """Whether there is nothing left to do without more bytes from the wire."""
        return not self._source and all(decoder.needs_input for decoder in self._decoders)

    @property
    def is_slow(self) -> bool:
        """Whether a step may hold up an event loop for longer than others should wait."""
        return any(decoder.is_slow for decoder in self._decoders)

    def feed(self, data: bytes, *, is_last: bool = False) -> None:
        """Take bytes from the wire, which may only come when the chain ``needs_input``. Raises `LimitError`."""
        self._received += len(data)
        if self._received > self._limits.encoded:
            raise too_large(self._limits)
        if is_last:
            self._announced = self._received
        self._source = memoryview(data)
        self._look(0, data)

    def step(self) -> bytes:
        """Do a bounded amount of work, and return what came out at the end of the chain: often nothing.

        Raises `CorruptDataError` and `LimitError`.
        """
        decoders = self._decoders
        last = len(decoders) - 1
        # The one nearest to the end that has something to do: so nothing piles up between two.
        at = next((index for index in range(last, -1, -1) if not decoders[index].needs_input), -1)
        data = b""
        if at < 0:
            at = 0
            data, self._source = bytes(self._source[:_INPUT]), self._source[_INPUT:]
        while True:
            data = self._decode(at, data)
            if at == last or not data:
                return data
            at += 1
            self._look(at, data)

    def finish(self) -> None:
        """Say that nothing more comes from the wire. Raises `CorruptDataError` if the data is cut short.

        No bytes at all are an empty body, whatever coding is named: some clients name one with every request.
        """
        if self._received and not all(decoder.is_complete for decoder in self._decoders):
            raise CorruptDataError("The request body ends before its coding does.")

    def close(self) -> None:
        """Let go of all decoders and what they hold."""
        self._decoders.clear()
        self._source = memoryview(b"")

    def _most(self, at: int) -> int:
        return self._limits.max_size if at == len(self._decoders) - 1 else self._limits.encoded

    def _look(self, at: int, data: bytes) -> None:
        size = self._decoders[at].look(data)
        if size:
            # What has not come yet may make up for the ratio, where nobody knows how much that is.
            received = self._limits.max_size if self._announced is None else self._announced
            self._limits.check(size, self._most(at), received)

    def _decode(self, at: int, data: bytes) -> bytes:
        decoder, limits, most = self._decoders[at], self._limits, self._most(at)
        is_last = at == len(self._decoders) - 1
        output = decoder.decode(data, min(_OUTPUT if is_last else _INPUT, most - self._given[at] + 1))
        self._given[at] += len(output)
        limits.check(self._given[at], most, self._received)
        if decoder.members > _MOST_MEMBERS:
            raise LimitError("members", f"The request body has more than {_MOST_MEMBERS} parts.")
        return output
