"""Run the lifespan of an application or a layer: start it, and stop it when nobody needs it any more.

Standard: ASGI lifespan 2.0.
"""

from __future__ import annotations

import logging
from inspect import isfunction
from typing import TYPE_CHECKING, Any, Final

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

    from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send

__all__ = ("End", "LifespanRun", "StartupFailed")

_log: Final = logging.getLogger("middlewares.reload")


class StartupFailed(Exception):
    """An application or a layer says that it cannot start."""


class LifespanRun:
    """One lifespan, in a task of its own.

    One that raises before it has answered does not know lifespans, and is left alone from then on; of one that is
    known to answer (``answers``) this is a failure.
    """

    def __init__(self, app: ASGIApp, scope: Scope, *, answers: bool = False) -> None:
        self._app = app
        self._scope = scope
        self._answers = answers
        self._task = anyio.CancelScope()
        self._is_begun = False
        self._started = anyio.Event()
        self._stopping = anyio.Event()
        self._stopped = anyio.Event()
        self._failure: str | None = None
        self._error: Exception | None = None
        self._asked = 0

    async def start(self, tasks: TaskGroup) -> None:
        """Start in a task of ``tasks``; raises `StartupFailed`. Whoever is cancelled here gives up on it."""
        self._is_begun = True
        tasks.start_soon(self._run)
        try:
            await self._started.wait()
            if self._failure is not None:
                await self._stopped.wait()
        except BaseException:
            self._task.cancel()
            raise
        if self._failure is not None:
            raise StartupFailed(self._failure) from self._error

    async def stop(self) -> None:
        """Stop, if it has begun, and wait for it."""
        self._stopping.set()
        if self._is_begun:
            await self._stopped.wait()

    async def _run(self) -> None:
        try:
            with self._task:
                await self._app({**self._scope}, self._receive, self._send)
        except Exception as error:  # noqa: BLE001 - it knows no lifespans, or this is for its owner to read
            if self._started.is_set():
                if self._failure is None:
                    _log.exception("the lifespan of %r ended with an exception", self._app)
            elif self._answers:
                self._failure, self._error = f"{type(error).__name__}: {error}", error
        finally:
            self._started.set()
            self._stopped.set()

    async def _receive(self) -> Message:
        if self._failure is not None:
            self._task.cancel()  # it has failed, and there is nothing more to come
        self._asked += 1
        if self._asked == 1:
            return {"type": "lifespan.startup"}
        await self._stopping.wait()
        if self._asked > 2:  # after startup and shutdown there is no more
            await anyio.sleep_forever()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "lifespan.startup.failed":
            self._failure = message.get("message", "")
        elif kind == "lifespan.shutdown.failed":
            _log.error("%r could not shut down: %s", self._app, message.get("message", ""))
        if kind.startswith("lifespan.startup."):
            self._started.set()
        else:
            self._stopped.set()


class End:
    """The inner end of a stack, where its lifespan is answered.

    ``starting`` and ``stopping`` are what is to happen inside the stack meanwhile: the lifespan of the application,
    with the first stack and the last.
    """

    __slots__ = ("app", "starting", "stopping")

    def __init__(self, app: ASGIApp) -> None:
        self.app = self._around(app)
        """What stands in the place of the application: a function, for it is in the way of each request."""
        self.starting: Callable[[], Awaitable[Any]] | None = None
        self.stopping: Callable[[], Awaitable[Any]] | None = None

    def _around(self, app: Any) -> ASGIApp:
        live = self._live
        call: ASGIApp = app if isfunction(app) else app.__call__

        def end(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
            return live(receive, send) if scope["type"] == "lifespan" else call(scope, receive, send)

        end.app = app  # type: ignore[attr-defined]  # where layers look for what stands further in
        return end

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            if self.starting is not None:
                await self.starting()
        except StartupFailed as error:
            return await send({"type": "lifespan.startup.failed", "message": str(error)})
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if self.stopping is not None:
            await self.stopping()
        await send({"type": "lifespan.shutdown.complete"})
