"""Every public middleware takes part, and so does each thing that a layer can meet."""

from __future__ import annotations

import pytest

import middlewares
from middlewares.core.layer import is_self_checking
from middlewares.registry import BUILTIN
from tests.composition.applications import APPLICATIONS
from tests.composition.cases import Case, check
from tests.composition.entries import ENTRIES
from tests.composition.plan import APPS, TRIPLES, covering_rows


def test_every_public_middleware_has_an_entry() -> None:
    missing = BUILTIN.keys() - {make().builtin for make in ENTRIES.values()}
    assert not missing, f"add entries for {sorted(missing)} to tests/composition/entries.py"


def test_every_public_class_of_a_middleware_is_registered() -> None:
    """What is imported from the package by its name is known by that name in files, and so takes part here."""
    public = {name for name in middlewares.__all__ if is_self_checking(getattr(middlewares, name))}
    assert public == {target.partition(":")[2] for target in BUILTIN.values()}


def test_every_application_is_asked_for_something() -> None:
    assert APPS.keys() == APPLICATIONS.keys()


def test_the_covering_design_brings_every_ordered_triple() -> None:
    *_, (row, covered) = covering_rows([*ENTRIES])
    assert covered == len(TRIPLES)
    assert len({*row}) == len(row) == 6


@pytest.mark.parametrize("entry", ENTRIES)
async def test_the_bare_subject_tells_its_duty(entry: str) -> None:
    run = await check(Case((entry,), "plain"))
    assert run.view.status in (200, None)
