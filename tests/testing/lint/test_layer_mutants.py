"""Between two lints each layer that breaks a rule is found under that rule, by its name."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from tests.testing.lint.app_mutants import HINT, TRAILERS
from tests.testing.lint.course import REQUEST, around, body, ids, make_scope, passes_on, serve, start
from tests.testing.lint.layer_mutants import MUTANTS


async def plain(scope: Any, receive: Any, send: Any) -> Any:
    await send(start())
    await send(body(b"12"))


async def receives(scope: Any, receive: Any, send: Any) -> Any:
    await receive()
    await plain(scope, receive, send)


async def receives_to_the_end(scope: Any, receive: Any, send: Any) -> Any:
    await plain(scope, receive, send)
    await receive()
    await receive()
    await receive()


async def cancels(scope: Any, receive: Any, send: Any) -> Any:
    with anyio.CancelScope() as cancelled:
        async with anyio.create_task_group() as group:
            group.start_soon(receive)
            for _ in range(3):
                await anyio.lowlevel.checkpoint()
            cancelled.cancel()
    await receive()
    await plain(scope, receive, send)


async def hints(scope: Any, receive: Any, send: Any) -> Any:
    await send(dict(HINT))
    await plain(scope, receive, send)


async def hints_twice(scope: Any, receive: Any, send: Any) -> Any:
    await send({"type": "http.response.debug", "info": {}})
    await send(dict(HINT))
    await plain(scope, receive, send)


async def unknown(scope: Any, receive: Any, send: Any) -> Any:
    await send({"type": "http.response.surprise"})
    await plain(scope, receive, send)


async def trailers(scope: Any, receive: Any, send: Any) -> Any:
    await send(start(headers=[(b"trailer", b"x-sum")], trailers=True))
    await send(body())
    await send(dict(TRAILERS))


async def breaks_off(scope: Any, receive: Any, send: Any) -> Any:
    await send(start())
    await send(body(b"1", more_body=True))
    raise ValueError("broken")


async def slow(scope: Any, receive: Any, send: Any) -> Any:
    if scope["method"] == "POST":
        await send(start())
    for _ in range(10):
        await checkpoint()  # other tasks get their turn, and no time passes


async def life(scope: Any, receive: Any, send: Any) -> Any:
    for step in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{step}.complete"})


async def patient_life(scope: Any, receive: Any, send: Any) -> Any:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await anyio.sleep_forever()


async def failing_life(scope: Any, receive: Any, send: Any) -> Any:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})


async def sends_while_it_waits(scope: Any, receive: Any, send: Any) -> Any:
    async with anyio.create_task_group() as group:
        group.start_soon(receive)
        await checkpoint()  # the task has begun to wait
        await plain(scope, receive, send)


INNER = {
    "plain": plain,
    "receives": receives,
    "receives twice": receives_to_the_end,
    "cancels": cancels,
    "hints": hints,
    "hints twice": hints_twice,
    "unknown": unknown,
    "trailers": trailers,
    "breaks off": breaks_off,
    "slow": slow,
    "life": life,
    "patient life": patient_life,
    "failing life": failing_life,
    "sends while it waits": sends_while_it_waits,
}


def named(layer: Any, app: Any) -> Any:
    async def Mutant(scope: Any, receive: Any, send: Any) -> Any:  # noqa: N802 - it stands for a class
        return await layer(app, scope, receive, send)

    mutant: Any = Mutant
    mutant.app = app
    return mutant


async def run(rule: Any, layer: Any, inner: Any, wrap: Any = lambda app: app) -> Any:
    findings: list[Any] = []
    inmost = around(INNER[inner], report=findings)
    outmost = around(wrap(named(layer, inmost)), report=findings)
    kind = "lifespan" if "life" in inner else "http"
    events = None if kind == "lifespan" else [REQUEST]
    method = {"method": "POST"} if rule == "H36" else {}
    scope = make_scope(kind, state={}, **(method if kind == "http" else {}))
    if inner == "cancels":
        events = [{**REQUEST, "more_body": True}, REQUEST]
    try:
        await serve(outmost, scope, events)
    finally:
        if task := scope.get("state", {}).get("task"):
            task.cancel()
    return findings


CASES = [pytest.param(*case, id=f"{case[0]}-{number}") for number, case in enumerate(MUTANTS)]


@pytest.mark.parametrize(("rule", "layer", "inner"), CASES)
async def test_a_layer_is_found_under_its_rule(rule, layer, inner):
    findings = await run(rule, layer, inner)
    assert ids(findings) == {rule}
    assert {(finding.party, finding.layer) for finding in findings} == {("middleware", "Mutant")}


@pytest.mark.parametrize(("rule", "layer", "inner"), CASES)
async def test_other_layers_beside_it_are_not_blamed(rule, layer, inner):
    findings = await run(rule, layer, inner, lambda app: passes_on(around(app)))
    assert "Transparent" not in {finding.layer for finding in findings}


@pytest.mark.parametrize("inner", sorted(INNER.keys() - {"patient life"}))
async def test_a_layer_that_does_nothing_is_never_blamed(inner):
    async def nothing(app: Any, scope: Any, receive: Any, send: Any) -> Any:
        await app(scope, receive, send)

    assert "middleware" not in {finding.party for finding in await run("", nothing, inner)}
