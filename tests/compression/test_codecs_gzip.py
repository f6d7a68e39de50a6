"""gzip: the header, the sizes by level, and stored blocks for what does not compress."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import TYPE_CHECKING

import pytest

from middlewares.compression.codecs import GZipCodec

from .decoding import seeded, text

if TYPE_CHECKING:
    from random import Random

    from middlewares.compression.codecs.deflating import BackendName

SIZES = (500, 1_000, 2_000, 10_000, 65_536, 100_000)

both_backends = pytest.mark.parametrize("backend", ["fast", "zlib"])


@both_backends
@pytest.mark.parametrize("size", [0, 100, 5_000, 1_200_000])
def test_the_header_tells_nothing(backend: BackendName, size: int) -> None:
    """RFC 1952, 2.3.1: neither a time nor a name is written."""
    codec, body = GZipCodec(backend=backend), bytes(size)
    header = b"\x1f\x8b\x08\x00\0\0\0\0"
    assert codec.whole(body)[:8] == codec.stream().chunk(b"a")[:8] == header


@both_backends
def test_padding_is_a_comment(backend: BackendName) -> None:
    """RFC 1952, 2.3.1.1: the flag FCOMMENT, and a zero byte behind."""
    encoded = GZipCodec(backend=backend).whole(b"body" * 100, padding=3)
    assert encoded[3] == 0x10
    assert encoded[10:14] == b"   \0"
    assert gzip.decompress(encoded) == b"body" * 100


def records(size: int, random: Random) -> bytes:
    """Return about ``size`` bytes of JSON, as an application lists its records."""
    words = [name for name in dir(str) if name.islower()]
    out, length = [], 0
    while length < size:
        number = random.randrange(10**6)
        tags, text = random.sample(words, 2), " ".join(random.choices(words, k=random.randrange(4, 14)))
        record = {"id": number, "price": number % 9973 / 100, "stock": number % 7 > 2, "tags": tags, "text": text}
        out.append(json.dumps(record, separators=(",", ":")))
        length += len(out[-1]) + 1
    return "[{}]".format(",".join(out)).encode()


def larger(codec: GZipCodec, size: int, level: int) -> float:
    """Return how much larger bodies are than zlib makes them at a level, on the whole: small ones differ in luck.

    Small ones are real JSON, for libdeflate leaves out the matches of three bytes that `text` is full of.
    """
    make = records if size < 2_000 else text
    bodies = [make(size, seeded(seed)) for seed in range(max(1, 20_000 // size))]
    return sum(len(codec.whole(body)) for body in bodies) / sum(len(zlib.compress(body, level, 31)) for body in bodies)


@both_backends
@pytest.mark.parametrize("size", SIZES)
def test_chosen_by_size_bodies_are_not_much_larger_than_at_level_6(backend: BackendName, size: int) -> None:
    assert larger(GZipCodec(backend=backend), size, 6) <= 1.02


@pytest.mark.parametrize("level", range(1, 10))
@pytest.mark.parametrize("size", SIZES)
def test_libdeflate_makes_bodies_not_much_larger_than_zlib_does_at_that_level(level: int, size: int) -> None:
    assert larger(GZipCodec(level, backend="fast"), size, level) <= 1.02


@both_backends
def test_large_bodies_are_encoded_faster(backend: BackendName) -> None:
    codec, six = GZipCodec(backend=backend), GZipCodec(6, backend=backend)
    assert codec.seconds(4_000_000) < six.seconds(4_000_000) / 1.5


@both_backends
@pytest.mark.parametrize("events", [False, True])
def test_what_follows_a_stored_chunk_refers_to_nothing_before_it(backend: BackendName, events: bool) -> None:
    """The compressor that knew the earlier chunks is gone, because its distances would be wrong."""
    random = seeded(1)
    known, noise = text(3_000, random), random.randbytes(3_000)
    encoder = GZipCodec(backend=backend).stream(events=events)
    pieces = [encoder.chunk(part) for part in (known, noise, known, noise)]
    assert len(pieces[1]) == len(noise) + 5
    assert len(pieces[2]) > len(pieces[0]) / 2
    assert gzip.decompress(b"".join(pieces) + encoder.finish(noise)) == (known + noise) * 2 + noise


@both_backends
def test_a_last_chunk_may_be_stored(backend: BackendName) -> None:
    noise = seeded(1).randbytes(70_000)
    encoded = GZipCodec(backend=backend).stream(events=True).finish(noise)
    assert len(encoded) == 10 + len(noise) + 2 * 5 + 8
    assert gzip.decompress(encoded) == noise


@both_backends
def test_what_was_written_without_a_flush_is_never_stored_anew(backend: BackendName) -> None:
    """Part of it may have left already."""
    random = seeded(1)
    noise = random.randbytes(40_000)
    encoder = GZipCodec(backend=backend).stream()
    encoded = encoder.write(noise) + encoder.chunk(noise) + encoder.write(noise) + encoder.finish(noise)
    assert gzip.decompress(encoded) == noise * 4


def test_events_that_are_written_leave_at_once() -> None:
    encoder = GZipCodec().stream(events=True)
    assert zlib.decompressobj(31).decompress(encoder.write(b"data: 1\n\n")) == b"data: 1\n\n"
