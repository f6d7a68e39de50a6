"""The gate: how many are inside, who waits outside, and the permit that each one inside holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from middlewares.asgi import mark_coroutine_function
from middlewares.core.headers import find, with_lasting_headers

from .line import Line, Waiter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from middlewares.asgi import Message, Receive, Send

    from .estimate import Estimate

__all__ = ("Gate", "Load", "Permit")

_WAIT_BEFORE_KNOWN: Final = 0.1
_WAIT_SHARE: Final = 2.0
"""Who has waited for longer than two requests take would hardly be served in good time."""
_SHORTEST_WAIT: Final = 0.005
_LONGEST_WAIT: Final = 10.0


@dataclass(frozen=True, slots=True)
class Load:
    """What a limit looks like at a moment."""

    limit: int
    """How many requests may be worked on at once; it changes where it is found automatically."""
    in_flight: int
    """How many hold a permit."""
    waiting: int
    """How many wait for one."""


class Gate:
    """The state of one layer. It is only touched from the thread of its event loop, and never across an ``await``."""

    __slots__ = ("_crowded_since", "_most_waiting", "_wait", "clock", "estimate", "holds_on", "in_flight", "line")

    def __init__(
        self,
        estimate: Estimate,
        most_waiting: int,
        max_wait: float | None,
        clock: Callable[[], float],
        *,
        holds_on: bool = False,
    ) -> None:
        self.estimate = estimate
        self.clock = clock
        self.holds_on = holds_on
        """Whether permits are held until responses end."""
        self.in_flight = 0
        self.line = Line()
        self._most_waiting = most_waiting
        self._wait = max_wait
        self._crowded_since = 0.0

    @property
    def max_wait(self) -> float:
        """Seconds to wait at most."""
        if self._wait is not None:
            return self._wait
        unloaded = self.estimate.unloaded
        if unloaded is None:
            return _WAIT_BEFORE_KNOWN
        return min(max(_WAIT_SHARE * unloaded, _SHORTEST_WAIT), _LONGEST_WAIT)

    def enter(self) -> bool:
        """Take a permit if one is free and nobody waits for it."""
        if self.line.count or self.in_flight >= self.estimate.limit:
            return False
        self.in_flight += 1
        return True

    def join(self, priority: int, receive: Receive) -> Waiter | None:
        """Return a place in the line, if need be that of another; ``None`` where all are taken by better ones."""
        line = self.line
        if line.count >= self._most_waiting:
            if not line.count or line.lowest_priority > priority:
                return None
            # The oldest has waited so long that it is least likely to be served in time.
            line.least().refuse()
        elif not line.count:
            self._crowded_since = self.clock()
        waiter = Waiter(priority, receive)
        line.join(waiter)
        return waiter

    def give_up(self, waiter: Waiter) -> None:
        """Let one go that does not go on: it leaves its place in the line, or returns its permit."""
        if not self.line.leave(waiter) and waiter.is_admitted:
            self.leave()

    def leave(self) -> None:
        """Take a permit back, and hand out those that are free."""
        self.in_flight -= 1
        if self.line.count:
            self._hand_out()

    def _hand_out(self) -> None:
        line, limit = self.line, self.estimate.limit
        while line.count and self.in_flight < limit:
            self.in_flight += 1
            line.next(newest=self._is_crowded()).admit()

    def _is_crowded(self) -> bool:
        """Whether the line is no mere ripple: then the newest goes first, for the oldest would be late in any case."""
        if self.line.count * 2 > self._most_waiting:
            return True
        return self.clock() - self._crowded_since > self.max_wait


class Permit:
    """What a request holds while it is worked on: until its first byte, or until its end.

    Event streams and WebSockets only hold it until their first byte: many may be open, and do nothing.
    """

    __slots__ = ("_began", "_epoch", "_gate", "_is_started", "_send", "is_held")

    def __init__(self, gate: Gate, send: Send) -> None:
        self._gate = gate
        self._send = send
        self._began = gate.clock()
        self._epoch = gate.estimate.epoch
        self.is_held = True
        """Whether it has not been returned yet."""
        self._is_started = False

    @mark_coroutine_function
    def send(self, message: Message) -> Awaitable[None]:
        """Hand on a message of the application."""
        if self.is_held:
            kind = message["type"]
            if not self._is_started:
                if kind == "http.response.start" or kind.startswith("websocket."):
                    if self._gate.holds_on:
                        message = with_lasting_headers(message)
                    self._start(message, kind)
            elif not message.get("more_body", False) and kind in ("http.response.body", "http.response.pathsend"):
                self.close()
        return self._send(message)

    def close(self) -> None:
        """Return the permit, if that has not been done."""
        if self.is_held:
            self.is_held = False
            self._gate.leave()

    def _start(self, message: Message, kind: str) -> None:
        self._is_started = True
        gate = self._gate
        status = message.get("status", 200)
        # Failures and answers from memory tell nothing of how long the work takes.
        if status < 500 and status not in (304, 429):
            gate.estimate.sample(gate.clock() - self._began, gate.in_flight, self._epoch)
        if not gate.holds_on or kind != "http.response.start" or _is_event_stream(message):
            self.is_held = False
            gate.leave()


def _is_event_stream(message: Message) -> bool:
    media_type = find(message.get("headers", ()), b"content-type") or b""
    return media_type[:17].lower() == b"text/event-stream"
