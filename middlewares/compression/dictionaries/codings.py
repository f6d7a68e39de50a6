"""The codings that use dictionaries, as far as the libraries at hand allow.

``dcz`` needs the extra ``zstd`` before Python 3.14; ``dcb`` needs the C functions of brotli's own wheel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from . import dcb

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares.compression.codecs import Codec

__all__ = ("CODINGS", "Coding", "find_codings")


class _Build(Protocol):
    def __call__(self, data: bytes, level: int) -> Codec: ...


class Coding(NamedTuple):
    """How to make a codec of a dictionary."""

    codec: _Build
    level: int
    """The level that is used unless another is asked for."""
    memory: Callable[[int, int], int]
    """How many bytes preparing takes at most, by the bytes of the dictionary and the level."""


def find_codings() -> dict[bytes, Coding]:
    """Return the codings for which everything is installed."""
    codings: dict[bytes, Coding] = {}
    try:
        from . import dcz
    except ImportError:
        pass
    else:
        codings[b"dcz"] = Coding(dcz.DCZCodec, 5, dcz.memory)
    if dcb.is_available():
        codings[b"dcb"] = Coding(dcb.DCBCodec, 5, dcb.memory)
    return codings


CODINGS: Final = find_codings()
"""By name. ``dcz`` is first: it is ten times quicker than ``dcb``, and nearly as small."""
