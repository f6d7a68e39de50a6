"""Any order works: layers do their duty and leave everything else alone, around any application, for any client."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, seed, settings

from tests.composition.cases import Case, check, violations
from tests.composition.entries import ENTRIES
from tests.composition.plan import APPS, SEED, TRIPLES, case_of, cases, covering_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.composition.conftest import Tell

sweep = pytest.mark.sweep

PAIRS = f"ordered pairs: all {len(ENTRIES) ** 2}"

HEALTH = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture)

_SHOWN = 5


async def _check_all(composed: Iterable[Case]) -> int:
    """Run cases; fail with the smallest of those in which something does not hold. Return how many there were."""
    count, found = 0, dict[str, None]()
    for case in composed:
        count += 1
        if len(found) < _SHOWN and (complaint := await violations(case)):
            found[complaint] = None
    assert not found, "\n".join(found)
    return count


async def _check_pairs(outer: str, variant: int, share: int = 1) -> int:
    """Run all pairs with this outer layer; each meets one in ``share`` applications, which take turns."""
    names = [*ENTRIES]
    met = (
        ((outer, inner), app)
        for place, inner in enumerate(names, names.index(outer))
        for app in [*APPS][place % share :: share]
    )
    return await _check_all(case_of(pair, app, variant) for pair, app in met)


async def _check_triples(apps_per_row: int, seconds: float) -> tuple[str, int]:
    """Run the covering design until it is complete or the time is up."""
    began = time.monotonic()
    rows = count = covered = 0
    apps = [*APPS]
    for row, sofar in covering_rows([*ENTRIES]):
        chosen = [apps[(rows * apps_per_row + n) % len(apps)] for n in range(apps_per_row)]
        count += await _check_all(case_of(row, app) for app in chosen)
        rows, covered = rows + 1, sofar
        if time.monotonic() - began > seconds:
            break
    return f"ordered triples: {covered} of {len(TRIPLES)} came up in {rows} stacks", count


@pytest.mark.parametrize("app", APPS)
async def test_an_application_alone(app: str) -> None:
    """What is said of compositions holds for each application without any layer, for every request and client."""
    await _check_all(case_of((), app, variant) for variant in range(30))


@pytest.mark.parametrize("outer", ENTRIES)
async def test_all_ordered_pairs(outer: str, tell: Tell) -> None:
    tell(PAIRS, await _check_pairs(outer, 0, share=6))


async def test_ordered_triples(tell: Tell) -> None:
    tell(*await _check_triples(apps_per_row=4, seconds=15))


@seed(SEED)
@settings(max_examples=400, database=None, deadline=None, suppress_health_check=HEALTH)
@given(case=cases())
async def test_whole_stacks(case: Case, tell: Tell) -> None:
    tell("whole stacks, at random", 1)
    await check(case)


@sweep
@pytest.mark.timeout(300)
@pytest.mark.parametrize("outer", ENTRIES)
async def test_all_ordered_pairs_around_many_applications(outer: str, tell: Tell) -> None:
    tell(PAIRS, await _check_pairs(outer, 1, share=2))


@sweep
@pytest.mark.timeout(300)
async def test_ordered_triples_around_many_applications(tell: Tell) -> None:
    tell(*await _check_triples(apps_per_row=len(APPS) // 2, seconds=120))


@sweep
@pytest.mark.timeout(300)
@seed(SEED)
@settings(max_examples=5000, database=None, deadline=None, suppress_health_check=HEALTH)
@given(case=cases())
async def test_thousands_of_whole_stacks(case: Case, tell: Tell) -> None:
    tell("whole stacks, at random", 1)
    await check(case)
