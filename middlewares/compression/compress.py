"""Compress responses in the coding that the client likes best, out of all that are there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from middlewares.errors import MissingExtra, OptionErrors

from .dictionaries.declaration import Dictionary, declare
from .layer import CompressionLayer, check_level

if TYPE_CHECKING:
    from collections.abc import Callable

    from .codecs import Codec
    from .dictionaries import Dictionaries

__all__ = ("Compress",)

_CODINGS: Final = ("zstd", "br", "gzip")
"""By default the fastest first: zstd is some four times as fast as gzip at the same size."""


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class Compress(CompressionLayer):
    """Compress response bodies in the coding that the client likes best: Zstandard, Brotli or gzip.

    A body that is sent whole is compressed if that makes it smaller. A stream is compressed chunk by chunk, each
    flushed before the next is produced, so server-sent events arrive as they are sent. Strong entity tags become
    weak, ``Vary`` names ``Accept-Encoding`` on every variant, and what describes the bytes as they were is left out.

    Untouched are ranges, responses that are encoded already or say ``Cache-Control: no-transform``, WebSockets and
    lifespan events.

    Order: outside everything that reads or changes bodies, inside what counts bytes on the wire.
    Standard: RFC 9110, 8.4, 12.5.3 and 12.5.5; RFC 1952 (gzip); RFC 7932 (br); RFC 8878 and RFC 9659 (zstd); RFC 9842
    (dictionaries).
    """

    codings: Sequence[str] = _CODINGS
    """Codings to offer. Of those that a client likes equally the first is taken. By default, what is installed."""
    gzip_level: int | None = None
    """From 1 (fast) to 9 (small); unless given, by the size of the body."""
    brotli_quality: int | None = None
    """From 0 (fast) to 11 (small, and very slow); unless given, by the size of the body."""
    zstd_level: int | None = None
    """From 1 (fast) to 22 (small, and very slow); unless given, by the size of the body."""

    dictionaries: Collection[Dictionary | Mapping[str, Any]] = ()
    """Dictionaries to encode with for clients that hold them, each a ``Dictionary`` or a table of its options."""

    def _check(self, problems: OptionErrors) -> None:
        declare(self.dictionaries, option="dictionaries", problems=problems)
        is_known = bool(self.codings) and {*self.codings} <= {*_CODINGS}
        is_known = is_known and len({*self.codings}) == len(self.codings)
        problems.check(is_known, "codings", "must hold some of 'zstd', 'br' and 'gzip', each once", self.codings)
        check_level(problems, "gzip_level", self.gzip_level, 9)
        check_level(problems, "brotli_quality", self.brotli_quality, 11, least=0)
        check_level(problems, "zstd_level", self.zstd_level, 22)

    def _dictionaries(self, beside: Sequence[bytes]) -> Dictionaries | None:
        if not self.dictionaries:
            return None
        from .dictionaries import Dictionaries

        declared = declare(self.dictionaries, option="dictionaries", problems=OptionErrors(self))
        return Dictionaries(declared, beside=beside)

    def _codecs(self) -> Sequence[Codec]:
        from . import codecs

        makers: dict[str, Callable[[], Codec]] = {
            "zstd": lambda: codecs.ZstdCodec(self.zstd_level),
            "br": lambda: codecs.BrotliCodec(self.brotli_quality),
            "gzip": lambda: codecs.GZipCodec(self.gzip_level),
        }
        if self.codings is not _CODINGS:
            return [makers[coding]() for coding in self.codings]
        found = (_if_installed(makers[coding]) for coding in _CODINGS)
        return [codec for codec in found if codec is not None]


def _if_installed(make: Callable[[], Codec]) -> Codec | None:
    try:
        return make()
    except MissingExtra:
        return None
