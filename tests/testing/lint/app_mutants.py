"""Applications each of which breaks one rule."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from tests.testing.lint.course import body, start

if TYPE_CHECKING:
    from collections.abc import Callable

MUTANTS: dict[str, list[Any]] = {}


def breaks(rule: Any, kind: Any = "http", **scope: Any) -> Callable[[Any], Any]:
    def register(app: Any) -> Any:
        MUTANTS.setdefault(rule, []).append((app, kind, scope))
        return app

    return register


def sends(rule: Any, *messages: Any, kind: Any = "http", **scope: Any) -> Any:
    """Add an application that takes one event and sends these."""

    async def mutant(scope: Any, receive: Any, send: Any) -> Any:
        if kind != "lifespan":
            await receive()
        for message in messages:
            await send(dict(message) if isinstance(message, dict) else message)

    breaks(rule, kind, **scope)(mutant)


HINT = {"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]}
PATH = {"type": "http.response.pathsend", "path": "/etc/hostname"}
PUSH = {"type": "http.response.push", "path": "/a.css", "headers": []}
DEBUG = {"type": "http.response.debug", "info": {}}
TRAILERS = {"type": "http.response.trailers", "headers": [(b"x-sum", b"1")]}
ACCEPT, CLOSE = {"type": "websocket.accept"}, {"type": "websocket.close"}
TEXT = {"type": "websocket.send", "text": "hello"}
DENY = {"type": "websocket.http.response.start", "status": 401, "headers": []}
DENY_BODY = {"type": "websocket.http.response.body", "body": b"no"}
ANNOUNCED = start(headers=[(b"trailer", b"x-sum")], trailers=True)


@breaks("G3", "other")
async def returns_quietly(scope: Any, receive: Any, send: Any) -> Any:
    pass


@breaks("G3", "other")
async def sends_before_it_raises(scope: Any, receive: Any, send: Any) -> Any:
    await send({"type": "other.event"})
    raise ValueError("unknown")


@breaks("G4")
async def returns_something(scope: Any, receive: Any, send: Any) -> Any:
    await send(start())
    await send(body())
    return 1


sends("G5", {"type": "other.event"}, start(), body())
sends("G5", {"status": 200})
sends("G5", "http.response.start")
sends("G6", start(extra=object()), body())
sends("G6", start(extra=float("nan")), body())
sends("G6", start(extra=1 << 70), body())
sends("G6", start(), body(extra={1: 2}))


@breaks("G17")
async def takes_other_names(scope: Any, receive: Any, respond: Any) -> Any:
    await respond(start())
    await respond(body())


@breaks("G17")
async def takes_anything(*call: Any) -> Any:
    await call[2](start())
    await call[2](body())


@breaks("G18")
async def uses_a_dict_again(scope: Any, receive: Any, send: Any) -> Any:
    await send(start())
    message = body(b"x", more_body=True)
    await send(message)
    await send(message)
    await send(body())


@breaks("G18")
async def changes_what_it_sent(scope: Any, receive: Any, send: Any) -> Any:
    message = start()
    await send(message)
    message["status"] = 404
    await send(body())


@breaks("G18")
async def changes_headers_that_it_sent(scope: Any, receive: Any, send: Any) -> Any:
    message = start()
    await send(message)
    message["headers"].append((b"x-b", b"2"))
    await send(body())


@breaks("G18")
async def sends_headers_once(scope: Any, receive: Any, send: Any) -> Any:
    await send({**start(), "headers": iter([(b"x-a", b"1")])})
    await send(body())


@breaks("G18")
async def sends_afterwards(scope: Any, receive: Any, send: Any) -> Any:
    import asyncio

    async def late() -> Any:
        await asyncio.sleep(0)
        await send(body(b"late"))

    await send(start())
    await send(body())
    scope["state"]["late"] = asyncio.get_running_loop().create_task(late())


@breaks("G14")
async def changes_the_headers_of_its_scope(scope: Any, receive: Any, send: Any) -> Any:
    scope["headers"].append((b"x-b", b"2"))
    await send(start())
    await send(body())


@breaks("G14")
async def changes_the_method(scope: Any, receive: Any, send: Any) -> Any:
    scope["method"] = "POST"
    await send(start())
    await send(body())


@breaks("G22")
async def receives_twice_at_once(scope: Any, receive: Any, send: Any) -> Any:
    import anyio

    async with anyio.create_task_group() as group:
        group.start_soon(receive)
        group.start_soon(receive)
    await send(start())
    await send(body())


sends("G19", HINT, start(), body(), extensions=[])
sends("H21", body())
sends("H21", start(), start(), body())
sends("H22", start(99), body())
sends("H22", start("200"))
sends("H22", {"type": "http.response.start"})
sends("H23", start(headers=[("x-a", "1")]), body())
sends("H23", start(headers=[(b"x-a", b"1", b"2")]), body())
sends("H23", {**start(), "headers": {b"x-a": b"1"}}, body())
sends("H24", start(headers=[(b"X-A", b"1")]), body())
sends("H25", start(headers=[(b":status", b"200")]), body())
sends("H26", start(headers=[(b"x-a", b"1\r\nx-b: 2")]), body())
sends("H26", start(headers=[(b"x a", b"1")]), body())
sends("H26", start(headers=[(b"", b"1")]), body())
sends("H26", start(headers=[(b"content-length", b"0"), (b"content-length", b"0")]), body())
sends("H26", start(headers=[(b"content-length", b"-1")]), body())
sends("H29", start())
sends("H30", start(), body("text"))
sends("H30", start(), body(b"", more_body=1), body())
sends("H32", start(), body(), body(b"more"))
sends("H33", start(headers=[(b"content-length", b"3")]), body(b"1234"))
sends("H33", start(headers=[(b"content-length", b"3")]), body(b"12"))
sends("H33", start(204), body(b"12"))
sends("H33", start(), body(b"12"), method="HEAD")
sends("H34")
sends("H34", start(), body(b"1", more_body=True))
sends("H34", ANNOUNCED, body(b"1"))
sends("H35", start(trailers=1), body())
sends("E1", PUSH, start(), body())
sends("E1", start(), {**PUSH, "path": b"/a"}, body())
sends("E2", start(), {"type": "http.response.zerocopysend", "file": "name"})
sends("E3", start(), {**PATH, "path": "relative"})
sends("E3", start(), PATH, body(b"1"))
sends("E3", start(), body(b"1", more_body=True), PATH, body())
sends("E3", start(), PATH, PATH)
sends("E4", start(), HINT, body())
sends("H26", {**HINT, "links": [b"</a.css>\r\nset-cookie: id=1"]}, start(), body())
sends("H32", ANNOUNCED, body(), TRAILERS, body())
sends("E4", {**HINT, "links": ["text"]}, start(), body())
sends("E5", start(), body(), TRAILERS)
sends("E5", start(trailers=True), body(), TRAILERS)
sends("E5", ANNOUNCED, TRAILERS, body(), TRAILERS)
sends("E7", start(), DEBUG, body())
sends("E7", DEBUG, DEBUG, start(), body())
sends("E7", {**DEBUG, "info": 1}, start(), body())


@breaks("E2")
async def leaves_its_file_open(scope: Any, receive: Any, send: Any) -> Any:
    scope["state"]["file"] = file = open("/etc/hostname", "rb")  # noqa: ASYNC230, PTH123, SIM115 - the fault
    await send(start())
    await send({"type": "http.response.zerocopysend", "file": file})


@breaks("H36")
async def swallows_its_cancellation(scope: Any, receive: Any, send: Any) -> Any:
    import asyncio

    await send(start())
    task: Any = asyncio.current_task()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(0)
    await send(body())


def ws(rule: Any, *messages: Any, **scope: Any) -> Any:
    sends(rule, *messages, kind="websocket", **scope)


ws("W4")
ws("W6", ACCEPT, ACCEPT, CLOSE)
ws("W6", {**ACCEPT, "subprotocol": "chat"}, CLOSE, subprotocols=["other"])
ws("W7", {**ACCEPT, "headers": [(b"X-A", b"1")]}, CLOSE)
ws("W7", {**ACCEPT, "headers": [(b"sec-websocket-protocol", b"a")]}, CLOSE)
ws("W7", {**ACCEPT, "headers": [(b"x-a", b"1")]}, CLOSE, spec_version="2.0")
ws("H26", {**ACCEPT, "headers": [(b"x-a", b"1\n")]}, CLOSE)
ws("W9", ACCEPT, {"type": "websocket.send", "text": "a", "bytes": b"a"}, CLOSE)
ws("W9", ACCEPT, {"type": "websocket.send"}, CLOSE)
ws("W9", ACCEPT, {"type": "websocket.send", "text": b"a"}, CLOSE)
ws("W10", ACCEPT, CLOSE, TEXT)
ws("W10", TEXT, CLOSE)
ws("W12", ACCEPT, {**CLOSE, "code": 1005})
ws("W12", ACCEPT, {**CLOSE, "code": "1000"})
ws("W12", ACCEPT, {**CLOSE, "reason": "x" * 124})
ws("E8", DENY)
ws("H33", {**DENY, "headers": [(b"content-length", b"5")]}, DENY_BODY)
ws("E8", DENY, DENY_BODY, CLOSE)
ws("E8", ACCEPT, DENY, DENY_BODY)
ws("E8", DENY_BODY, CLOSE)


def life(rule: Any, *steps: Any) -> Any:
    """Add an application of the lifespan: it receives at ``None`` and sends what else there is."""

    async def mutant(scope: Any, receive: Any, send: Any) -> Any:
        for step in steps:
            await (receive() if step is None else send({"type": f"lifespan.{step}"} if isinstance(step, str) else step))

    breaks(rule, "lifespan")(mutant)


life("L4", None)
life("L4", None, "startup.complete", "startup.complete", None, "shutdown.complete")
life("L5", None, {"type": "lifespan.startup.failed", "message": 1})
life("L9", None, "startup.complete", None)
life("L9", None, "startup.complete", None, "shutdown.complete", "shutdown.complete")
life("L10", None, "startup.complete")
