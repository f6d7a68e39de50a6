"""Compress responses with Brotli."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .layer import CompressionLayer, check_level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from middlewares.errors import OptionErrors

    from .codecs import Codec

__all__ = ("Brotli",)


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class Brotli(CompressionLayer):
    """Compress response bodies with Brotli for clients that accept it.

    It does what `GZip` does, in another coding: text gets smaller than with gzip, in more time. Browsers offer to
    take it over HTTPS, and on localhost, only.

    Order: outside everything that reads or changes bodies, inside what counts bytes on the wire.
    Standard: RFC 9110, 8.4, 12.5.3 and 12.5.5; RFC 7932.
    """

    quality: int | None = None
    """From 0 (fast) to 11 (small, and very slow); unless given, by the size of the body."""

    def _check(self, problems: OptionErrors) -> None:
        check_level(problems, "quality", self.quality, 11, least=0)

    def _codecs(self) -> Sequence[Codec]:
        from .codecs import BrotliCodec

        return [BrotliCodec(self.quality)]
