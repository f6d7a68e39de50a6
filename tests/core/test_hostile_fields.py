"""No bytes make a field parser raise, and none make it take more than time linear in their length."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewares.core.cookies import find_cookies, parse_cookies
from middlewares.core.etags import parse_etag_list, strong_match, weak_match, weaken
from middlewares.core.fields import (
    is_field_value,
    is_token,
    parse_digits,
    parse_parameters,
    parse_qvalue,
    parse_weighted,
    split_list,
    unquote,
)
from middlewares.core.negotiation import CodingChooser, choose_coding, prefer_media_type

if TYPE_CHECKING:
    from collections.abc import Callable

PARSERS: dict[str, Callable[[bytes], Any]] = {
    "is_field_value": is_field_value,
    "is_token": is_token,
    "parse_digits": parse_digits,
    "parse_parameters": parse_parameters,
    "parse_qvalue": parse_qvalue,
    "parse_weighted": parse_weighted,
    "split_list": split_list,
    "unquote": unquote,
    "choose_coding": lambda value: choose_coding(value, (b"br", b"gzip")),
    "CodingChooser": CodingChooser((b"br", b"gzip")).__getitem__,
    "prefer_media_type": lambda value: prefer_media_type(value, ("text/html", "text/plain")),
    "parse_etag_list": parse_etag_list,
    "weaken": weaken,
    "weak_match": lambda value: weak_match(value, value),
    "strong_match": lambda value: strong_match(value, value),
    "parse_cookies": lambda value: parse_cookies([value]),
    "find_cookies": lambda value: find_cookies([value], "aab"),
}

# What is said to have hurt parsers, each as (beginning, repeated, end).
ATTACKS = [
    (b"", b",", b""),
    (b"", b'"', b""),
    (b"", b"\\", b""),
    (b"", b";", b""),
    (b"", b"a;", b""),
    (b"", b"a,", b""),
    (b"", b"a=b;", b""),
    (b"", b"a;q=0,", b""),
    (b"a", b" ", b"b"),
    (b"a;", b" ;", b""),
    (b'"', b"\\", b'"'),
    (b'"', b'\\"', b'"'),
    (b'"', b"\\\\", b""),
    (b'"', b"a", b""),
    (b"", b'"a', b""),
    (b"", b'W/"', b""),
    (b"", b'"a,', b""),
    (b"", b'"a" ', b"x"),
    (b'"a"', b"\t", b"x"),
    (b"", b"a", b"b"),
    (b"0.", b"0", b""),
]
SMALL = 64 * 1024
GROWTH = 8

grammar = st.text('gzip*;q=01., \t"\\/aWb', max_size=60).map(str.encode)


@pytest.mark.parametrize("name", PARSERS)
@given(value=st.binary(max_size=60) | grammar)
def test_no_bytes_make_a_parser_raise(name: str, value: bytes):
    PARSERS[name](value)


@pytest.mark.parametrize("name", PARSERS)
def test_time_grows_with_the_length_and_not_with_its_square(name: str):
    """Eight times the bytes cost about eight times the time, not 64 times (compression 7)."""
    parse = PARSERS[name]
    for attack in ATTACKS:
        small, large = _fill(attack, SMALL), _fill(attack, SMALL * GROWTH)
        # A busy machine can spoil one measurement; what is quadratic fails every one.
        assert any(_seconds(parse, large) < 3 * GROWTH * _floor(parse, small) for _ in range(4)), attack


def _fill(attack: tuple[bytes, bytes, bytes], size: int) -> bytes:
    beginning, repeated, end = attack
    return beginning + repeated * (size // len(repeated)) + end


def _floor(parse: Callable[[bytes], Any], value: bytes) -> float:
    # Below 50 µs the clock and the caches weigh more than the parser.
    return max(50e-6, min(_seconds(parse, value) for _ in range(3)))


def _seconds(parse: Callable[[bytes], Any], value: bytes) -> float:
    start = time.process_time()
    parse(value)
    return time.process_time() - start
