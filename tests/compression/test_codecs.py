"""Codecs: a whole body, or a stream of which every chunk can be decoded as soon as it is there."""

from __future__ import annotations

import gzip
import io
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewares.compression.codecs import GZipCodec, NoBody

LEVELS = range(1, 10)


@pytest.mark.parametrize("level", LEVELS)
def test_the_same_body_always_gives_the_same_bytes(level: int) -> None:
    """RFC 1952, 2.3.1: neither a time nor a name is written, so entity tags outside stay true."""
    encoded = GZipCodec(level).whole(b"chair, table, " * 100)
    assert encoded == GZipCodec(level).whole(b"chair, table, " * 100)
    assert encoded[:4] == b"\x1f\x8b\x08\x00"
    assert encoded[4:8] == bytes(4)


@given(data=st.binary(max_size=5000), level=st.sampled_from(LEVELS))
def test_a_whole_body_is_one_member_that_decodes(data: bytes, level: int) -> None:
    assert gzip.decompress(GZipCodec(level).whole(data)) == data


@given(chunks=st.lists(st.binary(max_size=300), max_size=8), last=st.binary(max_size=300))
def test_every_chunk_of_a_stream_is_flushed(chunks: list[bytes], last: bytes) -> None:
    encoder = GZipCodec(6).stream()
    decoder = zlib.decompressobj(31)
    encoded = b""
    for chunk in chunks:
        piece = encoder.chunk(chunk)
        assert decoder.decompress(piece) == chunk
        encoded += piece
    encoded += encoder.finish(last)
    with gzip.GzipFile(fileobj=io.BytesIO(encoded)) as file:
        assert file.read() == b"".join(chunks) + last


def test_streams_share_nothing() -> None:
    codec = GZipCodec(6)
    one, other = codec.stream(), codec.stream()
    first = one.chunk(b"a" * 100)
    assert other.chunk(b"a" * 100) == first
    assert gzip.decompress(first + one.finish(b"b")) == b"a" * 100 + b"b"


def test_what_has_no_body_gets_no_bytes() -> None:
    encoder = NoBody()
    assert encoder.chunk(b"a") == encoder.finish(b"b") == b""
