"""Header lists of any shape are read once, whatever their case, and never changed; every answer is a new list."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewares.core.headers import (
    add_vary,
    append,
    find,
    find_all,
    joined,
    merge_members,
    remove,
    set_header,
    with_headers,
)

if TYPE_CHECKING:
    from collections.abc import Callable

LINES = [(b"Vary", b"Origin"), (b"x-a", b"1"), (b"VARY", b"Cookie"), (b"x-b", b"2")]

SHAPES: dict[str, Callable[[], Any]] = {
    "list": lambda: list(LINES),
    "tuple": lambda: tuple(LINES),
    "generator": lambda: (line for line in LINES),
    "list of lists": lambda: [list(line) for line in LINES],
    "tuple of lists": lambda: tuple(list(line) for line in LINES),
}

shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())

FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "find": (lambda headers: find(headers, b"vary"), b"Origin"),
    "find nothing": (lambda headers: find(headers, b"vari"), None),
    "find_all": (lambda headers: find_all(headers, b"vary"), [b"Origin", b"Cookie"]),
    "find_all of nothing": (lambda headers: find_all(headers, b"x-c"), []),
    "joined lines": (lambda headers: joined(headers, b"vary"), b"Origin, Cookie"),
    "joined line": (lambda headers: joined(headers, b"x-a"), b"1"),
    "joined nothing": (lambda headers: joined(headers, b"x-c"), None),
    "append": (lambda headers: append(headers, b"x-c", b"3"), [*LINES, (b"x-c", b"3")]),
    "remove": (lambda headers: remove(headers, b"vary", b"x-c"), [LINES[1], LINES[3]]),
    "set present": (
        lambda headers: set_header(headers, b"vary", b"*"),
        [(b"vary", b"*"), LINES[1], LINES[3]],
    ),
    "set absent": (lambda headers: set_header(headers, b"x-c", b"3"), [*LINES, (b"x-c", b"3")]),
    "add_vary": (
        lambda headers: add_vary(headers, b"Accept", b"ORIGIN"),
        [(b"vary", b"Origin, Cookie, Accept"), LINES[1], LINES[3]],
    ),
    "merge_members": (
        lambda headers: merge_members(headers, b"x-c", [b"3", b"4"]),
        [*LINES, (b"x-c", b"3, 4")],
    ),
}


@shapes
@pytest.mark.parametrize(("function", "expected"), FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_every_shape_of_list_is_read(function: Callable[[Any], Any], expected: Any, shape: Callable[[], Any]):
    assert function(shape()) == expected


@pytest.mark.parametrize(("function", "_"), FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_the_list_handed_in_is_neither_changed_nor_returned(function: Callable[[Any], Any], _: Any):
    headers = [list(line) for line in LINES]
    lines = list(headers)
    result = function(headers)
    assert result is not headers
    assert headers == [list(line) for line in LINES]
    assert all(line is same for line, same in zip(headers, lines, strict=True))


@pytest.mark.parametrize(
    ("lines", "members", "merged"),
    [
        ([], [b"Origin"], [b"Origin"]),
        ([b"Origin"], [b"origin"], [b"Origin"]),
        ([b"origin , ,\tCookie,"], [b"COOKIE", b"Accept"], [b"origin, Cookie, Accept"]),
        ([b"Origin", b"origin"], [b"Accept"], [b"Origin, Accept"]),
        # A star says everything, wherever it comes from (RFC 9110, 12.5.5).
        ([b"*"], [b"Origin"], [b"*"]),
        ([b"Origin, *"], [b"Accept"], [b"*"]),
        ([b"Origin", b"*"], [b"Accept"], [b"*"]),
        ([b"Origin"], [b"*"], [b"*"]),
        ([], [b"*", b"Origin"], [b"*"]),
        # No duplicates among what is added either.
        ([], [b"Origin", b"ORIGIN", b"Accept"], [b"Origin, Accept"]),
        ([b""], [b"Origin"], [b"Origin"]),
        # An empty line is never made, nor is anything changed for nothing.
        ([], [], []),
        ([], [b""], []),
        ([b"Origin,origin"], [], [b"Origin,origin"]),
    ],
)
def test_members_are_merged(lines: list[bytes], members: list[bytes], merged: list[bytes]):
    assert merge_members([(b"vary", line) for line in lines], b"vary", members) == [(b"vary", line) for line in merged]


def test_with_headers_copies_the_message():
    message = {"type": "http.response.start", "status": 200, "headers": ((b"a", b"b"),), "trailers": True}
    changed = with_headers(message, [(b"c", b"d")])
    assert changed == {"type": "http.response.start", "status": 200, "headers": [(b"c", b"d")], "trailers": True}
    assert message["headers"] == ((b"a", b"b"),)


names = st.sampled_from([b"vary", b"Vary", b"VARY", b"x", b"X", b""]) | st.binary(max_size=4)
headers_of_any_kind = st.lists(st.tuples(names, st.binary(max_size=12)), max_size=8)


@given(headers_of_any_kind, st.lists(st.binary(max_size=6), max_size=4))
def test_merging_any_bytes_leaves_one_line_and_all_others_in_order(headers: Any, members: list[bytes]):
    merged = merge_members(headers, b"vary", members)
    assert remove(merged, b"vary") == remove(headers, b"vary")
    tokens = [token.lower() for token in b",".join(find_all(merged, b"vary")).split(b", ") if token]
    if members:
        assert len(tokens) == len(set(tokens))
        # What is merged once stays as it is.
        assert merge_members(merged, b"vary", members) == merged


@given(headers_of_any_kind, st.binary(max_size=6))
def test_what_is_set_is_found_and_what_is_removed_is_not(headers: Any, value: bytes):
    assert find_all(set_header(headers, b"vary", value), b"vary") == [value]
    assert find(remove(headers, b"vary"), b"vary") is None
    assert find_all(append(headers, b"vary", value), b"vary") == [*find_all(headers, b"vary"), value]


@pytest.mark.parametrize("lines", [[b"," * 500_000], [b"a," * 250_000], [b"a%d" % n for n in range(100_000)]])
def test_merging_into_a_hostile_list_takes_linear_time(lines: list[bytes]):
    headers = [(b"vary", line) for line in lines]
    start = perf_counter()
    add_vary(headers, b"Origin")
    assert perf_counter() - start < 2  # it takes some 50 ms, and minutes if it were quadratic
