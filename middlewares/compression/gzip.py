"""Compress responses with gzip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .codecs import Codec, GZipCodec
from .layer import CompressionLayer, check_level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from middlewares.errors import OptionErrors

__all__ = ("GZip",)


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class GZip(CompressionLayer):
    """Compress response bodies with gzip for clients that accept it.

    A body that is sent whole is compressed if that makes it smaller. A stream is compressed chunk by chunk, each
    flushed before the next is produced, so server-sent events arrive as they are sent. Strong entity tags become
    weak, ``Vary`` names ``Accept-Encoding`` on every variant, and what describes the bytes as they were is left out.

    Untouched are ranges, responses that are encoded already or say ``Cache-Control: no-transform``, WebSockets and
    lifespan events.

    Order: outside everything that reads or changes bodies, inside what counts bytes on the wire.
    Standard: RFC 9110, 8.4, 12.5.3 and 12.5.5; RFC 1952.
    """

    compresslevel: int | None = None
    """From 1 (fast) to 9 (small); unless given, by the size of the body."""

    def _check(self, problems: OptionErrors) -> None:
        check_level(problems, "compresslevel", self.compresslevel, 9)

    def _codecs(self) -> Sequence[Codec]:
        return [GZipCodec(self.compresslevel)]
