"""What a process remembers of a server that may lose its states, and what it charges again."""

from __future__ import annotations

import pytest

from middlewares.rate_limit import backlog
from middlewares.rate_limit.backlog import Backlog
from middlewares.rate_limit.decision import Decision
from middlewares.rate_limit.notation import SECOND, parse_limits
from middlewares.rate_limit.policy import Policy

NOW = 1000 * SECOND


@pytest.fixture
def policy() -> Policy:
    """Ten units, of which one comes back each second."""
    return _policy("10/10 seconds")


def _policy(limit: str, **options: bool) -> Policy:
    (quota,) = parse_limits(limit)
    return Policy("p", quota, **options)  # type: ignore[arg-type]  # is_gate alone


def found(policy: Policy, used: int, now: int = NOW, key: str = "k") -> Decision:
    """Return a decision after which so many units are used."""
    return Decision(True, ((policy, key, 1),), (now + used * SECOND,), now)


def test_what_was_used_before_the_server_started_anew_is_charged_again(policy: Policy) -> None:
    seen = Backlog()
    assert not seen.lost(found(policy, 6), "before")
    assert seen.lost(found(policy, 1), "after") == [(policy, "k", 5)]
    assert not seen.lost(found(policy, 6), "after"), "once"
    assert seen.lost(found(policy, 1), "after again") == [(policy, "k", 5)], "and again if it is lost again"


def test_what_was_charged_again_is_remembered_before_the_server_tells_of_it(policy: Policy) -> None:
    seen = Backlog()
    seen.lost(found(policy, 6), "before")
    seen.lost(found(policy, 1), "after")
    assert seen.lost(found(policy, 1), "later") == [(policy, "k", 5)]


def test_while_nothing_was_lost_nothing_is_charged_again(policy: Policy) -> None:
    """Answers of two calls at once may be read in another order than they were counted in."""
    seen = Backlog()
    seen.lost(found(policy, 6), "same")
    assert not seen.lost(found(policy, 5), "same")


def test_what_came_back_meanwhile_is_not_charged(policy: Policy) -> None:
    seen = Backlog()
    seen.lost(found(policy, 6), "before")
    assert seen.lost(found(policy, 1, NOW + 2 * SECOND), "after") == [(policy, "k", 3)]
    assert not Backlog().lost(found(policy, 1), "after"), "of what was never seen"


def test_what_is_asked_only_is_not_charged() -> None:
    gate = _policy("10/10 seconds", is_gate=True)
    seen = Backlog()
    seen.lost(found(gate, 6), "before")
    assert not seen.lost(found(gate, 1), "after")


def test_few_keys_are_remembered(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "_MOST", 10)
    seen = Backlog()
    for number in range(95):
        seen.lost(found(policy, 6, key=f"k{number}"), "before")
    assert seen.lost(found(policy, 1, key="k94"), "after")
    assert not seen.lost(found(policy, 1, key="k89"), "after")
