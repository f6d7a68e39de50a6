"""Responses tell clients how they stand, in the fields of any draft."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from middlewares import CORS
from middlewares.rate_limit import RateLimit
from middlewares.testing import request

from .apps import answering, hello

if TYPE_CHECKING:
    from middlewares.testing import ManualClock


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        (
            "draft-10",
            {
                "ratelimit-policy": '"3/minute";q=3;w=60, "9/hour";q=9;w=3600',
                "ratelimit": '"3/minute";r=2;t=20, "9/hour";r=8;t=400',
            },
        ),
        ("draft-07", {"ratelimit-policy": "3;w=60, 9;w=3600", "ratelimit": "limit=3, remaining=2, reset=20"}),
        (
            "draft-06",
            {
                "ratelimit-policy": "3;w=60, 9;w=3600",
                "ratelimit-limit": "3",
                "ratelimit-remaining": "2",
                "ratelimit-reset": "20",
            },
        ),
        ("x-ratelimit", {"x-ratelimit-limit": "3", "x-ratelimit-remaining": "2", "x-ratelimit-reset": "20"}),
    ],
)
async def test_each_draft_has_its_fields(clock: ManualClock, style: Any, expected: dict[str, str]) -> None:
    app = RateLimit(hello, limit="3/minute;9/hour", headers=[style], clock=clock.ns)
    response = await request(app)
    found = {name.decode(): value.decode() for name, value in response.headers if b"ratelimit" in name}
    assert found == expected


async def test_several_drafts_stand_side_by_side(clock: ManualClock) -> None:
    app = RateLimit(hello, limit="3/minute", headers=["draft-10", "x-ratelimit"], clock=clock.ns)
    response = await request(app)
    assert response.header("ratelimit") == '"3/minute";r=2;t=20'
    assert response.header("x-ratelimit-remaining") == "2"


async def test_no_fields_where_none_are_wanted() -> None:
    app = RateLimit(hello, limit="1/minute", headers=[])
    for expected in (False, True):
        response = await request(app)
        assert not [name for name, _ in response.headers if b"ratelimit" in name]
        assert (response.header("retry-after") is not None) is expected


async def test_a_whole_quota_has_no_time_to_wait(clock: ManualClock) -> None:
    app = RateLimit(hello, limit="3/minute", cost=0, clock=clock.ns)
    assert (await request(app)).header("ratelimit") == '"3/minute";r=3'


async def test_fields_of_others_are_kept(clock: ManualClock) -> None:
    theirs = answering(headers=((b"RateLimit", b'"other";r=1'), (b"X-RateLimit-Limit", b"5")))
    app = RateLimit(theirs, limit="3/minute", headers=["draft-10", "x-ratelimit"], clock=clock.ns)
    response = await request(app)
    assert [value for name, value in response.headers if name.lower() == b"ratelimit"] == [
        b'"other";r=1',
        b'"3/minute";r=2;t=20',
    ]
    assert [value for name, value in response.headers if name.lower() == b"x-ratelimit-limit"] == [b"5"]


async def test_an_allowed_response_tells_no_retry_after_but_that_of_the_application() -> None:
    assert (await request(RateLimit(hello))).header("retry-after") is None
    theirs = answering(headers=((b"retry-after", b"7"),))
    assert (await request(RateLimit(theirs))).header("retry-after") == "7"


@pytest.mark.parametrize(("limit", "is_told"), [("1/minute", False), ("2/minute", True)])
async def test_a_redirect_does_not_tell_that_nothing_is_left(limit: str, is_told: bool) -> None:
    response = await request(RateLimit(answering(302), limit=limit))
    assert (response.header("ratelimit") is not None) is is_told


async def test_names_are_strings_of_structured_fields(clock: ManualClock) -> None:
    app = RateLimit(hello, limit="3/minute", name='a "b" \\ c', clock=clock.ns)
    assert (await request(app)).header("ratelimit") == r'"a \"b\" \\ c";r=2;t=20'


async def test_retry_after_is_never_earlier_than_more_quota(clock: ManualClock) -> None:
    app = RateLimit(hello, limit="7/minute;2/second", clock=clock.ns)
    for _ in range(40):
        clock.advance(0.31)
        response = await request(app)
        if response.status == 429:
            resets = [
                int(part.partition(";t=")[2])
                for part in (response.header("ratelimit") or "").split(", ")
                if "r=0" in part
            ]
            assert int(response.header("retry-after") or 0) >= max(resets)
            assert int(response.header("retry-after") or 0) >= 1


ORIGIN = "https://app.example.com"


async def test_a_page_can_read_the_refusal_where_cors_stands_outside() -> None:
    app = CORS(RateLimit(hello, limit="1/minute"), allow_origins=[ORIGIN])
    await request(app, headers={"origin": ORIGIN})
    denied = await request(app, headers={"origin": ORIGIN})
    assert (denied.status, denied.header("access-control-allow-origin")) == (429, ORIGIN)


async def test_a_page_can_read_the_refusal_where_a_policy_stands_inside() -> None:
    app = RateLimit(CORS(hello, allow_origins=[ORIGIN]), limit="1/minute")
    await request(app, headers={"origin": ORIGIN})
    denied = await request(app, headers={"origin": ORIGIN})
    assert (denied.status, denied.header("access-control-allow-origin")) == (429, ORIGIN)


async def test_preflights_that_are_answered_inside_cost_nothing_and_others_do() -> None:
    app = RateLimit(CORS(hello, allow_origins=[ORIGIN]), limit="1/minute")
    preflight = {"origin": ORIGIN, "access-control-request-method": "GET"}
    assert [(await request(app, "OPTIONS", headers=preflight)).status for _ in range(3)] == [204] * 3
    other = {"origin": ORIGIN}
    assert [(await request(app, "OPTIONS", headers=other)).status for _ in range(2)] == [200, 429]


async def test_fields_may_be_kept_for_those_who_have_little_left(clock: ManualClock) -> None:
    app = RateLimit(hello, limit="10/hour", headers_below=30, clock=clock.ns)
    told = [(await request(app)).header("ratelimit") for _ in range(11)]
    assert told[:7] == [None] * 7
    assert [value and value.split(";")[1] for value in told[7:]] == ["r=2", "r=1", "r=0", "r=0"], "and to the refused"


@pytest.mark.parametrize("limit", ["1/minute", "1/minute;3/hour"])
async def test_times_are_stretched_by_chance_and_never_shortened(clock: ManualClock, limit: str) -> None:
    """Of a thousand that are refused at once, not all come back at once."""
    app = RateLimit(hello, limit=limit, jitter=20, clock=clock.ns)
    assert (await request(app)).status == 200
    waits = []
    for _ in range(1000):
        response = await request(app)
        waits.append(int(response.header("retry-after") or 0))
        assert f"r=0;t={waits[-1]}" in (response.header("ratelimit") or ""), "both tell the same time"
    assert (min(waits), max(waits)) == (60, 72)
    assert max(waits.count(wait) for wait in waits) < 200


async def test_without_jitter_all_are_told_the_same_time(clock: ManualClock) -> None:
    app = RateLimit(hello, limit="1/minute", clock=clock.ns)
    assert {(await request(app)).header("retry-after") for _ in range(100)} == {None, "60"}
