"""The course of a lifespan, and of a scope type that the lint does not know."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from .face import INNER, OUTER, Face
from .machines import LIFESPAN_RECEIVED, LIFESPAN_SENT
from .registry import finds
from .scopes import scope_faults
from .values import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from middlewares.asgi import Message, Scope

    from .machines import Machine

__all__ = ("LifespanFace", "UnknownFace")

_PENDING = {
    "lifespan.startup.complete": ("waiting", "starting"),
    "lifespan.shutdown.complete": ("started", "stopping"),
}
"""Answers, and the states in which an inner application still has to give its own."""
_PLAIN = (str, bytes, int, float, tuple, type(None))
"""Types whose values a copy may share or not."""


class LifespanFace(Face):
    """Follows startup and shutdown."""

    kind = "lifespan"
    sent_machine = LIFESPAN_SENT
    received_machine = LIFESPAN_RECEIVED
    sent_state = "waiting"
    state: MutableMapping[str, Any] | None = None
    """The state of the lifespan itself, of which every call is to get a copy."""
    kept: Mapping[str, Any] = MappingProxyType({})
    """What the state held when the startup was complete."""
    is_early = False
    """Whether an answer was sent before that of the inner application."""

    @finds("L2")
    def check_scope(self, scope: Scope) -> None:
        """Check the scope that was handed in."""
        for rule, fault in scope_faults(scope, "lifespan"):
            self.report(rule, OUTER, fault)
        state = scope.get("state")
        self.state = state if isinstance(state, dict) else None
        course = self.lint.course
        if course.lifespan is not None:
            self.report("L2", OUTER, "the lifespan was called while another one runs")
        course.lifespan = self

    @finds("L8", "L11")
    def move_received(self, machine: Machine, event: str) -> None:
        """Follow the machine; a shutdown also waits for the startup and for the calls that run."""
        if event == "lifespan.startup" and self.received_state == "new":
            self.sent_state = "starting"
        elif event == "lifespan.shutdown" and self.received_state == "starting":
            self._check_shutdown()
            self.sent_state = "stopping" if self.sent_state == "started" else self.sent_state
        super().move_received(machine, event)

    def _check_shutdown(self) -> None:
        if self.sent_state != "started":
            self.report("L8", OUTER, f"the shutdown came while the startup was {self.sent_state}")
        elif self.lint.course.calls:
            self.report("L8", OUTER, f"the shutdown came while {len(self.lint.course.calls)} calls run")
        if self.kept and self.scope.get("state") is not self.state:
            self.report("L11", OUTER, "the server put another state into the scope")
        elif lost := self.kept.keys() - (self.state or {}).keys():
            self.report("L11", OUTER, f"the server took from the state: {', '.join(sorted(lost))}")

    @finds("L12")
    def move_sent(self, message: Message, event: str) -> None:
        """Follow the machine; an answer also waits for that of the inner application. Note what the state holds."""
        super().move_sent(message, event)
        pending = _PENDING.get(event, ())
        early = [face.sent_state for face in self.inners if face.sent_state in pending and face.outcome == "runs"]
        if early:
            self.is_early = True
            self.report("L12", INNER, f"{event} was sent while the inner application was {early[0]}")
        if event == "lifespan.startup.complete":
            self.kept = {**(self.state or {})}
            if any(face.sent_state == "failed" for face in self.inners):
                self.report("L12", INNER, "startup.complete was sent though the inner application's startup failed")

    @finds("H14")
    def check_state(self, face: Face, state: dict[str, Any]) -> None:
        """Look whether the state of a call is a shallow copy of this one's."""
        if state is self.state:
            return face.report("H14", OUTER, "state is that of the lifespan itself, not a copy")
        if lost := self.kept.keys() - state.keys():
            return face.report("H14", OUTER, f"state lacks {', '.join(sorted(lost))} of the lifespan's")
        objects = [(value, state[key]) for key, value in self.kept.items() if not isinstance(value, _PLAIN)]
        if (
            face.outer is None
            and objects
            and all(there is not here and type(there) is type(here) for there, here in objects)
        ):
            face.report("H14", OUTER, "state is a copy in depth: none of its values is that of the lifespan")

    @finds("L4", "L9", "L10", "L12")
    def check_return(self) -> None:
        """Check that both events were answered, and handed on."""
        state = self.sent_state
        if state == "starting":
            self.report("L4", INNER, "the call returned without an answer to the startup")
        elif state == "started":
            self.report("L10", INNER, "the call returned before the shutdown")
        elif state == "stopping":
            self.report("L9", INNER, "the call returned without an answer to the shutdown")
        if self.lint.inside.lint is not None and not self.inners:
            self.report("L12", INNER, "the lifespan was not handed on")
        elif state == "stopped" and not self.is_early and any(face.sent_state == "started" for face in self.inners):
            self.report("L12", INNER, "the shutdown was not handed on")

    @finds("L12", "L13")
    def raised(self, error: BaseException) -> None:
        """Check that a layer does not raise over its own resource, or over a scope that it does not know."""
        super().raised(error)
        inside = [face for face in self.inners if isinstance(face, LifespanFace)]
        is_own = all(face.outcome == "returned" or face.sent_state == "started" for face in inside)
        if not isinstance(error, Exception) or not is_own or not (inside or self.lint.inside.lint is not None):
            return
        if self.sent_state == "waiting":
            self.report("L12", INNER, f"a layer raised {shown(error)} instead of handing the lifespan on")
        elif self.sent_state == "starting":
            self.report("L13", INNER, f"a layer raised {shown(error)} instead of answering startup.failed")

    def close(self, outcome: str) -> None:
        """Forget what the call held."""
        course = self.lint.course
        if course.lifespan is self:
            course.lifespan = None
        course.failed = self.sent_state == "failed"
        super().close(outcome)


class UnknownFace(Face):
    """Watches a scope type that an application may not know."""

    def check_scope(self, scope: Scope) -> None:
        """Check what holds for every scope."""
        kind = scope.get("type")
        for rule, fault in scope_faults(scope, kind if isinstance(kind, str) else ""):
            self.report(rule, OUTER, fault)

    @finds("G3")
    def check_return(self) -> None:
        """Check that the application did not pass over a scope that it does not know."""
        if not self.sent_anything and not self.delivered:
            self.report("G3", INNER, f"the call returned quietly on a scope of type {self.lint.shown_type(self.scope)}")

    @finds("G3")
    def raised(self, error: BaseException) -> None:
        """Check that nothing was sent before."""
        super().raised(error)
        if self.sent_anything and isinstance(error, Exception):
            self.report("G3", INNER, "the application sent an event before it raised")
