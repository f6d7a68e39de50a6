"""Trace context headers, case by case as the validation harness of the W3C asks for them, and in any other form."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import propagate

from middlewares import Tracing
from middlewares.testing import request
from middlewares.tracing.w3c import format_traceparent, parse_traceparent, parse_tracestate

T, P = "12345678901234567890123456789012", "1234567890123456"
VALID = f"00-{T}-{P}-01"
KEY = "abcdefghijklmnopqrstuvwxyz0123456789_-*/"
VALUE = "".join(map(chr, [*range(0x20, 0x2C), *range(0x2D, 0x3D), *range(0x3E, 0x7F)]))
NUMBERED = [f"bar{number:02}={number:02}" for number in range(1, 34)]

Headers = list[tuple[str, str]]


def parents(*values: str) -> Headers:
    return [("traceparent", value) for value in values]


def with_states(*values: str) -> Headers:
    return [*parents(f"00-{T}-{P}-00"), *(("tracestate", value) for value in values)]


CONTINUED: dict[str, Headers] = {
    "no state": parents(VALID),
    "name in mixed case": [("TraceParent", VALID)],
    "name in odd case": [("TrAcEpArEnT", VALID)],
    "name in upper case": [("TRACEPARENT", VALID)],
    "a version to come": parents(f"cc-{T}-{P}-01"),
    "a version to come, with more": parents(f"cc-{T}-{P}-01-what-the-future-will-be-like"),
    "space before": parents(f" {VALID}"),
    "tab before": parents(f"\t{VALID}"),
    "space behind": parents(f"{VALID} "),
    "tab behind": parents(f"{VALID}\t"),
    "space around": parents(f"\t {VALID} \t"),
    "flags that are not known": parents(f"00-{T}-{P}-ff"),
}

BEGUN: dict[str, Headers] = {
    "nothing": [],
    "two parents": parents(f"00-{T[:-1]}1-{P}-01", VALID),
    "two parents, the same": parents(VALID, VALID),
    "another name": [("trace-parent", VALID)],
    "yet another name": [("trace.parent", VALID)],
    "a full stop behind": parents(f"{VALID}."),
    "more behind, in this version": parents(f"{VALID}-what-the-future-will-be-like"),
    "a version to come, then no dash": parents(f"cc-{T}-{P}-01.what-the-future-will-be-like"),
    "version 255": parents(f"ff-{T}-{P}-01"),
    "version 255, with more": parents(f"ff-{T}-{P}-01-more"),
    "version with a full stop": parents(f".0-{T}-{P}-01"),
    "version with a full stop behind": parents(f"0.-{T}-{P}-01"),
    "version of three": parents(f"000-{T}-{P}-01"),
    "version of four": parents(f"0000-{T}-{P}-01"),
    "version of one": parents(f"0-{T}-{P}-01"),
    "version in upper case": parents(f"CC-{T}-{P}-01"),
    "trace of zeroes": parents(f"00-{'0' * 32}-{P}-01"),
    "trace with a full stop": parents(f"00-.{T[1:]}-{P}-01"),
    "trace with a full stop behind": parents(f"00-{T[1:]}.-{P}-01"),
    "trace too long": parents(f"00-{T}3-{P}-01"),
    "trace too short": parents(f"00-{T[1:]}-{P}-01"),
    "trace in upper case": parents(f"00-{'ABCDEF' + T[6:]}-{P}-01"),
    "parent of zeroes": parents(f"00-{T}-{'0' * 16}-01"),
    "parent with a full stop": parents(f"00-{T}-.{P[1:]}-01"),
    "parent with a full stop behind": parents(f"00-{T}-{P[1:]}.-01"),
    "parent too long": parents(f"00-{T}-{P}7-01"),
    "parent too short": parents(f"00-{T}-{P[1:]}-01"),
    "parent in upper case": parents(f"00-{T}-{'ABCDEF' + P[6:]}-01"),
    "flags with a full stop": parents(f"00-{T}-{P}-.0"),
    "flags with a full stop behind": parents(f"00-{T}-{P}-0."),
    "flags too long": parents(f"00-{T}-{P}-001"),
    "flags too short": parents(f"00-{T}-{P}-1"),
    "flags in upper case": parents(f"00-{T}-{P}-0A"),
    "a line break": parents(f"{VALID}\n"),
    "a state alone": [("tracestate", "foo=1,bar=2")],
}

STATES: dict[str, tuple[Headers, str | None]] = {
    "two members": (with_states("foo=1,bar=2"), "foo=1,bar=2"),
    "another name": ([*with_states(), ("trace-state", "foo=1")], None),
    "name in mixed case": ([*with_states(), ("TrAcEsTaTe", "foo=1")], "foo=1"),
    "nothing": (with_states(""), None),
    "nothing behind": (with_states("foo=1", ""), "foo=1"),
    "nothing before": (with_states("", "foo=1"), "foo=1"),
    "lines": (with_states("foo=1,bar=2", "rojo=1,congo=2", "baz=3"), "foo=1,bar=2,rojo=1,congo=2,baz=3"),
    "a key twice": (with_states("foo=1,foo=1"), None),
    "a key twice, with two values": (with_states("foo=1,foo=2"), None),
    "a key in two lines": (with_states("foo=1", "foo=1"), None),
    "a key in two lines, with two values": (with_states("foo=1", "foo=2"), None),
    "all characters": (with_states(f"{KEY}={VALUE}"), f"{KEY}={VALUE}"),
    "all characters, with a vendor": (with_states(f"{KEY}@a-z0-9_-*/={VALUE}"), f"{KEY}@a-z0-9_-*/={VALUE}"),
    "space and tabs": (with_states("foo=1 \t , \t bar=2, \t baz=3"), "foo=1,bar=2,baz=3"),
    "tabs": (with_states("foo=1\t \t,\t \tbar=2,\t \tbaz=3"), "foo=1,bar=2,baz=3"),
    "space around": (with_states("\t foo=1 \t"), "foo=1"),
    "space in a key": (with_states("foo =1"), None),
    "upper case": (with_states("FOO=1"), None),
    "full stop": (with_states("foo.bar=1"), None),
    "no vendor": (with_states("foo@=1,bar=2"), None),
    "no tenant": (with_states("@foo=1,bar=2"), None),
    "two vendor signs": (with_states("foo@@bar=1,bar=2"), None),
    "two vendors": (with_states("foo@bar@baz=1,bar=2"), None),
    "32 members": (with_states(*NUMBERED[:32]), ",".join(NUMBERED[:32])),
    "33 members": (with_states(*NUMBERED), None),
    "a key of 256": (with_states("foo=1", "z" * 256 + "=1"), "foo=1," + "z" * 256 + "=1"),
    "a key of 257": (with_states("foo=1", "z" * 257 + "=1"), None),
    "a tenant of 241": (with_states(f"{'t' * 241}@{'v' * 14}=1"), f"{'t' * 241}@{'v' * 14}=1"),
    "a tenant of 242": (with_states("foo=1", f"{'t' * 242}@v=1"), None),
    "a vendor of 15": (with_states("foo=1", f"t@{'v' * 15}=1"), None),
    "two equals signs": (with_states("foo=bar=baz"), None),
    "no value": (with_states("foo=,bar=3"), None),
    "a value of 256": (with_states(f"foo={'v' * 256}"), f"foo={'v' * 256}"),
    "a value of 257": (with_states(f"foo={'v' * 257}"), None),
    "no equals sign": (with_states("foo"), None),
    "more than 8192 bytes": (with_states(*(f"k{number}={'v' * 250}" for number in range(32)), " " * 200), None),
}


async def downstream(app: Any, headers: Headers) -> dict[str, str]:
    """Return the headers with which the application calls another service."""
    carried: dict[str, str] = {}

    async def calling(scope: Any, receive: Any, send: Any) -> None:
        propagate.inject(carried)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    await request(app(calling), headers=headers)
    return carried


@pytest.mark.parametrize("case", CONTINUED)
async def test_a_trace_is_continued(case: str, spans: Any) -> None:
    """The call inside belongs to the trace of the caller, and its parent is the span of the request."""
    carried = await downstream(lambda app: Tracing(app, tracer_provider=spans.provider), CONTINUED[case])
    _, trace_id, span_id, flags = carried["traceparent"].split("-")
    assert (trace_id, flags[0]) == (T, "0")
    assert span_id == f"{spans.one.context.span_id:016x}" != P
    assert f"{spans.one.parent.span_id:016x}" == P


@pytest.mark.parametrize("case", CONTINUED)
async def test_a_trace_is_handed_on_where_there_is_no_sdk(case: str) -> None:
    flags = "03" if case.startswith("flags") else "01"
    assert await downstream(Tracing, CONTINUED[case]) == {"traceparent": f"00-{T}-{P}-{flags}"}


@pytest.mark.parametrize("case", BEGUN)
async def test_a_trace_is_begun(case: str, spans: Any) -> None:
    """What is not well-formed is ignored as a whole: the trace is a new one, and the state is dropped."""
    carried = await downstream(lambda app: Tracing(app, tracer_provider=spans.provider), BEGUN[case])
    _, trace_id, _, flags = carried["traceparent"].split("-")
    assert trace_id not in (T, "0" * 32, T[:-1] + "1")
    assert int(flags, 16) & 1
    assert "tracestate" not in carried
    assert spans.one.parent is None


@pytest.mark.parametrize("case", BEGUN)
async def test_nothing_is_handed_on_where_there_is_no_sdk(case: str) -> None:
    assert await downstream(Tracing, BEGUN[case]) == {}


@pytest.mark.parametrize("case", STATES)
async def test_state_is_handed_on_or_dropped_as_a_whole(case: str, caplog: pytest.LogCaptureFixture) -> None:
    """A state that is not well-formed never harms the parent, and fills no log."""
    headers, expected = STATES[case]
    carried = await downstream(Tracing, headers)
    assert carried.pop("traceparent") == f"00-{T}-{P}-00"
    assert carried == ({"tracestate": expected} if expected else {})
    assert not [record for record in caplog.records if record.levelno >= logging.INFO]


@pytest.mark.parametrize(("given_flags", "kept"), [("00", 0), ("01", 1), ("02", 2), ("03", 3), ("04", 0), ("fd", 1)])
def test_only_flags_that_are_known_are_kept(given_flags: str, kept: int) -> None:
    span = parse_traceparent(f"00-{T}-{P}-{given_flags}".encode())
    assert span is not None
    assert span.trace_flags == kept
    assert format_traceparent(span) == f"00-{T}-{P}-{kept:02x}".encode()


@given(st.binary(max_size=120) | st.from_regex(rb"\A[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?\Z"))
def test_whatever_is_read_is_written_again_in_form(value: bytes) -> None:
    span = parse_traceparent(value)
    if span is not None:
        again = parse_traceparent(format_traceparent(span))
        assert again is not None
        assert (again.trace_id, again.span_id, again.trace_flags) == (span.trace_id, span.span_id, span.trace_flags)
        assert span.is_remote


@given(st.lists(st.binary(max_size=60) | st.from_regex(rb"[a-z]{1,3}=[ -~]{1,4}(,[a-z]=1)*"), max_size=6))
def test_no_state_raises_and_what_is_taken_is_in_form(values: list[bytes]) -> None:
    state = parse_tracestate(values)
    if state is not None:
        assert parse_tracestate([state.to_header().encode()]) == state
