"""Entity tags are read, weakened and compared as RFC 9110, 8.8.3 says; what is malformed matches nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewares.core.etags import (
    WILDCARD,
    Wildcard,
    is_etag,
    parse_etag_list,
    strong_match,
    weak_match,
    weaken,
)

ETAGC = bytes([0x21, *range(0x23, 0x7F), *range(0x80, 0x100)])
strong_tags = st.lists(st.sampled_from(ETAGC)).map(lambda octets: b'"' + bytes(octets) + b'"')
etags = st.tuples(st.sampled_from([b"", b"W/"]), strong_tags).map(b"".join)


@pytest.mark.parametrize(
    ("value", "tags"),
    [
        (b"*", WILDCARD),
        (b" *\t", WILDCARD),
        (b"", []),
        (b",", []),
        (b'"a"', [b'"a"']),
        (b'""', [b'""']),
        (b' "a" ,\tW/"b",, "c",', [b'"a"', b'W/"b"', b'"c"']),
        (b'"a,b", W/"c,"', [b'"a,b"', b'W/"c,"']),
        (b'"a\\", "b"', [b'"a\\"', b'"b"']),
        (b'"\xe9"', [b'"\xe9"']),
        (b'*, "a"', [b'"a"']),
        (b'"a", *', [b'"a"']),
        (b'a, "b"', [b'"b"']),
        (b'w/"a", "b"', [b'"b"']),
        (b'W / "a", "b"', [b'"b"']),
        (b'"a" "b", "c"', [b'"c"']),
        (b'"a"b, "c"', [b'"c"']),
        (b'"a b", "c"', [b'"c"']),
        (b'"a\x00", "c"', [b'"c"']),
        (b'"a', []),
        (b'"a", "b', [b'"a"']),
        (b'"a"\x0b, "b"', [b'"b"']),
    ],
)
def test_lists_of_entity_tags(value: bytes, tags: list[bytes] | Wildcard):
    """Lists, ``*``, and commas inside tags are read (sessions_caching R24)."""
    assert parse_etag_list(value) == tags


@given(st.lists(etags), st.sampled_from([b",", b", ", b"\t,, ,"]))
def test_joined_tags_are_read_back(tags: list[bytes], separator: bytes):
    assert parse_etag_list(separator.join(tags)) == tags


@given(st.binary() | st.text('W/"a, \t\\*').map(str.encode))
def test_every_tag_that_is_read_is_well_formed_and_stands_in_the_field(value: bytes):
    tags = parse_etag_list(value)
    assert tags is WILDCARD or all(is_etag(tag) and tag in value for tag in tags)


@pytest.mark.parametrize(
    ("etag", "weak"),
    [
        (b'"a"', b'W/"a"'),
        (b'""', b'W/""'),
        (b'W/"a"', b'W/"a"'),
        (b"", b""),
        (b"a", b"a"),
        (b'"a', b'"a'),
        (b'w/"a"', b'w/"a"'),
        (b'"a"b"', b'"a"b"'),
        (b' "a"', b' "a"'),
        (b'"a"\n', b'"a"\n'),
        (b'"a b"', b'"a b"'),
    ],
)
def test_weakening_changes_strong_tags_only(etag: bytes, weak: bytes):
    """A strong tag is weakened, an existing ``W/`` stays (compression 10)."""
    assert weaken(etag) == weak
    assert weaken(weak) == weak


@pytest.mark.parametrize(
    ("one", "other", "weakly", "strongly"),
    [
        # The table of RFC 9110, 8.8.3.2.
        (b'W/"1"', b'W/"1"', True, False),
        (b'W/"1"', b'W/"2"', False, False),
        (b'W/"1"', b'"1"', True, False),
        (b'"1"', b'"1"', True, True),
        # The opaque tag compares byte by byte.
        (b'"a"', b'"A"', False, False),
        # No entity tag, no match.
        (b"1", b"1", False, False),
        (b"", b"", False, False),
        (b"W/", b"", False, False),
        (b'"', b'"', False, False),
        (b'W/W/"1"', b'W/W/"1"', False, False),
        (b'W/W/"1"', b'W/"1"', False, False),
        (b'"1"x', b'"1"x', False, False),
    ],
)
def test_comparison(one: bytes, other: bytes, weakly: bool, strongly: bool):
    assert weak_match(one, other) is weak_match(other, one) is weakly
    assert strong_match(one, other) is strong_match(other, one) is strongly


@given(etags, etags)
def test_a_weakened_tag_matches_its_origin_weakly_and_nothing_strongly(etag: bytes, other: bytes):
    assert weak_match(weaken(etag), etag)
    assert not strong_match(weaken(etag), etag)
    assert not strong_match(weaken(etag), weaken(etag))
    assert weak_match(etag, other) is weak_match(weaken(etag), weaken(other))
