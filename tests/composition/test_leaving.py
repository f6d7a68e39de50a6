"""However a call ends, at whatever moment, nothing is left of it and nothing looks complete that is not."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

import pytest

from tests.composition.applications import HTTP_APPLICATIONS
from tests.composition.cases import Case, Run, violations
from tests.composition.clients import Client
from tests.composition.entries import ENTRIES
from tests.composition.leaks import leftovers
from tests.composition.plan import APPS, case_of, some_stacks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.composition.conftest import Tell

_MOST = 1000


async def _check_every_end(case: Case) -> int:
    """Cancel a call at each of its awaits, and let the client go at each of its messages; return how many ends."""
    count = 0
    for client in _clients(await _lengths(case)):
        complaint = await violations(replace(case, client=client))
        assert complaint is None, complaint
        count += 1
    return count


async def _lengths(case: Case) -> tuple[int, int]:
    """Return how often a call waits, and how many messages come of it."""
    run = Run(replace(case, client=Client("cancelled", _MOST)))
    await run.run()
    assert run.steps < _MOST
    return run.steps, len(run.traffic[0].messages)


def _clients(lengths: tuple[int, int]) -> Iterator[Client]:
    waits, messages = lengths
    yield from (Client("cancelled", at) for at in range(1, waits + 1))
    yield from (Client("gone", at, fails) for at in range(messages + 1) for fails in (False, True))


def _asked(layers: tuple[str, ...], app: str) -> Case:
    """Return the case in which a request gets as far as the application."""
    return replace(case_of(layers, app), request=APPS[app][0], client=Client())


async def _check_ends(app: str, stacks: list[tuple[str, ...]]) -> int:
    return sum([await _check_every_end(_asked(layers, app)) for layers in stacks])


async def _check_leftovers(app: str, stacks: list[tuple[str, ...]]) -> None:
    for layers in [(), *stacks]:
        assert not await leftovers(_asked(layers, app)), layers


_SINGLE = [(name,) for name in ENTRIES]


@pytest.mark.parametrize("app", APPS)
async def test_a_call_may_end_at_any_await_and_at_any_message(app: str, tell: Tell) -> None:
    tell("ends of calls", await _check_ends(app, some_stacks(app, 2, 2)))


@pytest.mark.parametrize("app", HTTP_APPLICATIONS)
async def test_nothing_is_kept_alive_by_a_call(app: str) -> None:
    await _check_leftovers(app, [*_SINGLE, *some_stacks(app, 2, 10)])


@pytest.mark.sweep
@pytest.mark.timeout(300)
@pytest.mark.parametrize("app", APPS)
async def test_a_call_may_end_anywhere_in_all_layers(app: str, tell: Tell) -> None:
    tell("ends of calls", await _check_ends(app, [*_SINGLE, *some_stacks(app, 2, 10), *some_stacks(app, 6, 5)]))


@pytest.mark.sweep
@pytest.mark.parametrize("app", HTTP_APPLICATIONS)
async def test_nothing_is_kept_alive_by_any_pair(app: str) -> None:
    await _check_leftovers(app, [*product(ENTRIES, ENTRIES), *some_stacks(app, 6, 30)])
