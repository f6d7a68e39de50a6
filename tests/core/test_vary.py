"""Adding the same members to the Vary of many responses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewares.core.headers import add_vary
from middlewares.core.vary import VaryOn

MEMBERS = (b"Origin", b"Accept-Encoding")


@pytest.mark.parametrize(
    ("lines", "merged"),
    [
        ([], [b"Origin, Accept-Encoding"]),
        ([b"Cookie"], [b"Cookie, Origin, Accept-Encoding"]),
        ([b"origin"], [b"origin, Accept-Encoding"]),
        ([b"*"], [b"*"]),
        ([b"Cookie", b"accept-encoding"], [b"Cookie, accept-encoding, Origin"]),
        ([b""], [b"Origin, Accept-Encoding"]),
    ],
)
def test_members_join_what_is_there(lines: list[bytes], merged: list[bytes]):
    headers = [(b"date", b"now"), *((b"Vary", line) for line in lines)]
    VaryOn(*MEMBERS).extend(headers)
    assert headers == [(b"date", b"now"), *((b"vary", line) for line in merged)]


NAMES = st.sampled_from([b"vary", b"VARY", b"etag", b"x-vary"])
VALUES = st.lists(st.sampled_from([b"a", b"origin", b"Origin", b"*", b"", b" b "]), max_size=4).map(b",".join)


@given(st.lists(st.lists(st.tuples(NAMES, VALUES), max_size=5), max_size=5))
def test_it_does_what_add_vary_does_for_any_run_of_responses(responses: list[list[tuple[bytes, bytes]]]):
    vary_on = VaryOn(*MEMBERS)
    for headers in responses:
        expected = add_vary(headers, *MEMBERS)
        vary_on.extend(headers)
        assert headers == expected
