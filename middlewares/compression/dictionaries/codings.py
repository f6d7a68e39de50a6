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

    name: str
    codec: _Build
    level: int
    """The level that is used unless another is asked for."""
    levels: range
    memory: Callable[[int, int], int]
    """How many bytes preparing takes at most, by the bytes of the dictionary and the level."""

    def level_or(self, level: int | None) -> int:
        """Return a level that was asked for, if it exists, and the usual one if none was."""
        if level is None:
            return self.level
        if level not in self.levels:
            raise ValueError(f"{self.name}: level must be from {self.levels[0]} to {self.levels[-1]}; got {level!r}")
        return level


def find_codings() -> dict[bytes, Coding]:
    """Return the codings for which everything is installed."""
    codings: dict[bytes, Coding] = {}
    try:
        from . import dcz
    except ImportError:
        pass
    else:
        codings[b"dcz"] = Coding("dcz", dcz.DCZCodec, 5, range(1, 20), dcz.memory)
    if dcb.is_available():
        codings[b"dcb"] = Coding("dcb", dcb.DCBCodec, 5, range(5, 12), dcb.memory)
    return codings


CODINGS: Final = find_codings()
"""By name. ``dcz`` is first: it is ten times quicker than ``dcb``, and nearly as small."""
