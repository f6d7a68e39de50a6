"""An application whose stack can be exchanged while it serves."""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING, Final, NamedTuple

import anyio
import anyio.to_thread

from middlewares.adapt import adapt
from middlewares.core.exchange import hand_back

from .foreign import STACK
from .generation import Generation, is_same
from .lifespans import LifespanRun, StartupFailed
from .watch import FileWatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskGroup

    from middlewares.asgi import ASGIApp, Receive, Scope, Send
    from middlewares.stack import Stack

__all__ = ("Loaded", "ReloadingApp")

_log: Final = logging.getLogger("middlewares.reload")


class Loaded(NamedTuple):
    """A stack, and where it comes from."""

    stack: Stack
    files: tuple[str, ...] = ()
    """The files that it depends on."""


class ReloadingApp:
    """Serve ``app`` inside the stack that ``load`` returns, and exchange that stack when it is loaded anew.

    The new stack is built and opened beside the old; then requests, streams and WebSockets that begin are handed to
    it, while those under way finish on the stack they began with. A stack that cannot be loaded, built or started
    changes nothing. Layers whose entries did not change keep their state, such as counters, stores and connections;
    the rest of the old stack is closed after its last request, or ``grace`` seconds later at the latest.

    It is loaded anew by `reload`, by the signal SIGHUP, and with ``watch`` whenever the files that it comes from
    change, which is looked for each ``interval`` seconds. The signal and the files need a server that runs lifespans;
    each process of several loads for itself.
    """

    def __init__(
        self,
        app: ASGIApp,
        load: Callable[[], Loaded],
        *,
        watch: bool = False,
        interval: float = 1.0,
        grace: float = 60.0,
    ) -> None:
        self._inside = adapt(app)
        self.watch = watch
        self.interval = interval
        self.grace = grace
        self._load = load
        stack, files = load()
        self._current = Generation(stack.entries, self._inside)
        self._files = FileWatch(files)
        self._lock = anyio.Lock()
        self._tasks: TaskGroup | None = None
        self._scope: Scope = {"type": "lifespan"}
        self._runs: dict[Generation, LifespanRun] = {}
        """The lifespans of the stacks that are open."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._live(scope, receive, send)
        stack = self._current
        stack.in_flight += 1
        try:
            if stack.foreign:
                inner = {**scope, STACK: stack}
                await stack.call(inner, receive, send)
                hand_back(inner, scope)
            else:
                await stack.call(scope, receive, send)
        finally:
            stack.in_flight -= 1
            if stack.is_retired:
                stack.land()

    @property
    def app(self) -> ASGIApp:
        """What requests that begin now are handed to: the application inside the current stack."""
        return self._current.app

    async def reload(self) -> bool:
        """Load the stack anew, and exchange it; return whether it differs.

        Raises what loading raises, such as `ConfigError`, and what building or starting it does: nothing has changed
        then.
        """
        async with self._lock:
            stack, files = await anyio.to_thread.run_sync(self._load)
            self._files.watch(files)
            old = self._current
            if is_same([*stack], [*old.entries]):
                return False
            new = Generation(stack.entries, self._inside, old)
            if self._tasks is not None:
                await self._open(new, self._tasks)
            self._current = new
            if self._tasks is not None:
                self._tasks.start_soon(self._retire, old)
            return True

    # The lifespan of all.

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        app = LifespanRun(self._inside, scope)
        async with anyio.create_task_group() as tasks:
            await receive()
            first = self._current
            first.end.starting = lambda: app.start(tasks)
            try:
                await self._open(first, tasks)
            except StartupFailed as error:
                return await send({"type": "lifespan.startup.failed", "message": str(error)})
            self._tasks = tasks
            if self.watch:
                tasks.start_soon(self._watch)
            tasks.start_soon(self._listen)
            await send({"type": "lifespan.startup.complete"})
            await receive()
            async with self._lock:  # nothing is exchanged any more
                self._tasks = None
                self._current.end.stopping = app.stop
                await self._close(self._current)
                for stack in [*self._runs]:
                    await self._close(stack)
            await send({"type": "lifespan.shutdown.complete"})
            tasks.cancel_scope.cancel()

    async def _open(self, stack: Generation, tasks: TaskGroup) -> None:
        """Start what a stack has and others do not; raises `StartupFailed` with all of that stopped again."""
        begun: list[LifespanRun] = []
        try:
            for foreign in stack.foreign:
                if foreign.run is None:
                    run = LifespanRun(foreign.layer, self._scope)
                    await run.start(tasks)
                    foreign.run = run
                    begun.append(run)
            self._runs[stack] = run = LifespanRun(stack.app, self._scope)
            await run.start(tasks)
        except StartupFailed:
            self._runs.pop(stack, None)
            for run in begun:
                await run.stop()
            raise

    async def _close(self, stack: Generation) -> None:
        """Stop what a stack has and no other that is open."""
        run = self._runs.pop(stack, None)
        if run is None:
            return
        await run.stop()
        for foreign in stack.foreign:
            if foreign.run is not None and not any(foreign in other.foreign for other in self._runs):
                await foreign.run.stop()

    async def _retire(self, stack: Generation) -> None:
        """Close a stack after its last request, or when the grace is over."""
        with anyio.move_on_after(self.grace):
            await stack.empty()
        await self._close(stack)
        await stack.empty()
        stack.close()

    # What makes it load anew.

    async def _watch(self) -> None:
        while True:
            await anyio.sleep(self.interval)
            if self._files.poll():
                await self._try()

    async def _listen(self) -> None:
        hangup = getattr(signal, "SIGHUP", None)
        if hangup is None:
            return
        try:
            with anyio.open_signal_receiver(hangup) as signals:
                async for _ in signals:
                    await self._try()
        except (RuntimeError, ValueError, NotImplementedError):
            return  # signals are for the main thread

    async def _try(self) -> None:
        """Load anew, and say in the log what came of it."""
        try:
            changed = await self.reload()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the old stack serves on
            _log.error("The configuration was not loaded anew, and the one from before stays:\n%s", error)
            return
        _log.info("The configuration was loaded anew%s.", "" if changed else ": it is as it was")
