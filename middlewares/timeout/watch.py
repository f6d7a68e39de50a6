"""One timer for all calls of a layer: a wheel of short spans of time, each with the calls that may expire in it.

A timer of its own would cost each call as much as all the rest of the layer. A call enters the wheel with its first
deadline; where that is moved later, it is looked at again when the earlier one comes. So a call expires late by one
span at most, and never early.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    import asyncio

__all__ = ("Timed", "Watch")

_SPANS: Final = 20
"""Spans in the shortest limit: a call expires at most this part of it late."""
_LONGEST_SPAN: Final = 0.25


class Timed(Protocol):
    """What the wheel holds."""

    deadline: float | None
    """Time of the loop, in seconds; ``None``: no limit any more."""
    span: int
    """Where in the wheel it stands."""

    def ring(self) -> None:
        """Be told that the deadline has passed."""
        ...


class Watch:
    """The wheel of a layer: its timer runs only while there are calls to watch."""

    __slots__ = ("_others", "_spans", "_timer", "loop", "seconds")

    def __init__(self, shortest: float) -> None:
        self.seconds = min(_LONGEST_SPAN, shortest / _SPANS)
        """How long a span is."""
        self.loop: asyncio.AbstractEventLoop | None = None
        """That of the calls it holds, for which it is the wheel."""
        self._spans: dict[int, set[Timed]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._others: dict[asyncio.AbstractEventLoop, Watch] = {}

    def of(self, loop: asyncio.AbstractEventLoop) -> Watch:
        """Return the wheel of an event loop: threads may each have one that runs, and none may lose its calls."""
        if loop is self.loop:
            return self
        if self.loop is None or self.loop.is_closed():
            # Its calls ended with it.
            self.loop = loop
            self._spans = {}
            self._timer = None
            return self
        watch = self._others.get(loop)
        if watch is None:
            watch = Watch(self.seconds * _SPANS).of(loop)
            self._others = {other: its for other, its in self._others.items() if not other.is_closed()}
            self._others[loop] = watch
        return watch

    @property
    def calls(self) -> list[Timed]:
        """The calls that are watched, in no order."""
        found = [call for calls in self._spans.values() for call in calls if call.deadline is not None]
        return [*found, *(call for other in self._others.values() for call in other.calls)]

    def enter(self, call: Timed, deadline: float, loop: asyncio.AbstractEventLoop) -> None:
        """Watch a call until its deadline."""
        call.deadline = deadline
        call.span = span = int(deadline / self.seconds) + 1
        calls = self._spans.get(span)
        if calls is None:
            calls = self._spans[span] = set()
            if self._timer is None:
                self._timer = loop.call_later(self.seconds, self._tick)
        calls.add(call)

    def leave(self, call: Timed) -> None:
        """Watch a call no longer."""
        call.deadline = None
        calls = self._spans.get(call.span)
        if calls is not None:
            calls.discard(call)

    def _tick(self) -> None:
        loop = self.loop
        assert loop is not None  # noqa: S101 - its own timer calls this
        self._timer = None
        now = loop.time()
        current = int(now / self.seconds)
        for span in [span for span in self._spans if span <= current]:
            for call in self._spans.pop(span):
                deadline = call.deadline
                if deadline is None:
                    continue
                if deadline <= now:
                    call.ring()
                else:
                    self.enter(call, deadline, loop)
        # An empty span is dropped once its time has come: what is left is watched, or was not long ago.
        if self._spans and self._timer is None:
            self._timer = loop.call_later(self.seconds, self._tick)
