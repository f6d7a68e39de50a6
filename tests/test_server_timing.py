"""Permitted clients are told times, in a field that is valid whatever the application names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse

from middlewares.errors import OptionError
from middlewares.server_timing import ServerTiming, _metric, phase, record_phase
from middlewares.testing import request

if TYPE_CHECKING:
    from middlewares.asgi import Receive, Scope, Send

# W3C Server Timing, 2, and RFC 9110, 5.6.4.
METRIC = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+);dur=(\d+\.\d+)(?:;desc=\"((?:[\t !#-\[\]-~])*)\")?")


def parse(field: str | None) -> dict[str, tuple[float, str]]:
    assert field
    parsed = {}
    while field:
        match = METRIC.match(field)
        assert match, field
        parsed[match[1]] = float(match[2]), match[3] or ""
        field = field[match.end() :].removeprefix(", ")
    return parsed


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    with phase("db", "load the products"):
        await anyio.lowlevel.checkpoint()
    record_phase("cache", 0.25)
    record_phase("cache", 0.5, 'a "hit"\r\nset-cookie: x=1')
    await PlainTextResponse("ok", headers={"server-timing": "own;dur=1"})(scope, receive, send)
    record_phase("late", 1)


async def test_total_and_phases_are_told_beside_what_the_application_tells() -> None:
    response = await request(ServerTiming(app), client=("127.0.0.1", 1))
    own, ours = response.values("server-timing")
    assert own == "own;dur=1"
    told = parse(ours)
    assert [*told] == ["total", "db", "cache"]
    assert told["cache"][0] == 750
    assert told["db"][1] == "load the products"
    assert '"' not in told["cache"][1]


@pytest.mark.parametrize(
    ("show_to", "client", "is_shown"),
    [
        (("127.0.0.0/8",), ("203.0.113.7", 1), False),
        (["10.0.0.0/8"], ("10.1.2.3", 1), True),
        ("anybody", ("203.0.113.7", 1), True),
        ("nobody", ("127.0.0.1", 1), False),
        (["10.0.0.0/8"], None, False),
    ],
)
async def test_strangers_learn_nothing(show_to: Any, client: Any, is_shown: bool) -> None:
    response = await request(ServerTiming(app, show_to=show_to), client=client)
    assert (len(response.values("server-timing")) == 2) == is_shown


@given(st.text(), st.floats(0, 1e6))
def test_whatever_describes_a_phase_the_field_is_valid(description: str, seconds: float) -> None:
    assert [*parse(_metric("db", seconds, description))] == ["db"]


async def test_phases_never_mix_and_are_bounded() -> None:
    async def many(scope: Scope, receive: Receive, send: Send) -> None:
        for number in range(100):
            record_phase(f"{scope['path'][1:]}-{number}", 0.1)
            if number % 30 == 0:
                await anyio.lowlevel.checkpoint()
        await PlainTextResponse("ok")(scope, receive, send)

    wrapped = ServerTiming(many, show_to="anybody")

    async def one(name: str) -> None:
        told = parse((await request(wrapped, path=f"/{name}")).header("server-timing"))
        assert len(told) == 51
        assert all(metric == "total" or metric.startswith(f"{name}-") for metric in told)

    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(one, f"r{number}")


def test_a_name_that_is_no_token_is_refused() -> None:
    with pytest.raises(ValueError, match="must be a token"):
        record_phase("a b", 1)
    record_phase("nobody-listens", 1)


@pytest.mark.parametrize("options", [{"total": "a b"}, {"show_to": "10.0.0.0/8"}, {"show_to": ["10.0.0.1/8"]}])
def test_options_that_cannot_be_right_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        ServerTiming(app, **options)


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), "1", None])
async def test_seconds_that_are_no_number_are_refused_and_spoil_nothing(seconds: Any) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with pytest.raises(ValueError, match="seconds must be a finite number"):
            record_phase("db", seconds)
        await PlainTextResponse("hello")(scope, receive, send)

    response = await request(ServerTiming(app, show_to="anybody"))
    assert (response.header("server-timing") or "").startswith("total;dur=")
