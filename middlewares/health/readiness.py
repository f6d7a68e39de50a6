"""Know whether an application is ready: ask its checks at most once in a while, and tell the log when that changes."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from anyio.lowlevel import RunVar

from .checks import Check, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .checks import Outcome
    from .report import Answer

__all__ = ("Readiness",)

_log = logging.getLogger("middlewares")


class Readiness:
    """What the checks of one layer say. Event loops share nothing of it: each asks for itself."""

    __slots__ = ("_clock", "_functions", "_max_age", "_on_loop", "_render", "_timeout")

    def __init__(
        self,
        functions: Mapping[str, Callable[[], object]],
        render: Callable[[Mapping[str, Outcome]], Answer],
        *,
        timeout: float,
        max_age: float,
        clock: Callable[[], float],
    ) -> None:
        self._functions = functions
        self._render = render
        self._timeout = timeout
        self._max_age = max_age
        self._clock = clock
        self._on_loop: RunVar[_OnLoop] = RunVar("middlewares.health")

    async def answer(self) -> Answer:
        """Return what the checks say now, or said not longer than ``max_age`` seconds ago."""
        here = self._on_loop.get(None)
        if here is None:
            here = _OnLoop([Check(name, function) for name, function in self._functions.items()])
            self._on_loop.set(here)
        if here.answer is not None and self._clock() - here.since < self._max_age:
            return here.answer
        run = here.run
        if run is None or run.was_left:
            run = here.run = Run(here.checks, self._timeout)
        outcomes = await run.wait()
        if here.run is run or here.answer is None:
            # The first who is back keeps it for the others.
            here.run = None
            here.answer = self._render(outcomes)
            here.since = self._clock()
            with suppress(Exception):  # handlers and filters of logs may fail
                here.tell(outcomes)
        return here.answer


class _OnLoop:
    """The checks on one event loop, and what they said last."""

    __slots__ = ("_told", "answer", "checks", "run", "since")

    def __init__(self, checks: list[Check]) -> None:
        self.checks = checks
        self.run: Run | None = None
        self.answer: Answer | None = None
        self.since = 0.0
        self._told: set[str] = set()
        """Names of checks that are known to fail."""

    def tell(self, outcomes: Mapping[str, Outcome]) -> None:
        """Tell the log which checks fail now and did not before, and the other way round."""
        for name, outcome in outcomes.items():
            if not outcome.passes and name not in self._told:
                self._told.add(name)
                _log.warning("health: the check %r %s", name, outcome.why)
            elif outcome.passes and name in self._told:
                self._told.discard(name)
                _log.info("health: the check %r passes again", name)
