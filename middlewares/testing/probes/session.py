"""One run: the lints that are put into a stack, the lifespan, and the generated requests, each under a deadline."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from middlewares.core.layer import freeze
from middlewares.testing.driver import ClientDisconnected
from middlewares.testing.lint import Finding, Lint
from middlewares.testing.scopes import is_from, lifespan_scope

from .client import Client
from .plan import UNKNOWN_TYPE, Probe
from .report import CURRENT, HANG, Place, Report
from .watchdog import Blocked, Watchdog

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from middlewares.asgi import ASGIApp, Scope

__all__ = ("Session",)

_AT_ONCE = 8
_LESS_PATIENT = 10
"""How much sooner the client leaves on a path that has already kept one waiting."""
_MOST_HANGS = 2
"""How often a path may hang until it is left alone."""
_TIME_TO_CANCEL = 1.0
_LONGEST_REASON = 200
_LONGEST_CHAIN = 20
_OWN_FOLDER = str(Path(__file__).parents[2])


class Session:
    """Lints that share one report, and the requests that are sent through them.

    ``timeout``: seconds until the client of a request leaves, then again until the call is given up.
    ``ignore``: rules that are not reported. Raises `OptionError` for rules that do not exist.
    """

    def __init__(self, *, timeout: float = 5.0, ignore: Collection[str] = ()) -> None:
        self.timeout = timeout
        self.ignore = tuple(ignore)
        self.report = Report()
        self.lints: list[Lint] = []
        """Innermost first, as a stack is built."""
        self.is_starting = True
        """Whether the startup goes on; if that takes too long, the report says so in words of its own."""
        self._is_strict = False
        self._slow: set[str] = set()
        self._hung: Counter[str] = Counter()
        self.state: dict[str, Any] | None = None
        """What the lifespan hands to every request."""
        self._options: dict[str, Any] = {
            "report": self._found,
            "ignore": tuple(rule for rule in ignore if rule != HANG.id),
            "deadline": timeout,
        }
        Lint(_nothing, **self._options)  # which checks them

    def lint(self, app: ASGIApp) -> Lint:
        """Return ``app`` inside a lint of this session: to be put around each layer of a stack, and the application."""
        made = Lint(app, **self._options)
        self.lints.append(made)
        return made

    def run(self, app: ASGIApp, probes: Sequence[Probe], *, strict: bool = True) -> Report:
        """Start ``app`` up, send it every request, with ``strict`` all of them again in strict mode, and shut it down.

        What the application raises is noted. If its startup fails, nothing is sent (see `Report.not_started`).
        Returns the report, in any case within a few deadlines for each path. Not to be called in an event loop.
        """
        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(self._run(app, probes, strict=strict))
        finally:
            if self.report.is_stuck:
                _left_behind.append(loop)  # closing it would wait for what is stuck
            else:
                loop.run_until_complete(_tidy_up(loop))
                loop.close()
        return self.report

    # -- the course of a run

    async def _run(self, app: ASGIApp, probes: Sequence[Probe], *, strict: bool) -> None:
        with Watchdog(self.timeout, self.hangs):
            lifespan = _Lifespan(self, app)
            if not await lifespan.start():
                return
            for is_strict in (False, True) if strict else (False,):
                self._turn(strict=is_strict)
                await self._send_all(app, probes)
            self._turn(strict=False)
            await lifespan.stop()

    def _turn(self, *, strict: bool) -> None:
        """Feed awkward input or not, at both ends: one application with one lifespan, since many start only once."""
        self._is_strict = strict
        for lint in (self.lints[0], self.lints[-1]):
            freeze(lint, strict=strict)

    async def _send_all(self, app: ASGIApp, probes: Iterable[Probe]) -> None:
        paths: dict[str, list[tuple[Place, Probe]]] = {}
        for probe in probes:
            name = f"{probe.name} (strict)" if self._is_strict else probe.name
            paths.setdefault(probe.path, []).append((Place(self.report.requests, name, probe.path), probe))
            self.report.requests += 1
        limit = asyncio.Semaphore(_AT_ONCE)
        await asyncio.gather(*(self._send_to_path(app, of_path, limit) for of_path in paths.values()))

    async def _send_to_path(
        self, app: ASGIApp, probes: Sequence[tuple[Place, Probe]], limit: asyncio.Semaphore
    ) -> None:
        """Send the first request of a path, which shows whether it hangs, and if not the others together."""

        async def send(place: Place, probe: Probe) -> None:
            async with limit:
                CURRENT.set(place)
                if self._hung[probe.path] < _MOST_HANGS:
                    await self._send(app, probe)
                else:
                    self.report.note("left out", f"not asked any more, since {probe.path} hangs")

        first, *others = probes
        await asyncio.create_task(send(*first))
        while others and self._hung[first[1].path]:
            await asyncio.create_task(send(*others.pop(0)))
        await asyncio.gather(*(send(*other) for other in others))

    async def _send(self, app: ASGIApp, probe: Probe) -> None:
        scope = probe.scope(self.state)
        client = Client(probe.kind, probe.events, probe.leaves, fails_sends=is_from(scope, 4))
        task = asyncio.create_task(_called(app, scope, client))
        patience = self.timeout / (_LESS_PATIENT if probe.path in self._slow else 1)
        if not await _ends(task, patience):
            self._slow.add(probe.path)
            await self._let_go(task, client, patience)
        if task.done() and not task.cancelled():
            self._note_exception(task.exception(), probe)

    async def _let_go(self, task: asyncio.Task[None], client: Client, patience: float) -> None:
        """Let the client of a call that runs too long leave, and end the call if that does not."""
        was_answered = client.ended or client.gone
        client.leave()
        if await _ends(task, patience):
            return self.report.note("open", "ran until the client left, since it took too long")
        await self.end(task)
        if client.ended and was_answered:
            self.report.note("background", "ran on long after the response, and was cancelled")
        else:
            self.hangs("the call did not end after its client had left")

    async def end(self, task: asyncio.Task[None]) -> None:
        """Cancel a call, and leave it behind if that does not end it."""
        task.cancel()
        has_ended = await _ends(task, _TIME_TO_CANCEL)
        # A cancelled call may have left a thread that runs on.
        self.report.is_stuck = self.report.is_stuck or not has_ended or threading.active_count() > 1

    # -- what is seen

    def _found(self, finding: Finding) -> None:
        if finding.party != "server":  # which is this session
            self.report.add(finding)

    def hangs(self, detail: str) -> None:
        """Take note that the request that runs hangs."""
        self._hung[CURRENT.get().path] += 1
        if HANG.id not in self.ignore and not self.is_starting:
            self.report.add_hang(detail)

    def _note_exception(self, error: BaseException | None, probe: Probe) -> None:
        is_expected = probe.kind == UNKNOWN_TYPE or isinstance(error, Blocked) or _is_farewell(error)
        if error is not None and not is_expected:
            self.report.note("raised", f"the application raised {described(error)}")


_left_behind: list[asyncio.AbstractEventLoop] = []
"""Loops in which something hangs: kept, since freeing one complains of what still runs in it."""


class _Lifespan:
    """The lifespan around the requests of a run."""

    def __init__(self, session: Session, app: ASGIApp) -> None:
        self.session = session
        self._client = Client("lifespan", [{"type": "lifespan.startup"}], "last", fails_sends=False)
        scope = lifespan_scope()
        self._state = scope["state"]
        CURRENT.set(Place(-1, "lifespan"))
        self._task = asyncio.create_task(_called(app, scope, self._client))

    async def start(self) -> bool:
        """Start the application up; return whether requests may follow."""
        report = self.session.report
        await self._answered("startup")
        self.session.is_starting = False
        if self._client.answers[:1] == ["lifespan.startup.complete"]:
            self.session.state = self._state
            return True
        if self._client.answers:
            report.not_started = f"its startup failed: {self._client.failure or 'without a message'}"
        elif not self._task.done():
            report.not_started = f"its startup was not complete within {self.session.timeout:g} s"
            await self.session.end(self._task)
        elif self._task.cancelled():
            report.note("lifespan", "not supported: the application cancelled itself")
        elif isinstance(error := self._task.exception(), Blocked):
            report.not_started = f"its startup was not complete within {self.session.timeout:g} s, and blocked"
        elif error is not None:
            # Lifespan: the server goes on without it, since the application may not know this protocol.
            report.note("lifespan", f"not supported: the application raised {described(error)}")
        return report.not_started is None

    async def stop(self) -> None:
        """Shut the application down."""
        if self._task.done():
            return
        CURRENT.set(Place(-1, "lifespan"))
        self._client.feed({"type": "lifespan.shutdown"})
        await self._answered("shutdown")
        if self._client.answers[-1:] == ["lifespan.shutdown.failed"]:
            self.session.report.note("lifespan", f"the shutdown failed: {self._client.failure or 'without a message'}")
        if not await _ends(self._task, self.session.timeout):
            self.session.hangs("the shutdown did not end")
            await self.session.end(self._task)
        elif not self._task.cancelled() and (error := self._task.exception()) is not None:
            self.session.report.note("lifespan", f"the application raised {described(error)}")

    async def _answered(self, step: str) -> None:
        """Wait until the application has answered, has ended, or takes too long."""

        async def look() -> None:
            while not any(f"lifespan.{step}." in answer for answer in self._client.answers):
                await self._client.wait()

        looking = asyncio.create_task(look())
        await asyncio.wait({looking, self._task}, timeout=self.session.timeout, return_when=asyncio.FIRST_COMPLETED)
        looking.cancel()


def described(error: BaseException) -> str:
    """Return an exception in one line: its type, its words, and the innermost place outside this package."""
    words = "".join(c if c.isprintable() else "?" for c in " ".join(str(error).split()))
    words = f": {words[:_LONGEST_REASON]}" if words else ""
    place = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        if not frame.f_code.co_filename.startswith(_OWN_FOLDER):
            place = f" ({frame.f_code.co_filename}, line {line})"
    return f"{type(error).__name__}{words}{place}"


async def _called(app: ASGIApp, scope: Scope, client: Client) -> None:
    try:
        await app(scope, client.receive, client.send)
    except SystemExit as error:  # which would end the event loop
        raise RuntimeError(f"SystemExit({error.code!r})") from error


async def _ends(task: asyncio.Task[None], seconds: float) -> bool:
    done, _ = await asyncio.wait({task}, timeout=seconds)
    return bool(done)


def _is_farewell(error: BaseException | None) -> bool:
    """Return whether an exception comes of a client that has left: rule G11."""
    for _ in range(_LONGEST_CHAIN):
        if error is None:
            return False
        if isinstance(error, ClientDisconnected) or "Disconnect" in type(error).__name__:
            return True
        error = error.__cause__ or error.__context__
    return False


async def _tidy_up(loop: asyncio.AbstractEventLoop) -> None:
    """End what the application has left running."""
    left = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=_TIME_TO_CANCEL)
    await loop.shutdown_asyncgens()


async def _nothing(scope: Scope, receive: Any, send: Any) -> None:
    """Stand for an application while options are checked."""
