"""Codecs behind one small interface."""

from __future__ import annotations

from .base import Codec, Encoder, NoBody
from .gzip import GZipCodec

__all__ = ("Codec", "Encoder", "GZipCodec", "NoBody")
