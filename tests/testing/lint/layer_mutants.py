"""Layers each of which breaks one rule towards one of its sides."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import anyio

from tests.testing.lint.course import body, start

if TYPE_CHECKING:
    from collections.abc import Callable

MUTANTS: list[Any] = []
"""Rule, layer, and the name of the inner application that brings the fault to light."""


def breaks(rule: Any, inner: Any = "plain") -> Callable[[Any], Any]:
    def register(layer: Any) -> Any:
        MUTANTS.append((rule, layer, inner))
        return layer

    return register


def sending(change: Any) -> Any:
    """Return a layer whose ``send`` is made by ``change(send)``."""

    async def changes_sends(app: Any, scope: Any, receive: Any, send: Any) -> Any:
        await app(scope, receive, change(send))

    return changes_sends


def per_message(change: Any) -> Any:
    def make(send: Any) -> Any:
        async def send_changed(message: Any) -> Any:
            for changed in change(message):
                await send(changed)

        return send_changed

    return sending(make)


def starts(**change: Any) -> Any:
    return per_message(lambda m: [{**m, **change}] if m["type"].endswith(".start") else [m])


# towards the server
breaks("H21")(per_message(lambda m: [m, dict(m)] if m["type"].endswith(".start") else [m]))
breaks("H22")(starts(status="200"))
breaks("H23")(starts(headers=[("x-a", "1")]))
breaks("H24")(starts(headers=[(b"X-A", b"1")]))
breaks("H25")(starts(headers=[(b":status", b"1")]))
breaks("H26")(starts(headers=[(b"x-a", b"1\n")]))
breaks("H29")(per_message(lambda m: [m] if m["type"].endswith(".start") else []))
breaks("H30")(per_message(lambda m: [{**m, "body": bytearray(b"1")}] if "body" in m else [m]))
breaks("H32")(per_message(lambda m: [m, {"type": m["type"]}] if "body" in m else [m]))
breaks("H33")(starts(headers=[(b"content-length", b"1")]))
breaks("H34")(per_message(lambda _: []))
breaks("G20", "hints")(per_message(lambda m: [] if m["type"].endswith("early_hint") else [m]))
breaks("G20", "unknown")(per_message(lambda m: [] if m["type"].endswith("surprise") else [m]))


@breaks("G20", "trailers")
async def refuses_trailers(app: Any, scope: Any, receive: Any, send: Any) -> Any:
    async def send_asserted(message: Any) -> Any:
        assert message["type"] in ("http.response.start", "http.response.body")
        await send(message)

    await app(scope, receive, send_asserted)


@breaks("G20", "hints twice")
async def turns_the_order(app: Any, scope: Any, receive: Any, send: Any) -> Any:
    held: list[Any] = []

    async def send_turned(message: Any) -> Any:
        if message["type"] == "http.response.debug":
            return held.append(message)
        await send(message)
        while held:
            await send(held.pop())

    await app(scope, receive, send_turned)


@breaks("G4")
async def returns_something(app: Any, scope: Any, receive: Any, send: Any) -> Any:
    await app(scope, receive, send)
    return 1


@breaks("G18")
async def changes_messages(app: Any, scope: Any, receive: Any, send: Any) -> Any:
    async def send_changed(message: Any) -> Any:
        message["seen"] = True
        await send(message)

    await app(scope, receive, send_changed)


@breaks("G18", "receives")
async def changes_events(app: Any, scope: Any, receive: Any, send: Any) -> Any:
    async def receive_changed() -> Any:
        message = await receive()
        message["seen"] = True
        return message

    await app(scope, receive_changed, send)


@breaks("G18", "slow")
async def returns_before_its_inner_call(app: Any, scope: Any, receive: Any, send: Any) -> Any:
    import asyncio

    scope["state"]["task"] = asyncio.ensure_future(app(scope, receive, send))
    await asyncio.sleep(0)
    await send(start())
    await send(body())


@breaks("G14")
async def changes_its_scope(app: Any, scope: Any, receive: Any, send: Any) -> Any:
    scope["seen"] = True
    await app(scope, receive, send)


@breaks("G14")
async def changes_the_header_list(app: Any, scope: Any, receive: Any, send: Any) -> Any:
    scope["headers"].append((b"x-b", b"2"))
    await app({**scope}, receive, send)


@breaks("G14")
async def changes_the_extensions(app: Any, scope: Any, receive: Any, send: Any) -> Any:
    del scope["extensions"]["http.response.push"]
    await app({**scope}, receive, send)


@breaks("G15", "receives")
async def touches_the_scope_later(app: Any, scope: Any, receive: Any, send: Any) -> Any:
    inner = {**scope}

    async def receive_touching() -> Any:
        inner["path"] = "/other"
        return await receive()

    await app(inner, receive_touching, send)


@breaks("G16")
async def returns_no_awaitable(app: Any, scope: Any, receive: Any, send: Any) -> Any:
    queue: list[Any] = []
    try:
        await app(scope, receive, queue.append)
    except TypeError:
        await send(start())
        await send(body())


@breaks("G16")
async def gives_a_result(app: Any, scope: Any, receive: Any, send: Any) -> Any:
    async def send_counted(message: Any) -> Any:
        await send(message)
        return 1

    await app(scope, receive, send_counted)


@breaks("G22", "receives twice")
async def forgets_the_disconnect(app: Any, scope: Any, receive: Any, send: Any) -> Any:
    gone = False

    async def receive_once() -> Any:
        nonlocal gone
        if gone:
            await anyio.sleep_forever()
        message = await receive()
        gone = message["type"] == "http.disconnect"
        return message

    await app(scope, receive_once, send)


@breaks("G22", "cancels")
async def loses_an_event(app: Any, scope: Any, receive: Any, send: Any) -> Any:
    async def receive_slowly() -> Any:
        message = await receive()
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        return message

    await app(scope, receive_slowly, send)


@breaks("G22", "sends while it waits")
async def sends_in_one_task_only(app: Any, scope: Any, receive: Any, send: Any) -> Any:
    waiting = 0

    async def receive_counted() -> Any:
        nonlocal waiting
        waiting += 1
        try:
            return await receive()
        finally:
            waiting -= 1

    async def send_alone(message: Any) -> Any:
        if waiting:
            raise RuntimeError("another task receives")
        await send(message)

    await app(scope, receive_counted, send_alone)


@breaks("G22", "receives")
async def receives_twice_at_once(app: Any, scope: Any, receive: Any, send: Any) -> Any:
    async with anyio.create_task_group() as group:
        group.start_soon(receive)
        await app(scope, receive, send)


@breaks("G10")
async def raises_in_send(app: Any, scope: Any, receive: Any, send: Any) -> Any:
    async def send_raising(message: Any) -> Any:
        raise RuntimeError("no")

    try:
        await app(scope, receive, send_raising)
    except RuntimeError:
        await send(start())
        await send(body())


@breaks("H36", "breaks off")
async def swallows_the_exception(app: Any, scope: Any, receive: Any, send: Any) -> Any:
    try:
        await app(scope, receive, send)
    except ValueError:
        await send({"type": "http.response.body"})


@breaks("H37", "breaks off")
async def completes_and_raises(app: Any, scope: Any, receive: Any, send: Any) -> Any:
    try:
        await app(scope, receive, send)
    finally:
        await send({"type": "http.response.body"})


@breaks("H36", "slow")
async def swallows_a_cancellation(app: Any, scope: Any, receive: Any, send: Any) -> Any:
    import asyncio

    task: Any = asyncio.current_task()
    asyncio.get_running_loop().call_soon(task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await app(scope, receive, send)
    await send(body())


def scoped(**change: Any) -> Any:
    async def changes_the_scope(app: Any, scope: Any, receive: Any, send: Any) -> Any:
        await app({**scope, **change}, receive, send)

    return changes_the_scope


# towards the application
breaks("H1")(scoped(http_version="5"))
breaks("H2")(scoped(method="get"))
breaks("H4")(scoped(path=b"/"))
breaks("H8")(scoped(headers=[("a", "b")]))
breaks("H9")(scoped(headers=[(b"A", b"b")]))
breaks("H12")(scoped(client="somebody"))
breaks("G19")(scoped(extensions=[]))


def receiving(*events: Any) -> Any:
    async def changes_events(app: Any, scope: Any, receive: Any, send: Any) -> Any:
        waiting = [*events]

        async def receive_other() -> Any:
            return dict(waiting.pop(0)) if waiting else await receive()

        await app(scope, receive_other, send)

    return changes_events


breaks("H17", "receives")(receiving({"type": "http.request", "body": "text"}))
breaks("H18", "receives twice")(receiving({"type": "http.request"}, {"type": "http.request"}))
breaks("G5", "receives")(receiving({"type": 1}))


@breaks("L12", "life")
async def keeps_the_lifespan(app: Any, scope: Any, receive: Any, send: Any) -> Any:
    for step in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{step}.complete"})


@breaks("L12", "patient life")
async def keeps_the_shutdown(app: Any, scope: Any, receive: Any, send: Any) -> Any:
    async with anyio.create_task_group() as group:
        group.start_soon(app, scope, receive, send)
        await anyio.wait_all_tasks_blocked()
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        group.cancel_scope.cancel()


@breaks("L12", "life")
async def knows_http_alone(app: Any, scope: Any, receive: Any, send: Any) -> Any:
    assert scope["type"] == "http"


@breaks("L13", "life")
async def raises_at_startup(app: Any, scope: Any, receive: Any, send: Any) -> Any:
    await receive()
    raise RuntimeError("no database")


@breaks("L13", "life")
async def raises_once_the_inner_application_has_started(app: Any, scope: Any, receive: Any, send: Any) -> Any:
    started = anyio.Event()

    async def send_noted(message: Any) -> Any:
        started.set()

    async with anyio.create_task_group() as group:
        group.start_soon(app, scope, receive, send_noted)
        await started.wait()
        group.cancel_scope.cancel()
    raise RuntimeError("no database")


def answers_early(step: Any) -> Any:
    """Return a layer that answers before its inner application does."""

    async def answers(app: Any, scope: Any, receive: Any, send: Any) -> Any:
        async def receive_and_answer() -> Any:
            event = await receive()
            if event["type"] == f"lifespan.{step}":
                await send({"type": f"lifespan.{step}.complete"})
            return event

        async def send_others(message: Any) -> Any:
            if message["type"] != f"lifespan.{step}.complete":
                await send(message)

        await app(scope, receive_and_answer, send_others)

    return answers


breaks("L12", "life")(answers_early("startup"))
breaks("L12", "life")(answers_early("shutdown"))


@breaks("L12", "failing life")
async def hides_that_the_startup_failed(app: Any, scope: Any, receive: Any, send: Any) -> Any:
    async def send_complete(message: Any) -> Any:
        await send({"type": "lifespan.startup.complete"})

    await app(scope, receive, send_complete)
    await receive()
    await send({"type": "lifespan.shutdown.complete"})
