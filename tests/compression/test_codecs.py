"""Codecs: a whole body, or a stream of which every flushed chunk can be decoded as soon as it is there."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

import middlewares.compression.codecs as codecs
from middlewares.compression.codecs import GZipCodec, NoBody

from .decoding import SUBJECTS, decoded, random_case, seeded, text

if TYPE_CHECKING:
    from .decoding import Subject

BATCHES = 20
SWEPT = 100_000
JSON = text(20_000, seeded(1))

every_codec = pytest.mark.parametrize("subject", SUBJECTS, ids=str)


@pytest.mark.parametrize("seed", range(10))
def test_every_decoder_gets_the_body(seed: int) -> None:
    """Whatever the body, its chunks, the level, the padding and the flushes: `Case.check` says what holds."""
    random = seeded(f"test/{seed}")
    for _ in range(40):
        random_case(random).check()


@pytest.mark.sweep
@pytest.mark.parametrize("batch", range(BATCHES))
def test_every_decoder_gets_every_body(batch: int) -> None:
    random = seeded(f"sweep/{batch}")
    for _ in range(SWEPT // BATCHES):
        random_case(random).check()


@every_codec
def test_the_same_body_always_gives_the_same_bytes(subject: Subject) -> None:
    """Entity tags made outside depend on it; what a codec keeps for reuse must leave no trace."""
    codec = subject.codec(None)
    bodies = [text(size, seeded(size)) for size in (10, 500, 3000, 30_000, 200_000)]
    first = [codec.whole(body, padding=3) for body in bodies]
    stream = codec.stream()
    stream.chunk(JSON)
    stream.finish(JSON)
    assert [codec.whole(body, padding=3) for body in reversed(bodies)] == first[::-1]
    assert [subject.codec(None).whole(body, padding=3) for body in bodies] == first


@every_codec
@pytest.mark.parametrize("size", [0, 1, 100, 524_280, 524_281, 1_048_577, 1_600_000])
def test_bodies_of_all_sizes_decode(subject: Subject, size: int) -> None:
    """Large ones are encoded in slices."""
    random = seeded(size)
    body = text(size - size // 3, random) + random.randbytes(size // 3)
    codec = subject.codec(None)
    assert decoded(subject, codec.whole(body)) == body
    assert decoded(subject, codec.whole(body, padding=5)) == body
    one, other = codec.stream(), codec.stream()
    assert decoded(subject, one.chunk(body) + one.finish(body)) == body * 2
    assert decoded(subject, other.write(body) + other.finish(b"")) == body


@every_codec
def test_streams_share_nothing(subject: Subject) -> None:
    codec = subject.codec(None)
    one, other = codec.stream(), codec.stream()
    first = one.chunk(JSON)
    assert other.chunk(JSON) == first
    assert decoded(subject, first + one.finish(b"b")) == JSON + b"b"


@every_codec
@pytest.mark.parametrize("events", [False, True])
@pytest.mark.parametrize("size", [1, 100, 4_096, 16_383, 16_384])
def test_a_stream_that_does_not_compress_grows_by_few_bytes(subject: Subject, events: bool, size: int) -> None:
    random, count = seeded(size), 20
    for level in subject.levels:
        encoder = subject.codec(level).stream(events=events)
        encoded = [len(encoder.chunk(random.randbytes(size))) for _ in range(count)]
        assert max(encoded[1:]) <= size + 12
        assert sum(encoded) + len(encoder.finish(b"")) <= count * (size + 12) + 32


@every_codec
@pytest.mark.parametrize("size", [65_536, 1_000_000, 3_000_000])
def test_a_large_chunk_grows_by_what_the_format_needs(subject: Subject, size: int) -> None:
    """Five bytes for each stored block of gzip; in other formats three for each 32 KB at most."""
    chunk = seeded(size).randbytes(size)
    encoder = subject.codec(None).stream(events=True)
    assert len(encoder.chunk(chunk)) <= size + 20 + 5 * -(-size // 54_000)
    assert len(encoder.finish(chunk)) <= size + 20 + 5 * -(-size // 54_000)


@every_codec
@pytest.mark.parametrize("padding", [1, 2, 30, 255, 256, 257, 65_536, 65_537])
def test_padding_adds_so_many_bytes(subject: Subject, padding: int) -> None:
    """Two paddings framed alike differ by exactly as much as they should; each adds no more than its frame."""
    codec = subject.codec(None)
    for encode in (codec.whole, lambda body, *, padding: codec.stream(padding=padding).finish(body)):
        encoded = encode(JSON, padding=padding)
        assert decoded(subject, encoded) == JSON
        added = len(encoded) - len(encode(JSON, padding=0))
        assert padding <= added <= padding + subject.padding_frame
        filler = b" " if subject.name.startswith("gzip") else b"\0"
        assert filler * padding in encoded[: padding + 16]


@every_codec
def test_events_are_smaller_than_they_were(subject: Subject) -> None:
    """Little memory still lets later events refer to earlier ones."""
    events = [b'data: {"object": "chunk", "choices": [{"index": 0, "content": "%d"}]}\n\n' % n for n in range(200)]
    encoder = subject.codec(None).stream(events=True)
    assert sum(len(encoder.chunk(event)) for event in events) < sum(map(len, events)) / 3


@every_codec
def test_time_grows_with_the_body_and_the_level(subject: Subject) -> None:
    codecs_of_levels = [subject.codec(level) for level in sorted(level for level in subject.levels if level)]
    for codec in codecs_of_levels:
        assert 0 < codec.seconds(0) < codec.seconds(10_000) < codec.seconds(1_000_000)
    assert [codec.seconds(10_000) for codec in codecs_of_levels] == sorted(
        codec.seconds(10_000) for codec in codecs_of_levels
    )


def test_what_has_no_body_gets_no_bytes() -> None:
    encoder = NoBody()
    assert encoder.chunk(b"a") == encoder.write(b"a") == encoder.finish(b"b") == b""


def test_there_are_no_other_names() -> None:
    assert codecs.GZipCodec is GZipCodec
    with pytest.raises(AttributeError, match="LZWCodec"):
        getattr(codecs, "LZWCodec")  # noqa: B009 - a checker would object to the name


@pytest.mark.parametrize(
    ("library", "module", "said"),
    [
        ("brotli", "brotli", "Brotli needs an optional dependency: pip install 'middlewares[all]'"),
        ("backports.zstd", "zstd", "Zstandard needs an optional dependency: pip install 'middlewares[zstd]'"),
    ],
)
def test_a_missing_library_is_named_when_its_codec_is_imported(library: str, module: str, said: str) -> None:
    if sys.version_info >= (3, 14) and module == "zstd":
        library = "compression.zstd"
    assert said in _without(library, f"import middlewares.compression.codecs.{module}")


def test_codecs_are_imported_one_by_one() -> None:
    program = "import sys, middlewares.compression.codecs.gzip; print([n for n in sys.modules if n in ('brotli', 'a')])"
    assert _without("backports.zstd", program) == "[]\n"


@pytest.mark.parametrize("library", ["deflate", "zlib_ng"])
def test_gzip_makes_do_with_the_standard_library(library: str) -> None:
    program = """
        from middlewares.compression.codecs import GZipCodec
        from zlib import decompress
        assert decompress(GZipCodec().whole(b'a' * 5000), 31) == b'a' * 5000
        GZipCodec(backend='fast')
    """
    assert "gzip by libdeflate and zlib-ng needs an optional dependency" in _without(library, program)


def _without(library: str, program: str) -> str:
    """Return what a program says that cannot import a library."""
    source = f"import sys; sys.modules[{library!r}] = None\n" + textwrap.dedent(program)
    path = os.pathsep.join(entry for entry in sys.path if entry)
    run = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, env={"PYTHONPATH": path}, check=False
    )
    return run.stdout + run.stderr
