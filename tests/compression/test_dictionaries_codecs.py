"""dcz and dcb: header, window, streams, and what they save."""

from __future__ import annotations

import gc
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from middlewares.compression.dictionaries import libbrotli
from middlewares.compression.dictionaries.codings import CODINGS
from middlewares.compression.dictionaries.store import SMALLEST
from tests.compression.versions import NEW, OLD, decoded, json_versions, noise

if TYPE_CHECKING:
    from middlewares.compression.codecs import Codec

NAMES = [b"dcz", b"dcb"]


def codec_for(name: bytes, dictionary: bytes = OLD, level: int | None = None) -> Codec:
    coding = CODINGS[name]
    return coding.codec(dictionary, coding.level if level is None else level)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "body",
    [b"", b"x", NEW, OLD, bytes(100_000), 50 * NEW, noise(1_200_000)],
    ids=["empty", "byte", "new", "same", "zeros", "slices", "noise"],
)
def test_a_whole_body_decodes_with_the_dictionary(name: bytes, body: bytes) -> None:
    codec = codec_for(name)
    encoded = codec.whole(body)
    assert codec.name == name
    assert decoded(encoded, name, OLD) == body
    assert codec.whole(body) == encoded
    streamed = codec.stream(padding=10)
    assert decoded(streamed.chunk(body) + streamed.write(body) + streamed.finish(body), name, OLD) == 3 * body


@settings(max_examples=30)
@given(
    name=st.sampled_from(NAMES),
    dictionary=st.binary(min_size=SMALLEST, max_size=500),
    chunks=st.lists(st.tuples(st.booleans(), st.binary(max_size=300)), max_size=6),
    last=st.binary(max_size=300),
    padding=st.sampled_from([0, 1, 40, 5000]),
    is_sized=st.booleans(),
)
def test_any_chunks_decode(
    name: bytes,
    dictionary: bytes,
    chunks: list[tuple[bool, bytes]],
    last: bytes,
    padding: int,
    is_sized: bool,
) -> None:
    body = b"".join(chunk for _, chunk in chunks) + last
    encoder = codec_for(name, dictionary).stream(size=len(body) if is_sized else None, padding=padding)
    parts = [encoder.chunk(chunk) if is_flushed else encoder.write(chunk) for is_flushed, chunk in chunks]
    encoded = b"".join((*parts, encoder.finish(last)))
    assert decoded(encoded, name, dictionary) == body
    assert len(encoded) >= padding


def test_every_flushed_chunk_of_dcz_can_be_decoded_at_once() -> None:
    encoder = codec_for(b"dcz").stream()
    decoder = zstd.ZstdDecompressor(zstd_dict=zstd.ZstdDict(OLD, is_raw=True).as_prefix)
    for start in range(0, len(NEW), 1000):
        piece = encoder.chunk(NEW[start : start + 1000])
        if start == 0:
            assert piece[8:40] == sha256(OLD).digest()
            piece = piece[40:]
        assert decoder.decompress(piece) == NEW[start : start + 1000]


def test_every_flushed_chunk_of_dcb_can_be_decoded_at_once() -> None:
    encoder = codec_for(b"dcb").stream()
    encoded = b""
    for start in range(0, len(NEW), 1000):
        encoded += encoder.chunk(NEW[start : start + 1000])
        assert decoded(encoded, b"dcb", OLD) == NEW[: start + 1000]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [0, 5, 2 * len(NEW)])
def test_a_wrong_size_does_no_harm(name: bytes, size: int) -> None:
    """An application may announce one length and send another."""
    assert decoded(codec_for(name).stream(size=size).finish(NEW), name, OLD) == NEW


@pytest.mark.parametrize("name", NAMES)
def test_padding_adds_bytes_and_changes_nothing(name: bytes) -> None:
    codec = codec_for(name)
    plain = len(codec.whole(NEW))
    padded = codec.whole(NEW, padding=100)
    assert plain + 100 <= len(padded) <= plain + 120
    assert decoded(padded, name, OLD) == NEW
    assert codec.whole(NEW, padding=100) == padded


@pytest.mark.parametrize("name", NAMES)
def test_little_remains_where_little_has_changed(name: bytes) -> None:
    """A sixth of a JSON list is new: at most a quarter of the bytes that gzip needs."""
    old, new = json_versions(1200, 200)
    assert 150_000 < len(new) < 250_000
    assert len(codec_for(name, old).whole(new)) * 4 <= len(zlib.compress(new, 6))


@pytest.mark.parametrize("level", [1, 3, 9, 19])
@pytest.mark.parametrize("size", [1000, 300_000, 12_000_000])
def test_the_window_of_dcz_is_one_that_every_decoder_supports(level: int, size: int) -> None:
    """RFC 9842, 5: 8 MB, or 1.25 times the dictionary if that is more; also for a stream of unknown length."""
    dictionary = noise(size)
    codec = codec_for(b"dcz", dictionary, level)
    encoder = codec.stream()
    frames = [codec.whole(dictionary[:5000])[40:], (encoder.chunk(b"a") + encoder.finish(b""))[40:]]
    for frame in frames:
        assert window(frame) <= max(8 * 2**20, size * 5 // 4)
    largest = zstd.DecompressionParameter.window_log_max
    decoder = zstd.ZstdDict(dictionary, is_raw=True).as_prefix
    assert zstd.decompress(frames[0], decoder, {largest: 23}) == dictionary[:5000]


def window(frame: bytes) -> int:
    """Return the window that a frame declares (RFC 8878, 3.1.1.1)."""
    assert frame[:4] == bytes.fromhex("28b52ffd")
    descriptor = frame[4]
    if descriptor & 0x20:  # a single segment: the window is the content
        return zstd.get_frame_info(frame[:18]).decompressed_size or 0
    exponent, mantissa = frame[5] >> 3, frame[5] & 7
    base: int = 1 << (10 + exponent)
    return base + base // 8 * mantissa


def test_a_large_dictionary_is_used_to_its_end() -> None:
    old = noise(2_000_000)
    new = b"".join((noise(100, 1), old[1_900_000:], old[:100_000]))
    for name in NAMES:
        encoded = codec_for(name, old).whole(new)
        assert len(encoded) < 5000
        assert decoded(encoded, name, old) == new


@pytest.mark.parametrize("name", NAMES)
def test_a_dictionary_is_raw_whatever_it_looks_like(name: bytes) -> None:
    """RFC 9842, 2.1.4: one that Zstandard has trained, which other tools would parse, is no exception."""
    rows = [row.encode() for row in OLD.decode().split("}, ")]
    trained = zstd.train_dict(rows, 4000).dict_content
    assert trained[:4] == bytes.fromhex("37a430ec")
    for dictionary in (trained, trained[:4] + OLD):
        assert decoded(codec_for(name, dictionary).whole(NEW), name, dictionary) == NEW


@pytest.mark.parametrize("name", NAMES)
def test_threads_share_a_codec(name: bytes) -> None:
    codec = codec_for(name)
    bodies = [json_versions(60, 60, seed)[1] for seed in range(24)]
    with ThreadPoolExecutor(6) as pool:
        encoded = [*pool.map(codec.whole, bodies)]
    assert [decoded(each, name, OLD) for each in encoded] == bodies


def test_a_stream_outlives_its_codec() -> None:
    """The encoder holds the dictionary, and the dictionary its bytes, of which nobody else has a reference."""
    encoder = codec_for(b"dcb", bytes(bytearray(OLD))).stream()
    first = encoder.chunk(NEW[:3000])
    gc.collect()
    others = [noise(len(OLD), seed) for seed in range(50)]
    encoded = first + encoder.finish(NEW[3000:])
    assert decoded(encoded, b"dcb", OLD) == NEW
    assert others


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_memory_of_dcb_is_given_back() -> None:
    """What leaks would be megabytes for each dictionary and encoder."""

    def resident() -> int:
        with open("/proc/self/statm") as file:  # noqa: PTH123 - no path in a file system
            return int(file.read().split()[1]) * 4096

    body = noise(200_000)

    def work() -> None:
        codec = codec_for(b"dcb", body)
        codec.stream().chunk(body[:50_000])

    for _ in range(5):
        work()
    before = resident()
    for _ in range(40):
        work()
    assert resident() - before < 20_000_000


def test_a_larger_body_is_predicted_to_take_longer() -> None:
    for name in NAMES:
        codec = codec_for(name)
        assert 0 < codec.seconds(1000) < codec.seconds(10**6)
    small, large = codec_for(b"dcz"), codec_for(b"dcz", bytes(600_000))
    assert large.seconds(1000) > 2 * small.seconds(1000)


def test_without_the_functions_there_is_no_dcb(monkeypatch: pytest.MonkeyPatch) -> None:
    functions = {**libbrotli._FUNCTIONS, "BrotliEncoderNoSuchThing": (None,)}
    monkeypatch.setattr(libbrotli, "_FUNCTIONS", functions)
    assert libbrotli._load() is None
    monkeypatch.setattr(libbrotli, "_LIBRARY", None)
    assert not libbrotli.is_available()
    with pytest.raises(RuntimeError, match="no functions for dictionaries"):
        codec_for(b"dcb")


def test_an_older_brotli_has_no_dcb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libbrotli, "_OLDEST", 0x7FFFFFFF)
    assert libbrotli._load() is None
