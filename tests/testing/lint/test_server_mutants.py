"""Each server that breaks a rule is found under that rule, alone and outside a stack."""

from __future__ import annotations

from collections import UserDict
from types import MappingProxyType
from typing import Any

import anyio
import pytest

from tests.testing.lint.course import (
    CONNECT,
    EVENTS,
    FAREWELL,
    REQUEST,
    SHUTDOWN,
    STARTUP,
    around,
    body,
    make_scope,
    passes_on,
    serve,
    start,
)
from tests.testing.lint.server_mutants import EVENTS as EVENT_CASES
from tests.testing.lint.server_mutants import SCOPES, SENDS, changed_scope, hangs, not_awaitable


async def legal(scope: Any, receive: Any, send: Any) -> Any:
    if scope["type"] == "lifespan":
        for step in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{step}.complete"})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close"})
    else:
        await send(start())
        await send(body())


def stacks(app: Any) -> Any:
    """Return a lint alone, and two around a layer that does nothing, each with its findings."""
    alone = around(app)
    findings: list[Any] = []
    stack = around(passes_on(around(app, report=findings)), report=findings)
    return [(alone, alone.findings), (stack, findings)]


def assert_server(findings: Any, rule: Any, *, most: Any = 1) -> Any:
    assert {(f.id, f.party, f.layer) for f in findings} == {(rule, "server", None)}
    assert len(findings) <= most


@pytest.mark.parametrize(("rule", "kind", "change"), SCOPES)
async def test_a_scope_is_found_under_its_rule(rule, kind, change):
    for lint, findings in stacks(legal):
        await serve(lint, changed_scope(kind, change))
        assert_server(findings, rule)


@pytest.mark.parametrize("kind", [UserDict, MappingProxyType])
async def test_a_scope_that_is_no_dict_is_found(kind):
    lint = around(legal)
    await serve(lint, kind(make_scope()))
    assert_server(lint.findings, "G1")


@pytest.mark.parametrize(("rule", "kind", "events"), EVENT_CASES)
async def test_an_event_is_found_under_its_rule(rule, kind, events):
    async def app(scope: Any, receive: Any, send: Any) -> Any:
        for event in events:
            if isinstance(event, str):
                await send({"type": f"{kind}.{event}"})
            else:
                await receive()
        raise RuntimeError("done")

    for lint, findings in stacks(app):
        await serve(lint, make_scope(kind), [event for event in events if not isinstance(event, str)])
        assert_server(findings, rule)


async def test_an_application_must_raise_on_an_event_that_it_cannot_know():
    async def app(scope: Any, receive: Any, send: Any) -> Any:
        await receive()
        await legal(scope, receive, send)

    for lint, findings in stacks(app):
        await serve(lint, events=[{"type": "http.surprise"}])
        assert [(f.id, f.party) for f in findings] == [("H16", "server"), ("G8", "app")]


@pytest.mark.parametrize(("rule", "options", "send", "messages"), SENDS)
async def test_a_send_is_found_under_its_rule(rule, options, send, messages):
    async def app(scope: Any, receive: Any, send: Any) -> Any:
        for message in messages:
            await send(dict(message))

    for lint, findings in stacks(app):
        await serve(lint, make_scope(**options), send=send)
        # The application is at fault as well where `send` is to refuse, or where HEAD has a body.
        assert_server([f for f in findings if f.party != "app"], rule, most=len(messages))


async def test_a_socket_that_is_closed_raises_an_oserror():
    async def app(scope: Any, receive: Any, send: Any) -> Any:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        await send({"type": "websocket.send", "text": "late"})

    async def send(message: Any) -> Any:
        if message["type"] == "websocket.send":
            raise RuntimeError("closed")

    for lint, findings in stacks(app):
        await serve(lint, make_scope("websocket"), send=send)
        assert_server(findings, "W14")


async def test_a_send_that_does_nothing_on_a_closed_socket_is_found():
    async def app(scope: Any, receive: Any, send: Any) -> Any:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        await send({"type": "websocket.send", "text": "late"})

    for version, expected in (("2.3", []), ("2.4", [("W14", "warning")])):
        for lint, findings in stacks(app):
            await serve(lint, make_scope("websocket", spec_version=version))
            assert [(finding.id, finding.level) for finding in findings] == expected


async def test_an_oserror_is_what_a_closed_connection_may_raise():
    async def send(message: Any) -> Any:
        raise ConnectionError("closed")

    for lint, findings in stacks(legal):
        await serve(lint, send=send)
        assert findings == []


async def test_receive_gives_something_to_await():
    async def app(scope: Any, receive: Any, send: Any) -> Any:
        await receive()

    for lint, findings in stacks(app):
        await serve(lint, receive=not_awaitable)
        assert_server(findings, "G16")


@pytest.mark.parametrize(("rule", "kind"), [("H19", "http"), ("W16", "websocket")])
async def test_a_receive_that_hangs_after_the_end_is_found_and_answered(rule, kind):
    waiting = [dict(event) for event in EVENTS[kind]]

    async def receive() -> Any:
        return waiting.pop(0) if waiting else await hangs()

    async def app(scope: Any, receive: Any, send: Any) -> Any:
        await receive()
        await legal(scope, receive, send) if kind == "http" else await send({"type": "websocket.close"})
        assert (await receive())["type"] == f"{kind}.disconnect"

    lint = around(app)
    sent = await serve(lint, make_scope(kind), receive=receive)
    assert_server(lint.findings, rule)
    assert not isinstance(sent[-1], Exception)


async def test_an_event_dict_must_not_be_used_again():
    message = {**REQUEST, "more_body": True}

    async def receive() -> Any:
        return message

    async def app(scope: Any, receive: Any, send: Any) -> Any:
        await receive()
        await receive()
        await legal(scope, receive, send)

    for lint, findings in stacks(app):
        await serve(lint, receive=receive)
        assert_server(findings, "G18")


async def test_headers_of_the_scope_can_be_read_again():
    async def app(scope: Any, receive: Any, send: Any) -> Any:
        assert list(scope["headers"]) == list(scope["headers"]) == [(b"host", b"a")]
        await legal(scope, receive, send)

    lint = around(app)
    scope = make_scope()
    scope["headers"] = iter([(b"host", b"a")])
    assert not isinstance((await serve(lint, scope))[-1], Exception)
    assert_server(lint.findings, "G18")


async def test_a_scope_is_used_for_one_call():
    lint = around(legal)
    scope = make_scope()
    async with anyio.create_task_group() as group:
        group.start_soon(serve, lint, scope)
        group.start_soon(serve, lint, scope)
    assert_server(lint.findings, "G13")


class Life:
    """A lifespan that a test leads, beside requests to the same application."""

    def __init__(self, app: Any, scope: Any = None) -> None:
        self.lint = around(app)
        self.scope = make_scope("lifespan") if scope is None else scope
        self.to_app, self.app_receives = anyio.create_memory_object_stream[Any](5)
        self.answers: list[str] = []

    async def send(self, message: Any) -> Any:
        self.answers.append(message["type"])

    async def live(self, kind: Any, meanwhile: Any) -> Any:
        async with anyio.create_task_group() as group:
            group.start_soon(self.lint, self.scope, self.app_receives.receive, self.send)
            await anyio.wait_all_tasks_blocked()
            if kind is not None:
                await self.step(STARTUP)
            await meanwhile(self)
            group.cancel_scope.cancel()
        self.to_app.close()
        self.app_receives.close()

    async def step(self, event: Any) -> Any:
        await self.to_app.send(dict(event))
        await anyio.wait_all_tasks_blocked()


async def fails(scope: Any, receive: Any, send: Any) -> Any:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.failed"})
        await receive()
    await legal(scope, receive, send)


async def request_before_startup(life: Any) -> Any:
    await serve(life.lint)


async def share_the_state(life: Any) -> Any:
    scope = make_scope()
    scope["state"] = life.scope["state"]
    await serve(life.lint, scope)


async def copy_the_state_in_depth(life: Any) -> Any:
    await serve(life.lint, make_scope(state={"pool": object()}))


async def forget_the_state(life: Any) -> Any:
    await serve(life.lint, make_scope(state={"other": 1}))


async def replace_the_state(life: Any) -> Any:
    life.scope["state"] = {**life.scope["state"]}
    await life.step(SHUTDOWN)


async def call_again(life: Any) -> Any:
    await serve(life.lint, make_scope("lifespan"))


async def take_from_the_state(life: Any) -> Any:
    life.scope["state"].clear()
    await life.step(SHUTDOWN)


async def stop_too_early(life: Any) -> Any:
    async with anyio.create_task_group() as group:
        group.start_soon(life.lint, make_scope("websocket"), hangs, life.send)
        await anyio.wait_all_tasks_blocked()
        await life.step(SHUTDOWN)
        group.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("rule", "app", "first", "meanwhile"),
    [
        ("L3", legal, None, request_before_startup),
        ("L6", fails, STARTUP, request_before_startup),
        ("H14", legal, STARTUP, share_the_state),
        ("H14", legal, STARTUP, copy_the_state_in_depth),
        ("H14", legal, STARTUP, forget_the_state),
        ("L11", legal, STARTUP, replace_the_state),
        ("L2", legal, STARTUP, call_again),
        ("L11", legal, STARTUP, take_from_the_state),
        ("L8", legal, STARTUP, stop_too_early),
    ],
)
async def test_a_server_that_mixes_up_its_lifespan_is_found(rule, app, first, meanwhile):
    life = Life(app)
    life.scope["state"]["pool"] = object()
    await life.live(first, meanwhile)
    assert_server(life.lint.findings, rule)


async def test_after_a_lifespan_that_went_well_nothing_is_found():
    life = Life(legal)

    async def meanwhile(life: Any) -> Any:
        await serve(life.lint, make_scope(state={}))
        await life.step(SHUTDOWN)

    await life.live(STARTUP, meanwhile)
    assert life.lint.findings == []
    assert life.answers == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_the_cases_use_legal_events():
    assert CONNECT["type"] == "websocket.connect"
    assert FAREWELL["http"]["type"] == "http.disconnect"


class Spoiling:
    """A layer that breaks what a server breaks elsewhere."""

    def __init__(self, app: Any, scope: Any = (), receive: Any = None, send: Any = None) -> None:
        self.app, self.change, self.receive, self.send = app, dict(scope), receive, send

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app({**scope, **self.change}, self.receive or receive, self.send or send)


def assert_layer(findings: Any, rule: Any) -> None:
    """Its other side may see it break further rules: what it never received, it has no answer to."""
    assert rule in {finding.id for finding in findings}
    assert {(finding.party, finding.layer) for finding in findings} == {("middleware", "Spoiling")}


@pytest.mark.parametrize(("rule", "kind", "change"), SCOPES)
async def test_a_layer_that_hands_on_such_a_scope_is_named(rule, kind, change):
    findings: list[Any] = []
    await serve(around(Spoiling(around(legal, report=findings), change), report=findings), make_scope(kind))
    assert_layer([finding for finding in findings if finding.party != "app"], rule)


@pytest.mark.parametrize(("rule", "kind", "events"), EVENT_CASES)
async def test_a_layer_that_gives_such_events_is_named(rule, kind, events):
    waiting = [dict(event) for event in events if not isinstance(event, str)]

    async def receive() -> Any:
        await anyio.lowlevel.checkpoint()
        return waiting.pop(0)

    async def app(scope: Any, receive: Any, send: Any) -> Any:
        for event in events:
            await (send({"type": f"{kind}.{event}"}) if isinstance(event, str) else receive())
        raise RuntimeError("done")

    findings: list[Any] = []
    spoiling = Spoiling(around(app, report=findings), receive=receive)
    await serve(around(spoiling, report=findings), make_scope(kind))
    assert_layer(findings, rule)


@pytest.mark.parametrize(("rule", "options", "send", "messages"), SENDS)
async def test_a_layer_with_such_a_send_is_named(rule, options, send, messages):
    async def app(scope: Any, receive: Any, send: Any) -> Any:
        for message in messages:
            await send(dict(message))

    findings: list[Any] = []
    spoiling = Spoiling(around(app, report=findings), send=send)
    await serve(around(spoiling, report=findings), make_scope(**options))
    # It passes nothing on, so that its outer side sees no response either.
    assert_layer([f for f in findings if f.party != "app" and f.id != "H34"], rule)
