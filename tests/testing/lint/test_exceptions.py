"""The lint beside exceptions: whose fault is named, which exception arrives, and that nothing of the call stays."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from middlewares.testing import Finding, Lint, LintError, http_scope, lifespan_scope
from tests.testing.lint.course import REQUEST, body, ids, make_scope, serve, start


async def plain(scope: Any, receive: Any, send: Any) -> None:
    await send(start())
    await send(body())


class Layer:
    def __init__(self, app: Any) -> None:
        self.app = app


class Spoiling(Layer):
    """Hands on a scope that is wrong."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app({**scope, "http_version": "9"}, receive, send)


class Rewriting(Layer):
    """Changes what it should not."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_rewritten(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["status"] = 404
            await send(message)

        await self.app(scope, receive, send_rewritten)


async def test_a_layer_that_changes_an_event_is_named_though_the_client_has_gone() -> None:
    async def send(message: Any) -> None:
        raise ConnectionResetError

    async def persistent(scope: Any, receive: Any, send: Any) -> None:
        for message in (start(), body()):
            try:
                await send(message)
            except OSError:
                continue

    found: list[Finding] = []
    await serve(Lint(Rewriting(Lint(persistent, report=found)), report=found), send=send)
    assert [(finding.id, finding.layer) for finding in found] == [("G18", "Rewriting")]


@pytest.mark.parametrize("mode", ["raise", "collect"])
async def test_what_the_inner_lint_raises_is_no_fault_of_the_layers_outside(mode: Any) -> None:
    inner = Lint(plain, mode="raise")
    outer = Lint(Spoiling(inner), mode=mode)
    with pytest.raises(LintError, match="H1 error, middleware Spoiling"):
        await outer(make_scope(), _nothing, _drop)
    assert outer.findings == []


async def test_a_call_that_was_refused_is_forgotten() -> None:
    """Else a later scope at the same place in memory would be one that is in use."""
    inside = asyncio.Event()
    done = asyncio.Event()

    async def slow_start(scope: Any, receive: Any, send: Any) -> None:
        inside.set()
        await done.wait()

    lint = Lint(slow_start, mode="raise")
    startup = asyncio.create_task(lint(lifespan_scope(), _nothing, _drop))
    await inside.wait()
    with pytest.raises(LintError, match="L3"):
        await lint(make_scope(), _nothing, _drop)
    assert lint.course.calls == set()
    done.set()
    await startup


async def test_a_cancellation_is_not_replaced_by_a_finding() -> None:
    reached = asyncio.Event()

    async def reusing(scope: Any, receive: Any, send: Any) -> None:
        message = start()
        await send(message)
        message["status"] = 404
        reached.set()
        await asyncio.Event().wait()

    lint = Lint(reusing, mode="raise")
    task = asyncio.create_task(lint(make_scope(), _nothing, _drop))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ids(lint.findings) == {"G18"}


async def test_a_call_made_while_cleaning_up_swallows_no_cancellation() -> None:
    """As an application that tells another one, before it lets its cancellation go on."""
    lint = Lint(plain)
    reached = asyncio.Event()

    async def caller() -> None:
        try:
            reached.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await serve(lint)
            raise

    task = asyncio.create_task(caller())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert lint.findings == []


async def test_the_mode_raise_raises_errors_and_keeps_warnings() -> None:
    """Starlette sends a body on HEAD, which servers bear: a stack in the mode raise must serve it."""
    lint = Lint(plain_with_body, mode="raise")
    await lint(http_scope("HEAD"), _nothing, _drop)
    assert [(finding.id, finding.level) for finding in lint.findings] == [("H33", "warning")]


async def plain_with_body(scope: Any, receive: Any, send: Any) -> None:
    await send(start())
    await send(body(b"x"))


async def test_a_report_that_raises_leaves_no_cycle() -> None:
    def refuse(finding: Finding) -> None:
        raise ValueError(finding.id)

    lint = Lint(plain, report=refuse)
    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            with pytest.raises(ValueError, match="H1"):
                await lint({**make_scope(), "http_version": "9"}, _nothing, _drop)
        assert not [one for one in gc.get_objects() if type(one).__name__ == "HTTPFace"]
    finally:
        gc.enable()
    assert lint.course.calls == set()


async def _nothing() -> Any:
    return dict(REQUEST)


async def _drop(message: Any) -> None:
    pass


class Answering(Layer):
    """Answers each third request itself."""

    asked = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked += 1
        await (plain if self.asked % 3 == 0 else self.app)(scope, receive, send)


async def faulty(scope: Any, receive: Any, send: Any) -> None:
    await send(start(99))
    await send(body())


async def test_lints_of_a_stack_sample_the_same_calls() -> None:
    """Else the outer one would take for the layer's what the inner one was not asked to see."""
    found: list[Finding] = []
    inner = Lint(faulty, mode="sample", sample_rate=0.5, report=found)
    app = Lint(Answering(inner), mode="sample", sample_rate=0.5, report=found)
    for _ in range(12):
        await serve(app)
    assert {(finding.id, finding.party, finding.layer) for finding in found} == {("H22", "app", "faulty")}
    assert len(found) == 4


async def test_a_lifespan_that_the_inner_lint_would_not_sample_is_no_lost_one() -> None:
    async def alive(scope: Any, receive: Any, send: Any) -> None:
        for _ in range(2):
            await send({"type": f"{(await receive())['type']}.complete"})

    inner = Lint(alive, mode="sample", sample_rate=0.01)
    outer = Lint(Passing(inner))
    await serve(outer, lifespan_scope())
    assert outer.findings == []


class Passing(Layer):
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)
