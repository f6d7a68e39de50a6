"""The suite finds what goes wrong in the wild, and names the smallest case that shows it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.composition import faulty
from tests.composition.cases import Case, Violation, check, violations
from tests.composition.clients import Client
from tests.composition.entries import ENTRIES
from tests.composition.faulty import Faulty
from tests.composition.leaks import leftovers

FAULTS = [
    (faulty.ends_what_was_cut, {"app": "raises_in_body"}, "is_complete"),
    (faulty.starts_again, {"app": "raises_in_body"}, "two starts"),
    (faulty.swallows_exceptions, {"app": "raises_before"}, "None arrived"),
    (faulty.wraps_exceptions, {"app": "raises_before"}, "RuntimeError"),
    (faulty.swallows_cancellation, {"app": "streamed", "client": Client("cancelled", 3)}, "cancellation was swallowed"),
    (faulty.holds_the_start, {"app": "late"}, "start is held back"),
    (faulty.holds_chunks, {"app": "events"}, "bytes that were sent"),
    (faulty.drops_unknown, {"app": "trailers"}, "others of the response"),
    (faulty.drops_unknown, {"app": "hints"}, "others of the response"),
    (faulty.changes_the_scope, {"app": "plain"}, "the scope was changed"),
    (faulty.changes_the_scope, {"app": "plain", "frozen": True}, "must not be changed"),
    (faulty.changes_the_headers, {"app": "plain", "style": "shared"}, "a message was changed"),
    (faulty.changes_the_message, {"app": "plain"}, "a message was changed"),
    (faulty.reads_headers_twice, {"app": "plain", "style": "generator", "frozen": True}, "of the response: []"),
    (faulty.needs_keys_of_body, {"app": "empty", "style": "sparse"}, "is_complete"),
    (faulty.lies_about_length, {"app": "plain"}, "content-length says"),
    (faulty.lies_about_length, {"app": "plain", "frozen": True}, "H33 error, middleware"),
    (faulty.adds_a_length, {"app": "plain"}, "two content-lengths"),
    (faulty.eats_the_body, {"app": "echo", "request": "upload"}, "body of the response"),
    (faulty.leaves_a_task, {"app": "plain"}, "tasks were left behind"),
    (faulty.drops_cookies, {"app": "plain"}, "set-cookie"),
    (faulty.answers_by_itself, {"app": "plain"}, "status of the response: 503"),
    (faulty.takes_all_for_requests, {"app": "lives", "request": "lifespan"}, "KeyError"),
]


@pytest.mark.parametrize(("fault", "case", "complaint"), FAULTS)
async def test_a_faulty_layer_is_found(
    fault: faulty.Fault, case: dict[str, Any], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENTRIES, "faulty", lambda: Faulty(fault))
    with pytest.raises(Violation) as caught:
        await check(Case(("faulty",), **case))
    assert complaint in str(caught.value)


async def test_a_reference_cycle_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENTRIES, "faulty", lambda: Faulty(faulty.keeps_the_exception))
    assert "the exception is kept alive" in await leftovers(Case(("faulty",), "raises_before"))


async def test_a_violation_shrinks_to_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without other layers, in plain shapes, for a plain client; and the case can be run again as it is printed."""
    monkeypatch.setitem(ENTRIES, "faulty", lambda: Faulty(faulty.changes_the_message))
    layers = ("gzip", "metrics", "faulty", "sessions")
    found = await violations(Case(layers, "plain", "browser", "memoryview", Client("gone", 2), frozen=True))
    assert found is not None
    line = found.partition("\n")[0]
    again = eval(line.removeprefix("await check"))  # noqa: S307 - printed by this suite
    assert again == Case(("faulty",), "plain")


@pytest.mark.parametrize(
    "name",
    [
        "gzip",
        "cors",
        "stack",
        "auth",
        "rate-limit",
        "request-id",
        "metrics",
        "sessions-again",
        "timeout",
        "problem-details",
    ],
)
async def test_the_duty_of_each_layer_is_looked_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer that only hands on, in the place of this one, is found out by some request."""
    subject = ENTRIES[name]()
    monkeypatch.setattr(type(subject), "record", lambda _: Faulty(faulty.hands_on).record())
    requests, apps = ("browser", "anonymous", "spent"), ("plain", "hangs", "raises_before")
    assert any([await violations(Case((name,), app, request)) for app in apps for request in requests])


async def test_a_changed_response_of_bare_layers_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENTRIES, "faulty", lambda: Faulty(faulty.drops_unknown))
    assert await leftovers(Case(("faulty",), "trailers")) == ["the response is not that of the application"]
