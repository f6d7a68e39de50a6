"""Zstandard: windows that browsers take, and compressors that are used again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from time import thread_time
from typing import Any

import pytest
import zstandard

from middlewares.compression.codecs import ZstdCodec
from middlewares.compression.codecs import zstd as module

from .decoding import SUBJECTS, decoded, seeded, text

LARGEST_WINDOW = 8 * 1024 * 1024
ZSTD = SUBJECTS[-1]


def frame(encoded: bytes) -> zstandard.FrameParameters:
    """Return what the header of a frame declares."""
    return zstandard.get_frame_parameters(encoded)


@pytest.mark.parametrize("level", [None, -7, 1, 3, 9, 16, 19, 20, 21, 22])
@pytest.mark.parametrize("size", [0, 1_000, 600_000, LARGEST_WINDOW - 1, LARGEST_WINDOW + 1, 9_000_000])
def test_no_frame_declares_more_than_8_mb(level: int | None, size: int) -> None:
    """RFC 9659, 3, at every level; where the frame is a single segment, its size is what it declares."""
    body = bytes(size)
    encoded = ZstdCodec(level).whole(body)
    assert frame(encoded).window_size <= LARGEST_WINDOW
    assert frame(encoded).content_size == size
    assert decoded(ZSTD, encoded) == body


@pytest.mark.parametrize("level", [None, 1, 9, 19, 22])
def test_no_stream_declares_more_than_8_mb(level: int | None) -> None:
    codec = ZstdCodec(level)
    assert frame(codec.stream().chunk(b"body")).window_size <= LARGEST_WINDOW
    assert frame(codec.stream(size=10**9).chunk(b"body")).window_size <= LARGEST_WINDOW
    assert frame(codec.stream(events=True).chunk(b"body")).window_size == 32 * 1024
    assert frame(codec.stream(size=32 * 1024).chunk(b"body")).window_size == 32 * 1024


@pytest.mark.parametrize("level", [9, 12, 19, 22])
def test_the_first_chunk_of_a_stream_waits_for_no_large_tables(level: int) -> None:
    """Clearing those of level 22 would take a second."""
    begin = thread_time()
    for _ in range(3):
        assert frame(ZstdCodec(level).stream().chunk(b"body")).window_size <= 2 * 1024 * 1024
    assert (thread_time() - begin) / 3 < 0.01


@pytest.mark.parametrize("said", [0, 10, 5_000, 100_000])
def test_a_stream_may_have_another_size_than_was_said(said: int) -> None:
    body = text(50_000, seeded(1))
    encoder = ZstdCodec().stream(size=said)
    assert decoded(ZSTD, encoder.chunk(body) + encoder.finish(body)) == body * 2


def test_padding_is_a_skippable_frame_in_front() -> None:
    """RFC 8878, 3.1.2."""
    encoded = ZstdCodec().whole(b"body", padding=3)
    assert encoded[:11] == b"\x50\x2a\x4d\x18\x03\0\0\0\0\0\0"
    assert encoded[11:] == ZstdCodec().whole(b"body")


def test_padding_does_not_leave_before_there_is_something_of_the_body() -> None:
    """A stream that is broken off there would look like the whole of an empty body."""
    encoder = ZstdCodec().stream(padding=3)
    assert encoder.write(b"body") == b""
    assert encoder.finish(b"").startswith(b"\x50\x2a\x4d\x18\x03\0\0\0")


def test_compressors_are_used_again_by_one_at_a_time() -> None:
    """Threads encode with one codec at the same time, and so do whole bodies and streams."""
    codec = ZstdCodec()
    bodies = [text(20_000 + 997 * n, seeded(n)) for n in range(40)]

    def encode(body: bytes) -> bool:
        encoder = codec.stream(size=len(body) if len(body) % 2 else None)
        first = encoder.chunk(body)
        whole = codec.whole(body)
        return decoded(ZSTD, first + encoder.finish(body)) == body * 2 and decoded(ZSTD, whole) == body

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(encode, bodies))


def test_few_compressors_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    original: Any = vars(module)["ZstdCompressor"]

    def count(**options: Any) -> object:
        made.append(options)
        return original(**options)

    monkeypatch.setattr(module, "ZstdCompressor", count)
    codec = ZstdCodec()
    for _ in range(10):
        codec.whole(b"body")
    assert len(made) == 1
    streams = [codec.stream() for _ in range(10)]
    assert len(made) == 10
    for stream in streams:
        stream.finish(b"body")
    again = [codec.stream() for _ in range(10)]
    assert len(made) == 16
    assert decoded(ZSTD, again[0].finish(b"body")) == b"body"


def test_a_stream_that_was_broken_off_leaves_no_compressor() -> None:
    codec = ZstdCodec()
    codec.stream().chunk(b"half of a frame")
    assert decoded(ZSTD, codec.whole(b"body")) == b"body"
