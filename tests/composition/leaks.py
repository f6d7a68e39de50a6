"""What a call leaves behind when it has ended: nothing may refer to its scope, its exception or its layers any more.

Here layers meet each other with nothing between them, and a server whose channels return plain awaitables.
"""

from __future__ import annotations

import gc
import threading
import weakref
from contextlib import contextmanager
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

from middlewares import Stack

from .applications import APPLICATIONS
from .calls import Call, Fault
from .cases import REQUESTS, Case
from .entries import ENTRIES
from .view import View

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from middlewares.asgi import Message, Receive, Scope, Send

__all__ = ("leftovers",)

_POOLS = ("AnyIO worker thread", "middlewares.compression")
"""Threads that wait for work by design, and end with the event loop or their layer."""


class _Done:
    """An awaitable that is no coroutine, and does not wait."""

    def __init__(self, result: Any) -> None:
        self.result = result

    def __await__(self) -> Generator[Any, Any, Any]:
        return self.result
        yield


class _Token:
    """Something in a scope that can be watched."""


async def leftovers(case: Case) -> list[str]:
    """Make the call of a case, without anything between its layers; return what is alive after it without reason.

    Nothing is collected meanwhile, so that a reference cycle counts as alive.
    """
    threads = {*threading.enumerate()}
    with _without_collector():
        watched, view = await _call(case)
        found = [f"{name} is kept alive" for name, reference in watched.items() if reference() is not None]
    started = {thread.name for thread in threading.enumerate() if thread not in threads}
    started = {name for name in started if not name.startswith(_POOLS)}
    found += [f"thread {name} is left behind" for name in started]
    if case.layers:
        raised, bare = await _call(replace(case, layers=()))
        # An application that fails before its body may leave nothing of a start that a layer keeps back.
        is_lost = view.status is None and "the exception" in watched
        # And where it raises before its start, a layer may answer for it, and keep the exception.
        is_answered = view.status == 500 and bare.status is None and "the exception" in raised
        if not (is_lost or is_answered) and (view.status, view.body, view.others) != (
            bare.status,
            bare.body,
            bare.others,
        ):
            found.append("the response is not that of the application")
    return found


async def _call(case: Case) -> tuple[dict[str, weakref.ref[Any]], View]:
    request = REQUESTS[case.request]
    token = _Token()
    watched: dict[str, weakref.ref[Any]] = {"the scope": weakref.ref(token)}
    view = View(request.method)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and "session" in scope:
            scope["session"]["visits"] = 5
        call = Call(scope, receive, send, case.app, case.style, Random(case.seed))  # noqa: S311 - to be repeated
        await APPLICATIONS[case.app](call)

    events = [*request.events(), {"type": "http.disconnect"}]

    def receive() -> _Done:
        return _Done(events.pop(0) if len(events) > 1 else events[0])

    def send(message: Message) -> _Done:
        # Headers may be an iterator, which can be read but once.
        view.take({**message, "headers": [*message["headers"]]} if "headers" in message else message)
        return _Done(None)

    layers = [ENTRIES[name]().record() for name in case.layers]
    stack = Stack(*layers)(application)
    if layers and not isinstance(stack, type(application)):
        watched["the outermost layer"] = weakref.ref(stack)
    try:
        await stack({**request.scope(), "tests.token": token}, receive, send)
    except Fault as error:
        watched["the exception"] = weakref.ref(error)
    return watched, view


@contextmanager
def _without_collector() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
