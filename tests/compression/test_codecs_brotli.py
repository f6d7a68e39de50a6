"""Brotli: windows, and what is never done with its lowest qualities."""

from __future__ import annotations

import brotli  # type: ignore[import-untyped]  # it has no stubs
import pytest

from middlewares.compression.codecs import BrotliCodec

from .decoding import seeded, text


def window_bits(encoded: bytes) -> int:
    """Return the bits of the window that a stream declares (RFC 7932, 9.1), for those from 16 on."""
    if not encoded[0] & 1:
        return 16
    bits = encoded[0] >> 1 & 0b111
    if bits:
        return 17 + bits
    bits = encoded[0] >> 4 & 0b111
    assert bits == 0, "a window below 16 bits, or a large one"
    return 17


@pytest.mark.parametrize(
    ("size", "bits"),
    [(0, 16), (65_520, 16), (65_521, 17), (131_056, 17), (131_057, 18), (600_000, 20), (4_194_289, 22)],
)
def test_the_window_is_as_large_as_a_known_body_needs(size: int, bits: int) -> None:
    """A window of n bits holds 2**n - 16 bytes, and never more than 4 MB are asked of a client."""
    body = b"ab" * (size // 2) + b"c" * (size % 2)
    for quality in (None, 2, 5):
        assert window_bits(BrotliCodec(quality).whole(body)) == bits
        assert window_bits(BrotliCodec(quality).stream(size=size).finish(body[:100])) == bits


def test_open_streams_have_small_windows() -> None:
    codec = BrotliCodec(9)
    assert window_bits(codec.stream().chunk(b"body")) == 18
    assert window_bits(codec.stream(events=True).chunk(b"body")) == 16
    assert window_bits(codec.stream(events=True, size=9_000_000).chunk(b"body")) == 16


@pytest.mark.parametrize("quality", [0, 1])
@pytest.mark.parametrize("events", [False, True])
def test_flushed_streams_remember_at_every_quality(quality: int, events: bool) -> None:
    encoder = BrotliCodec(quality).stream(events=events)
    event = text(300, seeded(1))
    first, *others = [len(encoder.chunk(event)) for _ in range(10)]
    assert max(others) < first / 3


def test_small_bodies_are_encoded_with_more_care_than_large_ones() -> None:
    body = text(20_000, seeded(1))
    codec = BrotliCodec()
    assert codec.whole(body) == BrotliCodec(5).whole(body)
    assert codec.whole(body * 10) == BrotliCodec(4).whole(body * 10)
    assert codec.whole(body * 20) == BrotliCodec(3).whole(body * 20)


def test_padding_of_any_size_is_framed() -> None:
    """RFC 7932, 9.2: a block of metadata holds 16 MB."""
    size = (1 << 24) + 3
    encoded = BrotliCodec(1).whole(b"body", padding=size)
    assert size <= len(encoded) - len(BrotliCodec(1).whole(b"body")) <= size + 12
    assert brotli.decompress(encoded) == b"body"
