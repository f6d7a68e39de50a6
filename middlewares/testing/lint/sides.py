"""What the two sides of one call at a lint share: what is known of the call, and how a fault is reported."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

from .registry import finds
from .values import shown

if TYPE_CHECKING:
    from middlewares.asgi import Message, Receive, Scope, Send

    from .findings import Level
    from .layer import Lint
    from .machines import Machine

__all__ = ("INNER", "KEY", "MOST_CARRIED", "MOST_NOTES", "OUTER", "Sides")

KEY = "middlewares.testing.lint"
"""The scope key under which each lint tells the next one inside of itself."""

OUTER, INNER = "outer", "inner"
_HISTORY = 40
MOST_NOTES = 2 * _HISTORY
MOST_CARRIED = 1000


class Sides:
    """The course of one call at one lint.

    Faults of what is handed in belong to the outer side, faults of what is sent to the inner one. If the next lint on
    that side has seen the same rule broken as often, the fault comes from beyond it and is its to report; if not, the
    layers between the two are to blame.
    """

    kind: ClassVar[str] = ""
    sent_machine: ClassVar[Machine | None] = None
    received_machine: ClassVar[Machine | None] = None
    hang_rule: ClassVar[str] = "G22"
    """What a server breaks that never answers `receive` again."""

    # Defaults stand on the class: a call sets only what differs.
    outer: Sides | None = None
    inners: tuple[Sides, ...] = ()
    faults: dict[tuple[str, str], int] | None = None
    readable: Scope | None = None
    """The scope with headers that can be read again, where they could not."""
    given: Scope | None = None
    """What the scope held when a layer handed it in."""
    past_faults: tuple[dict[tuple[str, str], int], ...] = ()
    """Those of the inner calls, once this one has ended."""
    has_provoked = False
    """Whether the inner side has broken a rule, so that an exception of `send` is no surprise."""
    refused = 0
    """The identity of the last exception of `send`."""
    is_cut_off = False
    """Whether `send` has raised for no fault of the inner side: nothing more can be expected of it."""
    sent_state = "idle"
    received_state = "new"
    receiving = 0
    delivered = 0
    lead: int | None = None
    """By how many events the next lint outside was ahead when a `receive` was cancelled here."""
    last_received: tuple[Message, Message] | None = None
    last_sent: tuple[Message, Message, tuple[Any, ...] | None] | None = None
    scope_headers: tuple[Any, ...] | None = None
    scope_extensions: dict[Any, Any] | None = None
    carried: tuple[str, ...] = ()
    """The first 1,000 events of extensions, and of unknown types, that were sent."""
    extra_keys: tuple[str, ...] = ()
    unknown_received = False
    sent_anything = False
    invalid = False
    misplaced = False
    """Whether an event was sent that had no place in the order."""
    shares_scope = False
    """Whether the next lint outside handed on this very scope."""
    outcome = "runs"
    begun_outside = False
    """Whether the next lint outside had seen a response begin when this call ended."""

    def __init__(self, lint: Lint, scope: Scope, receive: Receive, send: Send) -> None:
        self.lint = lint
        self.scope = scope
        self.receive_outer = receive
        self.send_outer = send
        self.history: list[tuple[str, Any, Any]] = []
        # Read on every call, where an attribute of the instance is found quicker than a default of the class.
        self.outer = self.last_sent = self.last_received = self.given = self.readable = None
        self.scope_headers = self.lead = None
        self.inners = self.carried = ()
        self.outcome = "runs"
        self.shares_scope = self.unknown_received = False
        self.received_state = "new"
        if KEY in scope:
            self._join(scope[KEY])
        self.before: Scope = {**scope, KEY: self}
        self.handed: Scope = self.before

    def _join(self, outer: object) -> None:
        """Note what the next lint outside left in the scope, if its call still runs."""
        if isinstance(outer, Sides) and outer.outcome == "runs":
            self.outer = outer
            outer.inners += (self,)
            self.shares_scope = self.scope is outer.handed
            self.given = {**self.scope}

    @finds("G18")
    def materialise(self) -> None:
        """Make lists of what can be read only once: who looks at it would leave nothing to those inside."""
        for key in ("headers", "subprotocols"):
            values = self.before.get(key)
            if isinstance(values, Iterator):
                self.before[key] = [*values]
                self.readable = self.before
                self.report("G18", OUTER, f"the {key} of the scope can be read only once", "warning")

    def report(self, rule: str, side: str, detail: str, level: Level = "error") -> None:
        """Count a broken rule on one side, and tell of it unless it comes from beyond the next lint on that side."""
        count, key = self.count(rule, side), (rule, side)
        self.has_provoked = self.has_provoked or (side == INNER and level == "error")
        if rule == "G20" and side == OUTER and self.outer is None:
            return  # a server may refuse what it does not know
        if sum(faults.get(key, 0) for faults in self._faults_beyond(side)) < count:
            self.lint.found(rule, side, detail, level, self)

    def count(self, rule: str, side: str) -> int:
        """Count a broken rule on one side, and return how often it was broken there."""
        if self.faults is None:
            self.faults = {}
        key = rule, side
        self.faults[key] = self.faults.get(key, 0) + 1
        return self.faults[key]

    def _faults_beyond(self, side: str) -> Iterator[dict[tuple[str, str], int]]:
        if side == OUTER:
            return iter(() if self.outer is None else (self.outer.faults or {},))
        return chain((face.faults or {} for face in self.inners), self.past_faults)

    def note(self, who: str, kind: Any, detail: Any = None) -> None:
        """Keep what passed, for findings to tell: the last 40 events, in a list because a deque costs more to make."""
        history = self.history
        history.append((who, kind, detail))
        if len(history) > MOST_NOTES:
            self.shorten()

    def shorten(self) -> None:
        """Forget what no finding tells any more."""
        del self.history[:-_HISTORY]

    def events(self) -> tuple[str, ...]:
        """Return what has passed, in words."""
        return tuple(
            f"{who} {shown(kind)[1:-1]}{'' if note is None else f' {note}'}"
            for who, kind, note in self.history[-_HISTORY:]
        )

    @finds("G5")
    def report_shape(self, message: object, side: str) -> None:
        """Report what is no event at all."""
        self.report("G5", side, f"an event must be a dict with a type; got {shown(message)}")

    def carry(self, kind: str) -> None:
        """Keep the type of an event that layers must not lose."""
        if len(self.carried) < MOST_CARRIED:
            self.carried += (kind,)

    # -- what protocols differ in

    def refusal_rule(self) -> str:
        """Return the rule that is broken by an exception of `send` other than OSError."""
        return "G10"

    def farewell(self) -> Message:
        """Return the event that the server should have given."""
        return {"type": f"{self.kind}.disconnect"}

    def is_over(self) -> bool:
        """Return whether nothing but a disconnect can come."""
        return self.received_state == "gone"

    def has_begun(self) -> bool:
        """Return whether a response has begun."""
        return False
