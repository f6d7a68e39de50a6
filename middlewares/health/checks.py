"""Run checks at the same time, once for all who ask meanwhile, and within a time that no check can stretch.

Each check runs in a task of its own, and those who ask wait for a `Run` of all. So whoever leaves takes nothing from
the others, and a check that hangs, in a thread or deaf to its cancellation, keeps nobody waiting: it has failed, and
is not started again before it has ended.
"""

from __future__ import annotations

import inspect
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio

from .spawning import caller_from_anywhere, spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ("Check", "Outcome", "Run")

_LONGEST = 300


class Outcome(NamedTuple):
    """What a check has found."""

    passes: bool
    why: str = ""
    """Why it does not pass, for those who run the service: it may hold secrets."""


_LATE = Outcome(False, "did not end in time")
_BUSY = Outcome(False, "has not ended since it was started before")
_CANCELLED = Outcome(False, "was cancelled")


class Check:
    """One check on one event loop. It passes if its function returns ``None`` or something true."""

    __slots__ = ("_function", "_is_async", "_is_in_thread", "_is_running", "cancel", "name")

    def __init__(self, name: str, function: Callable[[], Any]) -> None:
        self.name = name
        self._function = function
        called = getattr(function, "__call__", None)  # noqa: B004 - an object may have an async one
        self._is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)
        self._is_running = False
        self._is_in_thread = False
        self.cancel: Callable[[], object] = lambda: None
        """Cancels what was started last."""

    @property
    def is_busy(self) -> bool:
        """Whether it still runs, perhaps because it hangs."""
        return self._is_running or self._is_in_thread

    def start(self, note: Callable[[str, Outcome], None]) -> None:
        """Start it; ``note`` is called at its end, unless it is cancelled before it has begun."""
        self.cancel = spawn(partial(self._run, note))

    async def _run(self, note: Callable[[str, Outcome], None]) -> None:
        outcome = _CANCELLED
        self._is_running = True
        try:
            found = await self._ask()
            outcome = Outcome(True) if found is None or bool(found) else Outcome(False, "said that it fails")
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as error:  # noqa: BLE001 - no check may end the server, not by SystemExit either
            outcome = Outcome(False, _described(error))
        finally:
            self._is_running = False
            note(self.name, outcome)

    async def _ask(self) -> Any:
        if self._is_async:
            found = self._function()
        else:
            found = await self._ask_in_thread()
        return await found if inspect.isawaitable(found) else found

    async def _ask_in_thread(self) -> Any:
        """Ask in a thread of its own: one that hangs takes none from the application, and lets the process end."""
        call, has_ended = caller_from_anywhere(), anyio.Event()
        found: list[Any] = []
        raised: list[BaseException] = []

        def ask() -> None:
            try:
                found.append(self._function())
            except BaseException as error:  # noqa: BLE001 - to be raised where it is awaited
                raised.append(error)
            self._is_in_thread = False
            with suppress(RuntimeError):  # the event loop has ended
                call(has_ended.set)

        thread = Thread(target=ask, name=f"health check {self.name}", daemon=True)
        self._is_in_thread = True
        try:
            thread.start()
        except RuntimeError:  # there are too many
            self._is_in_thread = False
            raise
        await has_ended.wait()
        if raised:
            raise raised.pop()
        return found[0]


class Run:
    """One run of all checks, which any number of callers wait for; it ends early once all of them have left."""

    __slots__ = ("_checks", "_deadline", "_done", "_outcomes", "_waiting", "was_left")

    def __init__(self, checks: Iterable[Check], timeout: float) -> None:
        self._checks = {check.name: check for check in checks}
        self._outcomes: dict[str, Outcome] = {}
        self._deadline = anyio.current_time() + timeout
        self._done = anyio.Event()
        self._waiting = 0
        self.was_left = False
        """Whether all who waited have left, so that nobody knows what it found."""
        for check in self._checks.values():
            if check.is_busy:
                self._note(check.name, _BUSY)
            else:
                check.start(self._note)

    async def wait(self) -> Mapping[str, Outcome]:
        """Return what the checks have found, once all have ended or their time is up."""
        self._waiting += 1
        is_served = False
        try:
            with anyio.CancelScope(deadline=self._deadline):
                await self._done.wait()
            self._end(_LATE)
            is_served = True
        finally:
            self._waiting -= 1
            if not self._waiting and not is_served:
                self.was_left = True
                self._end(_CANCELLED)
        return {name: self._outcomes[name] for name in self._checks}

    def _note(self, name: str, outcome: Outcome) -> None:
        self._outcomes.setdefault(name, outcome)
        if len(self._outcomes) == len(self._checks):
            self._done.set()

    def _end(self, outcome: Outcome) -> None:
        """End what still runs: with this outcome, whatever it says from now on."""
        for name, check in self._checks.items():
            if name not in self._outcomes:
                self._note(name, outcome)
                check.cancel()


def _described(error: BaseException) -> str:
    try:
        words = " ".join(str(error)[:_LONGEST].split())
    except BaseException:  # noqa: BLE001 - what a check raises need not even have words
        words = ""
    return f"raised {type(error).__name__}" + (f": {words}" if words else "")
