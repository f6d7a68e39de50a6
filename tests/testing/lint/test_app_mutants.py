"""Each application that breaks a rule is found under that rule, alone and in a stack."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from tests.testing.lint.app_mutants import MUTANTS
from tests.testing.lint.course import around, ids, make_scope, passes_on, serve

CASES = [
    pytest.param(rule, *mutant, id=f"{rule}-{number}")
    for rule, mutants in MUTANTS.items()
    for number, mutant in enumerate(mutants)
]


async def run(app: Any, kind: Any, options: Any) -> Any:
    scope = make_scope(kind, **options, **({"state": {}} if kind != "other" else {}))
    await serve(app, scope)
    for _ in range(5):
        await anyio.lowlevel.checkpoint()
    await anyio.lowlevel.checkpoint()
    if file := scope.get("state", {}).get("file"):
        file.close()


@pytest.mark.parametrize(("rule", "app", "kind", "options"), CASES)
async def test_an_application_is_found_under_its_rule(rule, app, kind, options):
    lint = around(app)
    await run(lint, kind, options)
    assert ids(lint.findings) == {rule}
    assert {finding.party for finding in lint.findings} == {"app"}
    assert {finding.layer for finding in lint.findings} == {lint.inside.names[-1]}


@pytest.mark.parametrize(("rule", "app", "kind", "options"), CASES)
async def test_in_a_stack_the_application_bears_the_blame_and_no_layer(rule, app, kind, options):
    findings: list[Any] = []
    inner = around(app, report=findings)
    await run(around(passes_on(inner), report=findings), kind, options)
    assert ids(findings) == {rule}
    assert {(finding.party, finding.layer) for finding in findings} == {("app", inner.inside.names[-1])}
