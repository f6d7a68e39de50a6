"""What a call leaves behind when it has ended: nothing may refer to its scope, its exception or its layers any more."""

from __future__ import annotations

import gc
import threading
import weakref
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING, Any

from middlewares import Stack

from .applications import APPLICATIONS
from .calls import Call, Fault
from .cases import REQUESTS, Case
from .entries import ENTRIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from middlewares.asgi import Message, Receive, Scope, Send

__all__ = ("leftovers",)

_POOL = "AnyIO worker thread"
"""Threads that wait for work by design, and end with the event loop."""


class _Token:
    """Something in a scope that can be watched."""


async def leftovers(case: Case) -> list[str]:
    """Make the call of a case, without anything between its layers; return what is alive after it without reason.

    Nothing is collected meanwhile, so that a reference cycle counts as alive.
    """
    threads = {*threading.enumerate()}
    with _without_collector():
        watched = await _call(case)
        found = [f"{name} is kept alive" for name, reference in watched.items() if reference() is not None]
    started = {thread.name for thread in threading.enumerate() if thread not in threads and thread.name != _POOL}
    return found + [f"thread {name} is left behind" for name in started]


async def _call(case: Case) -> dict[str, weakref.ref[Any]]:
    request = REQUESTS[case.request]
    token = _Token()
    watched: dict[str, weakref.ref[Any]] = {"the scope": weakref.ref(token)}

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if "session" in scope:
            scope["session"]["visits"] = 5
        call = Call(scope, receive, send, case.app, case.style, Random(case.seed))  # noqa: S311 - to be repeated
        await APPLICATIONS[case.app](call)

    events = [*request.events(), {"type": "http.disconnect"}]

    async def receive() -> Message:
        return events.pop(0) if len(events) > 1 else events[0]

    async def send(_message: Message) -> None:
        """Take it."""

    layers = [ENTRIES[name]().record() for name in case.layers]
    stack = Stack(*layers)(application)
    if layers and not isinstance(stack, type(application)):
        watched["the outermost layer"] = weakref.ref(stack)
    try:
        await stack({**request.scope(), "tests.token": token}, receive, send)
    except Fault as error:
        watched["the exception"] = weakref.ref(error)
    return watched


@contextmanager
def _without_collector() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
