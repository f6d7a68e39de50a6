"""Codecs behind one small interface.

A codec is imported when it is first asked for, because its library may be missing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .base import Codec, Encoder, NoBody

if TYPE_CHECKING:
    from .brotli import BrotliCodec
    from .gzip import GZipCodec
    from .zstd import ZstdCodec

__all__ = ("BrotliCodec", "Codec", "Encoder", "GZipCodec", "NoBody", "ZstdCodec")

_LAZY = {"BrotliCodec": ".brotli", "GZipCodec": ".gzip", "ZstdCodec": ".zstd"}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_LAZY[name], __name__), name)
    globals()[name] = value
    return value
