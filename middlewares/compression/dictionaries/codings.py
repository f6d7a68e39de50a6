"""The codings that use dictionaries, as far as the libraries at hand allow.

``dcz`` needs the extra ``zstd`` before Python 3.14; ``dcb`` needs the C functions of brotli's own wheel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from . import dcb

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares.compression.codecs import Codec

__all__ = ("CODINGS", "Coding")


class _Build(Protocol):
    def __call__(self, data: bytes, level: int) -> Codec: ...


class Coding(NamedTuple):
    """How to make a codec of a dictionary."""

    codec: _Build
    level: int
    """The level that is used unless another is asked for."""
    memory: Callable[[int], int]
    """How many bytes preparing a dictionary of so many bytes takes at most."""


def _available() -> dict[bytes, Coding]:
    codings: dict[bytes, Coding] = {}
    try:
        from . import dcz
    except ImportError:
        pass
    else:
        codings[b"dcz"] = Coding(dcz.DCZCodec, 3, dcz.memory)
    if dcb.is_available():
        codings[b"dcb"] = Coding(dcb.DCBCodec, 5, dcb.memory)
    return codings


CODINGS: Final = _available()
"""By name. ``dcz`` is first: it is ten times quicker than ``dcb``, and nearly as small."""
