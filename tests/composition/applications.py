"""Generated applications: each does one thing that a layer can get wrong, in any shape that ASGI allows."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import anyio

from .calls import Call, Fault, turns
from .conversations import (
    fails_to_start,
    knows_no_lifespan,
    lives,
    socket_closes,
    socket_denies,
    socket_echo,
    socket_raises,
    socket_raises_open,
    socket_refuses,
    socket_returns,
)
from .freezing import freeze_scope

if TYPE_CHECKING:
    from middlewares.asgi import Receive, Scope, Send

__all__ = ("APPLICATIONS", "HTTP_APPLICATIONS", "LIFESPAN_APPLICATIONS", "WEBSOCKET_APPLICATIONS", "Application")

Application = Callable[[Call], Awaitable[None]]


async def plain(call: Call) -> None:
    await call.whole(call.text(1500), (b"etag", b'"v1"'), (b"vary", b"Cookie"))


async def small(call: Call) -> None:
    await call.whole(call.text(60))


async def image(call: Call) -> None:
    await call.start(200, "image/jpeg", (b"content-length", b"900"))
    await call.body(call.text(900))


async def empty(call: Call) -> None:
    await call.start()
    await call.body()


async def streamed(call: Call) -> None:
    """Chunks of random sizes, empty ones among them, and an empty end."""
    await call.start()
    for _ in range(call.random.randint(1, 5)):
        await call.body(call.text(call.random.choice((0, 1, 40, 700, 3000))), more=True)
    await call.body(call.text(call.random.choice((0, 0, 300))))


async def late(call: Call) -> None:
    """The first chunk of a stream is long in coming."""
    await call.start()
    await turns(20)
    call.look("start")
    await call.body(call.text(900), more=True)
    await turns(20)
    await call.body()


async def events(call: Call) -> None:
    """Server-sent events, which must arrive one by one."""
    await call.start(200, "text/event-stream", (b"cache-control", b"no-cache"))
    for number in range(call.random.randint(1, 4)):
        await turns(5)
        await call.body(b"id: %d\ndata: %b\n\n" % (number, call.text(30).strip()), more=True)
    await call.body()


async def length_only(call: Call) -> None:
    """Answers HEAD as it should: with the fields of a GET and no body."""
    data = call.text(2000)
    await call.start(200, "text/html", (b"content-length", b"2000"), (b"etag", b'"v1"'))
    await call.body(b"" if call.is_head else data)


async def no_content(call: Call) -> None:
    await call.send({"type": "http.response.start", "status": 204, "headers": call.shaped([(b"x-app", b"none")])})
    await call.send({"type": "http.response.body"})


async def not_modified(call: Call) -> None:
    await call.start(304, "text/html", (b"etag", b'"v1"'))
    await call.body()


async def partial(call: Call) -> None:
    await call.whole(call.text(700), (b"content-range", b"bytes 0-699/5000"), (b"etag", b'"v1"'), status=206)


async def encoded(call: Call) -> None:
    """Encoded already, in a coding that no layer here knows."""
    await call.whole(call.text(900), (b"content-encoding", b"zz"))


async def not_found(call: Call) -> None:
    await call.whole(call.text(800), status=404)


async def trailers(call: Call) -> None:
    has_trailers = call.has("http.response.trailers")
    await (call.start(trailers=True) if has_trailers else call.start())
    await call.body(call.text(1200), more=True)
    await call.body(call.text(100))
    if has_trailers:
        for more in (True, False):
            fields = call.shaped([(b"x-checksum", b"%d" % more)])
            await call.say({"type": "http.response.trailers", "headers": fields, "more_trailers": more})


async def hints(call: Call) -> None:
    if call.has("http.response.early_hint"):
        for link in (b"</a.css>; rel=preload", b"</b.js>; rel=preload"):
            await call.say({"type": "http.response.early_hint", "links": [link]})
    await plain(call)


async def pushes(call: Call) -> None:
    await call.start()
    if call.has("http.response.push"):
        await call.say({"type": "http.response.push", "path": "/a.css", "headers": call.shaped([(b"accept", b"*/*")])})
    await call.body(call.text(900))


async def debugs(call: Call) -> None:
    if call.has("http.response.debug"):
        await call.say({"type": "http.response.debug", "info": {"template": "shop.html"}})
    await plain(call)


async def pathsend(call: Call) -> None:
    if not call.has("http.response.pathsend"):
        return await plain(call)
    with tempfile.NamedTemporaryFile() as file:
        file.write(call.text(5000))
        file.flush()
        await call.start(200, "text/html", (b"content-length", b"5000"))
        await call.send({"type": "http.response.pathsend", "path": file.name})


async def zerocopysend(call: Call) -> None:
    data = call.text(3000)
    if not call.has("http.response.zerocopysend"):
        return await call.whole(data)
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        await call.start(200, "text/html; charset=utf-8", (b"content-length", b"3000"))
        for offset, more in ((0, True), (1000, False)):
            message = {"type": "http.response.zerocopysend", "file": file, "offset": offset, "more_body": more}
            await call.send({**message, "count": 1000 if more else 2000})
    return None


async def long(call: Call) -> None:
    """A body that is too long to be encoded on the event loop."""
    await call.start()
    await call.body(call.text(140_000), more=True)
    await call.body(call.text(10), more=True)
    await call.body(call.text(140_000))


async def raises_before(call: Call) -> None:
    raise Fault("before the start")


async def raises_after_start(call: Call) -> None:
    await call.start()
    raise Fault("after the start")


async def raises_in_body(call: Call) -> None:
    await call.start()
    await call.body(call.text(600), more=True)
    raise Fault("in the body")


async def raises_after_end(call: Call) -> None:
    """Background work fails, when the response is complete."""
    await plain(call)
    raise Fault("after the end")


async def silent(call: Call) -> None:
    """Returns and says nothing."""


async def start_only(call: Call) -> None:
    await call.start()


async def unfinished(call: Call) -> None:
    await call.start()
    await call.body(call.text(800), more=True)


async def background(call: Call) -> None:
    """Works on after its response, which must be complete by then."""
    await plain(call)
    await turns(20)
    call.look("end")


async def echo(call: Call) -> None:
    body = await call.request_body()
    if body is not None:
        await call.whole(b"got " + body)


async def streams_echo(call: Call) -> None:
    """Reads and writes in turn."""
    await call.start()
    while True:
        event = await call.receive()
        if event["type"] != "http.request":
            return
        more = event.get("more_body", False)
        await call.body(event.get("body", b""), more=more)
        if not more:
            return


async def listens(call: Call) -> None:
    """Waits for the client to leave while it streams, as frameworks do, and lets go of that in the end."""
    if await call.request_body() is None:
        return

    async def leave_with_client(task: anyio.CancelScope) -> None:
        if (await call.receive())["type"] == "http.disconnect":
            task.cancel()

    failed = False
    async with anyio.create_task_group() as group:
        group.start_soon(leave_with_client, group.cancel_scope)
        try:
            await streamed(call)
        except OSError:
            failed = True
        group.cancel_scope.cancel()
    if failed:
        raise OSError("the client has left")


async def hangs(call: Call) -> None:
    """Does not answer: the time is up, or the client leaves."""
    call.ring()
    while (await call.receive())["type"] != "http.disconnect":
        pass


async def hangs_in_body(call: Call) -> None:
    """Begins to answer and stops: no layer may then pretend that it was the end."""
    await call.start()
    await call.body(call.text(600), more=True)
    await hangs(call)


async def copies_scope(call: Call) -> None:
    """Hands a changed copy of its scope to an inner application, as a mount does."""
    scope = {**call.scope, "root_path": "/mounted", "path": "/mounted/other"}
    scope["state"] = {**scope.get("state", {}), "more": 1}
    await _inner(scope, call.receive, call.send, call)


async def freezes_scope(call: Call) -> None:
    """Guards its scope against all changes."""
    await _inner(freeze_scope(call.scope), call.receive, call.send, call)


async def routes(call: Call) -> None:
    """Writes into its scope what outer layers look for, as routers do."""
    call.scope["endpoint"] = routes
    call.scope["path_params"] = {"id": "7"}
    await plain(call)


async def _inner(scope: Scope, receive: Receive, send: Send, call: Call) -> None:
    await plain(Call(scope, receive, send, call.name, call.style, call.random, call.ring, call.watch))


def _named(*applications: Application) -> dict[str, Application]:
    return {application.__name__: application for application in applications}


HTTP_APPLICATIONS = _named(
    plain, small, image, empty, streamed, late, events, length_only, no_content, not_modified, partial, encoded,
    not_found, trailers, hints, pushes, debugs, pathsend, zerocopysend, long, raises_before, raises_after_start,
    raises_in_body, raises_after_end, silent, start_only, unfinished, background, echo, streams_echo, listens, hangs,
    hangs_in_body, copies_scope, freezes_scope, routes,
)  # fmt: skip
WEBSOCKET_APPLICATIONS = _named(
    socket_echo, socket_closes, socket_refuses, socket_denies, socket_raises, socket_raises_open, socket_returns
)
LIFESPAN_APPLICATIONS = _named(lives, fails_to_start, knows_no_lifespan)
APPLICATIONS = HTTP_APPLICATIONS | WEBSOCKET_APPLICATIONS | LIFESPAN_APPLICATIONS
