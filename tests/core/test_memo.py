"""A memo computes once what repeats, and no client can make it grow."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from middlewares.core.memo import Memo


def test_a_value_is_computed_once():
    asked: list[bytes] = []

    def compute(value: bytes) -> str:
        asked.append(value)
        return value.decode()

    memo = Memo(compute)
    assert [memo[b"a"], memo[b"b"], memo[b"a"]] == ["a", "b", "a"]
    assert asked == [b"a", b"b"]


def test_none_is_an_answer_that_is_remembered():
    asked: list[bytes] = []
    memo = Memo(asked.append)
    assert memo[b"a"] is None
    assert memo[b"a"] is None
    assert asked == [b"a"]


def test_values_of_more_than_256_bytes_are_answered_and_not_kept():
    memo = Memo(len)
    assert memo[bytes(256)] == 256
    assert memo[bytes(257)] == 257
    assert list(memo) == [bytes(256)]


def test_never_more_than_512_values_are_kept():
    memo = Memo(int)
    most = 0
    for number in range(2000):
        assert memo[b"%d" % number] == number
        most = max(most, len(memo))
    assert most == 512
    assert memo[b"1999"] == 1999


def test_what_cannot_be_computed_raises_and_is_not_kept():
    memo = Memo(int)
    with pytest.raises(ValueError, match="invalid literal"):
        memo[b"x"]
    assert not memo


def test_threads_may_share_a_memo():
    memo = Memo(int)
    values = [b"%d" % (number % 700) for number in range(7000)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(memo.__getitem__, values))
    assert results == [int(value) for value in values]
    assert len(memo) <= 512 + 8
