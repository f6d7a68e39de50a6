"""Changes of overlapping requests, merged key by key."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from middlewares.sessions import SessionError
from middlewares.sessions.records import encode
from middlewares.sessions.state import merged


@pytest.mark.parametrize(
    ("base", "mine", "theirs", "expected"),
    [
        ("{}", {"a": 1}, '{"b":2}', {"a": 1, "b": 2}),
        ('{"a":1}', {}, '{"a":1,"b":2}', {"b": 2}),
        ('{"a":1,"b":1}', {"a": 2, "b": 1}, '{"a":1}', {"a": 2}),
        ('{"a":1}', {"a": True}, '{"a":1}', {"a": True}),
        ('{"a":[1]}', {"a": [True]}, '{"a":[1]}', {"a": [True]}),
        ('{"a":[1]}', {"a": [1]}, '{"a":[1,2]}', {"a": [1, 2]}),
        ('{"a":1}', {"a": 1}, "{}", {}),
    ],
)
def test_changes_are_merged_key_by_key(base: str, mine: dict[str, Any], theirs: str, expected: dict[str, Any]) -> None:
    found = merged(base.encode(), mine, theirs.encode())
    assert repr(sorted(found.items())) == repr(sorted(expected.items()))  # 1 == True


def test_merging_two_requests_does_not_depend_on_their_order_where_keys_differ() -> None:
    base = b'{"a":1,"b":2}'
    from middlewares.sessions.records import encode

    for mine, theirs in permutations([{"a": 5, "b": 2}, {"a": 1}, {"a": 1, "b": 2, "c": 3}], 2):
        one = merged(base, mine, encode(theirs))
        other = merged(base, theirs, encode(mine))
        assert one == other


@pytest.mark.parametrize("rule", ["last", "first", "error"])
def test_a_number_that_is_none_is_no_change(rule: Any) -> None:
    """NaN is not equal to itself, and yet nobody has changed it."""
    mine = {"n": float("nan"), "mine": 1}
    assert encode(merged(b'{"n":NaN}', mine, b'{"n":NaN,"theirs":1}', rule)) == b'{"n":NaN,"theirs":1,"mine":1}'


def test_who_makes_one_of_true_has_changed_it() -> None:
    with pytest.raises(SessionError, match="'n'"):
        merged(b'{"n":1}', {"n": 2}, b'{"n":true}', "error")
