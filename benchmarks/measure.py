"""Run the subjects of a case interleaved, in short windows, and time them.

Every round gives each subject one window with the garbage collector off and one with it on. So whatever else
the machine does hits all of them alike, and the shortest window of each is the one disturbed least. The order is
drawn anew each time: with a mere rotation each would keep its predecessor, which shows by some per cent. Within
a window, scopes are made in chunks outside the timed region and never used twice.
"""

from __future__ import annotations

import asyncio
import gc
from dataclasses import dataclass, field
from random import Random
from statistics import fmean, median
from time import perf_counter_ns
from typing import TYPE_CHECKING

from middlewares.asgi import ASGIApp

from .answer import WrongOutputError, record
from .case import Case
from .pool import POOL_SIZE

if TYPE_CHECKING:
    from middlewares.asgi import Message

    from .case import Subject

__all__ = ("CaseResult", "SubjectResult", "Timing", "measure")

CHUNK = 250
"""Most scopes that exist at once. More would fall out of the processor's cache, as a server's do not."""
_WARM_UP = 20
"""A window divided by this runs untimed before it: the predecessor left other things in the caches."""
_BARE = "bare"
_STRIDE = 37
"""Places of the pool between the starts of two rounds."""
_VERIFIED = range(0, POOL_SIZE, 199)
"""Places of the pool whose answers are checked before and after timing."""
_CALIBRATION = 4
"""The estimate of a subject's cost takes at least a window divided by this."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Nanoseconds per request, over the rounds."""

    best: float
    median: float


@dataclass(slots=True)
class SubjectResult:
    """What was found for one subject; without timings where there is a problem."""

    label: str
    peer: bool
    off: Timing | None = None
    """With the garbage collector off."""
    on: Timing | None = None
    """With the garbage collector on."""
    body_bytes: float | None = None
    """Mean size of the bodies it sent when it was verified."""
    problem: str | None = None
    """Why it was not measured: not installed, or wrong output."""
    wrong: bool = False
    """The problem is wrong output."""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """The bare application and every subject of one case."""

    case: Case
    bare: SubjectResult
    subjects: tuple[SubjectResult, ...]


@dataclass(slots=True)
class _Runner:
    """A subject that is ready to run: its application, its window, its samples."""

    app: ASGIApp
    result: SubjectResult
    window: int = 1
    """Requests per window."""
    off: list[float] = field(default_factory=list)
    on: list[float] = field(default_factory=list)


def measure(case: Case, *, rounds: int, window_ms: float) -> CaseResult:
    """Measure one case: ``rounds`` rounds, windows of about ``window_ms`` milliseconds."""
    return asyncio.run(_measure(case, rounds, window_ms * 1e6))


async def _measure(case: Case, rounds: int, window_ns: float) -> CaseResult:
    bare = _Runner(case.app, SubjectResult(_BARE, peer=False))
    built = [_build(case, subject) for subject in case.subjects]
    runners = [runner for runner in built if isinstance(runner, _Runner)]
    shuffle = Random(case.name)  # noqa: S311 - repeatable on purpose
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        runners = [runner for runner in (bare, *runners) if await _verify(case, runner)]
        for runner in runners:
            await _calibrate(case, runner, window_ns)
        for number in range(rounds):
            gc.collect()
            for collect in (False, True):
                for runner in shuffle.sample(runners, k=len(runners)):
                    samples = runner.on if collect else runner.off
                    samples.append(await _window(case, runner, number * _STRIDE, collect=collect))
        for runner in runners:
            if await _verify(case, runner):
                runner.result.off = Timing(min(runner.off), median(runner.off))
                runner.result.on = Timing(min(runner.on), median(runner.on))
    finally:
        if was_enabled:
            gc.enable()
        if case.after is not None:
            await case.after()
    results = (runner.result if isinstance(runner, _Runner) else runner for runner in built)
    return CaseResult(case, bare.result, tuple(results))


def _build(case: Case, subject: Subject) -> _Runner | SubjectResult:
    result = SubjectResult(subject.label, subject.peer)
    try:
        return _Runner(subject.build(case.app), result)
    except ImportError as error:
        result.problem = f"not installed ({error})"
        return result


async def _verify(case: Case, runner: _Runner) -> bool:
    """Return whether the answers are right; if not, note why."""
    sizes: list[int] = []
    try:
        for index in _VERIFIED:
            scope = case.scope_factory(index)
            got = await record(runner.app, case.scope_factory(index), case.received)
            if runner.result.label != _BARE:
                case.verify(got, await record(case.app, scope, case.received), scope)
            sizes.append(len(got.body))
    except WrongOutputError as error:
        runner.result.problem = f"wrong output: {error}"
        runner.result.wrong = True
        return False
    runner.result.body_bytes = fmean(sizes)
    return True


async def _calibrate(case: Case, runner: _Runner, window_ns: float) -> None:
    """Find how many requests fill a window, which warms the code up as well."""
    requests, took = 1, 0.0
    while True:
        runner.window = requests
        took = await _window(case, runner, 0, collect=False)
        if took * requests * _CALIBRATION >= window_ns:
            break
        requests *= 2
    runner.window = max(1, round(window_ns / took))


async def _window(case: Case, runner: _Runner, start: int, *, collect: bool) -> float:
    """Run one window and return nanoseconds per request."""
    await _chunk(case, runner, start - 1 - min(CHUNK, runner.window // _WARM_UP), start, collect=False)
    took = 0
    for first in range(start, start + runner.window, CHUNK):
        last = min(first + CHUNK, start + runner.window)
        took += await _chunk(case, runner, first, last, collect=collect)
    return took / runner.window


async def _chunk(case: Case, runner: _Runner, first: int, last: int, *, collect: bool) -> int:
    """Return the nanoseconds that the application takes for these places of the pool, one after the other."""
    app, receive = runner.app, case.received
    scopes = [case.scope_factory(index % POOL_SIZE) for index in range(first, last)]
    if collect:
        gc.freeze()  # the scopes are the harness's; collections are to look at what the requests leave behind
        gc.enable()
    try:
        started = perf_counter_ns()
        for scope in scopes:
            await app(scope, receive, _discard)
        if collect:
            gc.collect(0)  # what is left behind is paid for here, not by whoever runs next
        return perf_counter_ns() - started
    finally:
        if collect:
            gc.disable()
            gc.unfreeze()


async def _discard(message: Message) -> None:
    """Take a message, as a server's ``send`` does."""
