"""Baggage: what is well-formed is handed on, within limits that no caller can move."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, propagate

from middlewares import Tracing
from middlewares.testing import request
from middlewares.tracing.baggage import parse_baggage


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([b"a=1,b=2"], {"a": "1", "b": "2"}),
        ([b"a=1", b"b=2"], {"a": "1", "b": "2"}),
        ([b" a\t=\t1 ,\tb = 2 "], {"a": "1", "b": "2"}),
        ([b"a=1;secure;ttl=3,b=2"], {"a": "1", "b": "2"}),
        ([b"a=caf%C3%A9%20%2B+x"], {"a": "caf\u00e9 ++x"}),
        ([b"a=%ff"], {"a": "\ufffd"}),
        ([b"a=1,a=2"], {"a": "2"}),
        ([b"a="], {"a": ""}),
        ([b"a=b=c"], {"a": "b=c"}),
        ([b"=1,b=2"], {"b": "2"}),
        ([b"a,b=2,,"], {"b": "2"}),
        ([b'a="1",b=2'], {"b": "2"}),
        ([b"a b=1,b=2"], {"b": "2"}),
        ([b"a=1 2,b=2"], {"b": "2"}),
        ([b"\xe9=1,b=\xe9,c=3"], {"c": "3"}),
        ([], {}),
    ],
)
def test_members(lines: list[bytes], expected: dict[str, str]) -> None:
    assert parse_baggage(lines) == expected


def test_no_more_than_64_members_are_kept() -> None:
    members = [f"k{number}={number}" for number in range(100)]
    assert [*parse_baggage([",".join(members).encode()])] == [f"k{number}" for number in range(64)]
    assert [*parse_baggage([member.encode() for member in members])] == [f"k{number}" for number in range(64)]


def test_what_does_not_fit_into_8192_bytes_is_left_out_as_a_whole_member() -> None:
    kept = parse_baggage([b"a=1," + b"b=" + b"x" * 8_186 + b",c=3"])
    assert kept == {"a": "1"}
    assert parse_baggage([b"b=" + b"x" * 8_190, b"c=3"]) == {"b": "x" * 8_190}
    assert parse_baggage([b"b=" + b"x" * 8_187, b"c=3"]) == {"b": "x" * 8_187}
    assert parse_baggage([b"b=" + b"x" * 8_000, b"c=3"]).keys() == {"b", "c"}


@given(st.lists(st.binary(max_size=50), max_size=5))
def test_nothing_raises(lines: list[bytes]) -> None:
    for name, value in parse_baggage(lines).items():
        assert baggage.get_baggage(name, baggage.set_baggage(name, value)) == value


@pytest.mark.parametrize("parent", [[], [("traceparent", f"00-{'1' * 32}-{'2' * 16}-00")]])
@pytest.mark.parametrize("is_recorded", [True, False])
async def test_the_application_finds_the_baggage_of_all_lines(
    parent: list[tuple[str, str]], is_recorded: bool, spans: Any
) -> None:
    found: dict[str, Any] = {}
    carried: dict[str, str] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        found.update(baggage.get_all())
        propagate.inject(carried)

    layer = Tracing(app, tracer_provider=spans.provider if is_recorded else None)
    await request(layer, headers=[*parent, ("Baggage", "user=7"), ("baggage", "plan=gold%20plus")])
    assert found == {"user": "7", "plan": "gold plus"}
    assert carried["baggage"] == "user=7,plan=gold+plus"
    assert ("traceparent" in carried) == (bool(parent) or is_recorded)
