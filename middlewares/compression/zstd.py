"""Compress responses with Zstandard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .layer import CompressionLayer, check_level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from middlewares.errors import OptionErrors

    from .codecs import Codec

__all__ = ("Zstd",)


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class Zstd(CompressionLayer):
    """Compress response bodies with Zstandard for clients that accept it.

    It does what `GZip` does, in another coding: several times faster, and about as small. Frames never ask a client
    for more than 8 MB of window, at any level. Before Python 3.14 it needs the extra ``zstd``.

    Order: outside everything that reads or changes bodies, inside what counts bytes on the wire.
    Standard: RFC 9110, 8.4, 12.5.3 and 12.5.5; RFC 8878; RFC 9659.
    """

    level: int | None = None
    """From 1 (fast) to 22 (small, and very slow); unless given, by the size of the body."""

    def _check(self, problems: OptionErrors) -> None:
        check_level(problems, "level", self.level, 22)

    def _codecs(self) -> Sequence[Codec]:
        from .codecs import ZstdCodec

        return [ZstdCodec(self.level)]
