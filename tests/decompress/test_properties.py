"""Any body, in any stack of codings, split anywhere, decodes to the same bytes; steps keep their bounds."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from middlewares.decompress.chain import Chain, Limits
from middlewares.decompress.decoders import DECODERS, new_raw_deflate
from middlewares.decompress.failures import CorruptDataError, LimitError
from tests.decompress.bodies import ENCODERS, encoded

if TYPE_CHECKING:
    from collections.abc import Iterable

LIMITS = Limits(10_000_000, None, 0)

bodies = st.one_of(
    st.binary(max_size=2000),
    st.builds(lambda data, times: data * times, st.binary(min_size=1, max_size=20), st.integers(1, 30_000)),
    st.builds(lambda seed, size: random.Random(seed).randbytes(size), st.integers(), st.integers(0, 200_000)),  # noqa: S311 - test data
)
stacks = st.lists(st.sampled_from([*ENCODERS]), min_size=1, max_size=3)


def decoded(chain: Chain, chunks: Iterable[bytes]) -> bytes:
    """Return what a chain makes of a body, and see that it works in bounded steps."""
    found = []
    for chunk in chunks:
        chain.feed(chunk)
        while not chain.needs_input:
            data = chain.step()
            assert len(data) <= 65_536
            found.append(data)
    chain.finish()
    return b"".join(found)


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts})
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


@settings(max_examples=200, deadline=None)
@given(bodies, stacks, st.lists(st.integers(0, 1 << 20), max_size=8))
def test_chunks_never_matter(data: bytes, codings: list[str], cuts: list[int]) -> None:
    chain = Chain([DECODERS[coding] for coding in reversed(codings)], LIMITS)
    assert decoded(chain, split(encoded(data, *codings), cuts)) == data


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([*DECODERS]), st.binary(max_size=300), st.booleans(), st.lists(st.integers(0, 300), max_size=4))
def test_arbitrary_bytes_are_decoded_or_refused(coding: str, data: bytes, raw: bool, cuts: list[int]) -> None:
    make = new_raw_deflate if raw and coding == "deflate" else DECODERS[coding]
    with suppress(CorruptDataError, LimitError):
        decoded(Chain([make], LIMITS), split(data, cuts))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([*DECODERS]), st.integers(1, 200_000), st.integers(1, 200_000))
def test_the_size_is_exact(coding: str, size: int, limit: int) -> None:
    chain = Chain([DECODERS[coding]], Limits(limit, None, 0))
    body = encoded(bytes(size), coding)
    if size <= limit and len(body) <= 2 * limit:
        assert decoded(chain, [body]) == bytes(size)
    else:
        with pytest.raises(LimitError):
            decoded(chain, [body])
