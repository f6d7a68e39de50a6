"""Codecs under test, decoders that share nothing with them, and random bodies to try both with."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

import zstandard

from middlewares.compression.codecs import BrotliCodec, Codec, GZipCodec, ZstdCodec

try:
    import brotlicffi as brotli  # type: ignore[import-untyped,unused-ignore]  # it has no stubs
except ImportError:  # where it has no wheel, the library that also encodes must do
    import brotli  # type: ignore[import-untyped,no-redef,unused-ignore]  # it has no stubs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from middlewares.compression.codecs import Encoder

__all__ = ("SUBJECTS", "Case", "Subject", "decoded", "part", "random_case", "seeded", "text")

LARGEST_WINDOW = 8 * 1024 * 1024
_WORDS = (
    b'{"id": 1024, "name": "chair, oak", "price": 79.5, "tags": ["wood", "kitchen", "sale"]}, null true\r\n\xc3\xa9'
)


class Decoder(Protocol):
    """A decoder of one stream."""

    def decompress(self, data: bytes, /) -> bytes:
        """Return what ``data`` decodes to."""
        ...


@dataclass(frozen=True)
class Subject:
    """One codec, at any of its levels, and its decoder."""

    name: str
    codec: Callable[[int | None], Codec]
    levels: tuple[int | None, ...]
    slow: tuple[int, ...]
    """Levels that take milliseconds even for small bodies, and are tried less often."""
    decoder: Callable[[], Decoder]
    padding_frame: int
    """The most bytes that frame a padding."""

    def __str__(self) -> str:
        return self.name


class _BrotliDecoder:
    def __init__(self) -> None:
        self._decoder: Any = brotli.Decompressor()

    def decompress(self, data: bytes, /) -> bytes:
        """Return what ``data`` decodes to."""
        decoded: bytes = self._decoder.process(data)
        while more := self._decoder.process(b""):  # brotlicffi keeps some back
            decoded += more
        return decoded


def _gzip_decoder() -> Decoder:
    return zlib.decompressobj(31)


def _zstd_decoder() -> Decoder:
    return zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW).decompressobj(read_across_frames=True)


SUBJECTS = (
    Subject("gzip-fast", lambda level: GZipCodec(level, backend="fast"), (None, *range(1, 9)), (9,), _gzip_decoder, 1),
    Subject("gzip-zlib", lambda level: GZipCodec(level, backend="zlib"), (None, *range(1, 9)), (9,), _gzip_decoder, 1),
    Subject("br", BrotliCodec, (None, *range(7)), (7, 8, 9, 10, 11), _BrotliDecoder, 8),
    Subject("zstd", ZstdCodec, (None, -7, *range(1, 11)), tuple(range(11, 23)), _zstd_decoder, 8),
)


def decoded(subject: Subject, data: bytes) -> bytes:
    """Return a whole encoded body decoded; nothing may be missing or left over."""
    decoder = subject.decoder()
    body = decoder.decompress(data)
    state: Any = decoder._decoder if isinstance(decoder, _BrotliDecoder) else decoder
    # zstandard's decoder waits for another frame, but raises for one that ends before its time only when flushed.
    finished = state.is_finished() if hasattr(state, "is_finished") else getattr(state, "eof", True)
    assert finished or subject.name == "zstd"
    assert not getattr(state, "unused_data", b"")
    return body


def seeded(seed: int | str) -> Random:
    """Return a source of the same random numbers in every run."""
    return Random(seed)  # noqa: S311 - repeatable on purpose


def text(size: int, random: Random) -> bytes:
    """Return ``size`` bytes that compress about as JSON does."""
    out = bytearray()
    while len(out) < size:
        start = random.randrange(len(_WORDS))
        out += _WORDS[start : start + random.randrange(2, 30)]
        out += b"%d" % random.randrange(1000)
    return bytes(out[:size])


def _runs(size: int, random: Random) -> bytes:
    return (random.randbytes(random.randrange(1, 40)) * (size + 1))[:size]


def _patches(size: int, random: Random) -> bytes:
    half = size // 2
    return (text(half, random) + random.randbytes(half) + text(half, random))[:size]


_KINDS: tuple[Callable[[int, Random], bytes], ...] = (
    text,
    text,
    _runs,
    _patches,
    lambda size, random: random.randbytes(size),
    lambda size, random: bytes(random.choices(b"ACGT", k=size)),
)


@dataclass(frozen=True)
class Case:
    """One body on its way through one codec; what the parts are is for its repr to tell."""

    subject: Subject
    level: int | None
    padding: int
    events: bool
    size: int | None
    """The size that the encoder is told, which need not be true."""
    chunks: tuple[tuple[bytes, bool], ...]
    """Parts of the body, and whether each is flushed."""
    last: bytes

    @property
    def body(self) -> bytes:
        """The body."""
        return b"".join(chunk for chunk, _ in self.chunks) + self.last

    def whole(self) -> bytes:
        """Return the body encoded in one call."""
        return self.subject.codec(self.level).whole(self.body, padding=self.padding)

    def encoder(self) -> Encoder:
        """Begin a stream."""
        codec = self.subject.codec(self.level)
        return codec.stream(size=self.size, events=self.events, padding=self.padding)

    def streamed(self) -> Iterator[tuple[bytes, bool]]:
        """Yield the pieces of the stream, and whether each was flushed."""
        encoder = self.encoder()
        for chunk, is_flushed in self.chunks:
            yield (encoder.chunk if is_flushed else encoder.write)(chunk), is_flushed
        yield encoder.finish(self.last), True

    def check(self) -> None:
        """Assert that every decoder gets the body, each flushed part at once, and that the stream grows little."""
        body, encoded, seen, due = self.body, b"", b"", b""
        assert decoded(self.subject, self.whole()) == body
        decoder = self.subject.decoder()
        parts = [*(chunk for chunk, _ in self.chunks), self.last]
        for (piece, is_flushed), part in zip(self.streamed(), parts, strict=True):
            encoded += piece
            due += part
            if piece:
                seen += decoder.decompress(piece)
            assert seen == due or not is_flushed
            assert due.startswith(seen)
        assert decoded(self.subject, encoded) == body
        pieces = sum(max(1, -(-len(part) // 16_384)) for part in parts)
        framed = self.padding + self.subject.padding_frame if self.padding else 0
        assert len(encoded) <= len(body) + 12 * pieces + 32 + framed


def random_case(random: Random) -> Case:
    """Return a case, whose body is mostly small."""
    subject = random.choice(SUBJECTS)
    is_slow = random.random() < 0.02
    largest = 3_000 if is_slow or random.random() < 0.95 else 60_000
    count = random.choice((0, 1, 1, 2, 3, 6))
    chunks = [(part(random, largest), random.random() < 0.7) for _ in range(count)]
    last = part(random, largest) if random.random() < 0.7 else b""
    size = len(last) + sum(len(chunk) for chunk, _ in chunks)
    return Case(
        subject,
        random.choice(subject.slow if is_slow else subject.levels),
        random.choice((0, 0, 1, 2, 255, 256, 257, random.randrange(3, 40), random.choice((5_000, 70_000)))),
        random.random() < 0.3,
        random.choice((None, size, random.randrange(100_000))),
        tuple(chunks),
        last,
    )


def part(random: Random, largest: int) -> bytes:
    """Return bytes of some kind, of a size below ``largest``; small ones come as often as large ones."""
    return random.choice(_KINDS)(int(largest ** random.random()) - 1, random)
