"""An application whose stack can be exchanged while it serves."""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

import anyio
import anyio.to_thread

from middlewares.adapt import adapt

from .generation import Generation, is_same
from .lifespans import LifespanRun, StartupFailed
from .watch import FileWatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskGroup

    from middlewares.asgi import ASGIApp, Receive, Scope, Send
    from middlewares.stack import Stack

    from .foreign import Foreign

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

    exchanges_app: ClassVar[bool] = True
    """What stands inside is to be looked for anew (`cross_origin.InnerPolicy`)."""

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
        self._reloading: anyio.CancelScope | None = None
        self._is_ending = False
        self._tasks: TaskGroup | None = None
        self._first: Generation | None = None
        """The stack that the lifespan began with."""
        self._scope: Scope = {"type": "lifespan"}
        self._runs: dict[Generation, LifespanRun] = {}
        """The lifespans of the stacks that are open."""
        self._closing: dict[Generation, anyio.Event] = {}
        """Those that are being closed, and what is set then."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._live(scope, receive, send)
        stack = self._current
        stack.in_flight += 1
        try:
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
            with anyio.CancelScope() as self._reloading:
                if not self._is_ending:
                    return await self._exchange()
            raise StartupFailed("the application shuts down")

    async def _exchange(self) -> bool:
        try:
            stack, files = await anyio.to_thread.run_sync(self._load, abandon_on_cancel=True)
        except SystemExit as error:  # of a module that it imports
            raise RuntimeError(f"loading it asked the process to end: {error}") from error
        self._files.watch(files)
        old = self._current
        if is_same([*stack], [*old.entries]):
            return False
        new = Generation(stack.entries, self._inside, old)
        if self._tasks is not None:
            try:
                await self._open(new, self._tasks)
            except BaseException:
                new.close()
                raise
        self._current = new
        if self._tasks is not None:
            self._tasks.start_soon(self._retire, old)
        elif old is not self._first:
            old.leave()
        return True

    # The lifespan of all.

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        app = LifespanRun(self._inside, scope)
        try:
            async with anyio.create_task_group() as tasks:
                await receive()
                try:
                    await self._begin(app, tasks)
                except StartupFailed as error:
                    await app.stop()
                    return await send({"type": "lifespan.startup.failed", "message": str(error)})
                if self.watch:
                    tasks.start_soon(self._watch)
                tasks.start_soon(self._listen)
                await send({"type": "lifespan.startup.complete"})
                await receive()
                await self._end(app)
                await send({"type": "lifespan.shutdown.complete"})
                tasks.cancel_scope.cancel()
        finally:
            self._forget()

    async def _begin(self, app: LifespanRun, tasks: TaskGroup) -> None:
        """Open the stack, and the application inside it; raises `StartupFailed`."""
        first = self._first = self._current
        first.end.starting = lambda: app.start(tasks)
        await self._open(first, tasks)
        async with self._lock:
            new = self._current
            if new is not first:  # it was exchanged meanwhile
                try:
                    await self._open(new, tasks)
                except StartupFailed as error:
                    self._current = first
                    new.leave()
                    _log_refused(error)
                else:
                    tasks.start_soon(self._retire, first)
            self._tasks = tasks

    async def _end(self, app: LifespanRun) -> None:
        """Close all stacks, and the application inside the current one, which outlives the requests of all."""
        self._is_ending = True
        if self._reloading is not None:
            self._reloading.cancel()
        async with self._lock:  # nothing is exchanged any more
            self._tasks = None
            current = self._current
            with anyio.move_on_after(self.grace):
                for stack in [*self._runs]:
                    if stack is not current:
                        await self._close(stack)
                for closed in [*self._closing.values()]:
                    await closed.wait()
            current.end.stopping = app.stop
            await self._close(current)
            await app.stop()

    def _forget(self) -> None:
        """Be ready to begin anew, also after a lifespan that was cut short."""
        self._tasks = self._first = None
        self._is_ending = False
        for stack in self._runs:
            for foreign in stack.foreign:
                foreign.run = None
        self._runs.clear()

    async def _open(self, stack: Generation, tasks: TaskGroup) -> None:
        """Start what a stack has and others do not; raises `StartupFailed` with all of that stopped again."""
        begun: list[Foreign] = []
        try:
            for foreign in stack.foreign:
                if foreign.run is None:
                    run = LifespanRun(foreign.layer, self._scope)
                    await run.start(tasks)
                    foreign.run = run
                    begun.append(foreign)
            run = LifespanRun(stack.app, self._scope, answers=True)
            await run.start(tasks)
            self._runs[stack] = run
        except BaseException:
            with anyio.move_on_after(self.grace, shield=True):
                for foreign in begun:
                    await self._stop(foreign)
            raise

    async def _close(self, stack: Generation) -> None:
        """Stop what a stack has and no other that is open."""
        run = self._runs.pop(stack, None)
        if run is None:
            return
        closed = self._closing[stack] = anyio.Event()
        try:
            await run.stop()
            for foreign in stack.foreign:
                if not any(foreign in other.foreign for other in self._runs):
                    await self._stop(foreign)
        finally:
            del self._closing[stack]
            closed.set()

    async def _stop(self, foreign: Foreign) -> None:
        if foreign.run is not None:
            await foreign.run.stop()
            foreign.run = None

    async def _retire(self, stack: Generation) -> None:
        """Close a stack after its last request, or when the grace is over."""
        try:
            with anyio.move_on_after(self.grace):
                await stack.empty()
            await self._close(stack)
        finally:
            stack.leave()

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
            return _log_refused(error)
        _log.info("The configuration was loaded anew%s.", "" if changed else ": it is as it was")


def _log_refused(error: Exception) -> None:
    _log.error("The configuration was not loaded anew, and the one from before stays:\n%s", error)
