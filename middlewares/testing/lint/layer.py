"""`Lint`: a layer that can stand anywhere in a stack, and checks what passes on both its sides."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from middlewares.asgi import ASGIApp, Receive, Scope, Send
from middlewares.core.exchange import EXCHANGE, Exchange, publish_scope
from middlewares.core.layer import Layer, freeze, is_foreign, is_innermost
from middlewares.core.options import check_types
from middlewares.errors import OptionErrors, did_you_mean

from .blame import Inside, look_inside, parameters_fault
from .face import INNER, KEY, OUTER, Face
from .findings import Finding, LintError, Mode, Report, deliver
from .http import HTTPFace
from .lifespan import LifespanFace, UnknownFace
from .registry import finds
from .rules import RULES
from .strict import EXTRA_KEY, awkward_receive, awkward_scope, awkward_send, plain_awaitable
from .values import shown
from .websocket import WebSocketFace

if TYPE_CHECKING:
    from .findings import Level
    from .sides import Sides

__all__ = ("Course", "Lint")

_FACES: dict[Any, Any] = {"http": HTTPFace, "websocket": WebSocketFace, "lifespan": LifespanFace}


class Course:
    """What a lint knows beyond a single call."""

    __slots__ = ("calls", "failed", "is_led", "lifespan", "parameters", "passed")

    def __init__(self) -> None:
        self.calls: set[int] = set()
        """The scopes of the HTTP and WebSocket calls that run."""
        self.lifespan: LifespanFace | None = None
        """The lifespan that runs."""
        self.failed = False
        """Whether the last lifespan ended in startup.failed."""
        self.parameters: str | None = None
        """What is wrong with the parameters of the application, until it is reported."""
        self.passed = 0
        """Calls so far, for sampling."""
        self.is_led = False
        """Whether a lint stands further out, which chooses the calls of a sample."""


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class Lint(Layer):
    """Check every scope, event, return and exception that passes against the rules of ASGI.

    Put it outermost, innermost, or between any two layers. A `Finding` names the rule, the party at fault, what
    passed before, and how to mend it. Where lints stand on both sides of a layer, faults of the layer bear its name.

    Order: one lint judges all inside it as the application and all outside it as the server.
    Standard: ASGI 3.0, HTTP & WebSocket 2.5, Lifespan 2.0, and the extensions.
    """

    order_role: ClassVar[str] = "anywhere"
    publishes_scope: ClassVar[bool] = True

    app: ASGIApp = field(kw_only=False)
    name: str | None = None
    """What findings call this lint; by default, what stands inside it."""
    mode: Mode = "collect"
    """``collect`` into ``findings``; ``raise`` errors; ``log`` to ``middlewares.testing.lint``; ``sample`` some."""
    sample_rate: float = 0.01
    """The share of calls that the mode ``sample`` checks, from 0 to 1."""
    strict: bool = False
    """Feed awkward input that is legal all the same, in both directions."""
    report: Report | None = None
    """A list to append findings to, or a function that takes each."""
    ignore: Collection[str] = ()
    """Rules that are not reported, as in ``["H24"]``."""
    deadline: float = 5.0
    """Seconds that ``receive`` may take where only a disconnect can come."""
    findings: list[Finding] = field(init=False, repr=False)
    inside: Inside = field(init=False, repr=False)
    course: Course = field(init=False, repr=False)
    _innermost: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        problems = OptionErrors(self)
        check_types(problems, self)
        problems.raise_if_any()
        problems.check(0 <= self.sample_rate <= 1, "sample_rate", "must be from 0 to 1", self.sample_rate)
        problems.check(self.deadline > 0, "deadline", "must be above 0 seconds", self.deadline)
        for rule in self.ignore:
            problems.check(rule in RULES, "ignore", "must hold ids of rules", rule, did_you_mean(rule, RULES))
        problems.raise_if_any()
        course = Course()
        course.parameters = parameters_fault(self.app)
        findings = self.report if isinstance(self.report, list) else []
        inside = look_inside(self.app, Lint)
        if inside.lint is not None:
            inside.lint.course.is_led = True
        freeze(self, findings=findings, inside=inside, course=course, _innermost=is_innermost(self.app))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.mode == "sample" and not self._is_sampled(scope):
            self._publish(scope)
            return await self.app(scope, receive, send)
        kind = scope.get("type")
        if not isinstance(kind, str):
            kind = None  # what is no str may neither be hashed nor compared
        face = _FACES.get(kind, UnknownFace)(self, scope, receive, send)
        outcome = "raised"
        try:
            handed, receive, send = self._open(face, scope, kind)
            self._publish(handed)
            result: Any = await self.app(handed, receive, send)  # type: ignore[func-returns-value]  # it is checked
            face.returned(result)
            outcome = "returned"
            return result  # type: ignore[no-any-return]  # what was given goes on, also where it must be None
        except LintError:
            raise
        except BaseException as error:
            if outcome == "raised":
                face.raised(error)
            raise
        finally:
            self.course.calls.discard(id(scope))
            try:
                face.left(outcome)
            finally:
                face.close(outcome)

    def hands_on_send(self) -> bool:
        return self.mode == "sample" and is_foreign(self.app)

    def _publish(self, scope: Scope) -> None:
        if self._innermost and isinstance(scope.get(EXCHANGE), Exchange):  # whatever else stands there
            publish_scope(scope)

    def found(self, rule: str, side: str, detail: str, level: Level, face: Sides) -> None:
        """Tell of a broken rule; called by the faces of this lint."""
        if rule in self.ignore:
            return
        party, layer = self._culprit(side, face)
        declared = RULES[rule]
        finding = Finding(
            rule, party, layer, declared.statement, detail, face.events(), declared.hint, level, self._label()
        )
        deliver(finding, self.mode, self.findings if self.report is None else self.report)

    def shown_type(self, scope: Scope) -> str:
        """Return the type of a scope as it stands in a finding."""
        return shown(scope.get("type"))

    def _label(self) -> str:
        return self.name or f"Lint around {self.inside}"

    def _culprit(self, side: str, face: Sides) -> tuple[Any, str | None]:
        if side == OUTER:
            return ("server", None) if face.outer is None else ("middleware", str(face.outer.lint.inside))
        is_layer = self.inside.lint is not None or bool(face.inners)
        return ("middleware" if is_layer else "app"), str(self.inside)

    def _is_sampled(self, scope: Scope) -> bool:
        """Spread the sample evenly: each call adds its share, and is checked when a whole is reached.

        Of lints in a stack the outermost chooses, so that what they see of a call tells which layer is at fault.
        """
        course = self.course
        if KEY in scope or course.is_led:
            return KEY in scope
        before, course.passed = course.passed, course.passed + 1
        return int(course.passed * self.sample_rate) > int(before * self.sample_rate)

    def _open(self, face: Any, scope: Scope, kind: object) -> tuple[Scope, Receive, Send]:
        """Check how the application is called, and return what it is to be called with."""
        if kind == "websocket" or type(scope.get("headers")) is not list:
            face.materialise()
        if face.shares_scope:
            face.check_outer_scope()
        face.check_scope(face.readable or scope)
        self._check_call(face, scope, kind)
        if not self.strict:
            face.hand_on(face.before)
            return face.handed, face.receive, face.send
        face.extra_keys = (EXTRA_KEY,)
        face.count("H9", OUTER)  # inner lints are not to report the mixed case of this one
        face.hand_on({**awkward_scope(face.before), KEY: face})
        face.send_outer = awkward_send(face.send_outer)
        return face.handed, awkward_receive(face.receive), plain_awaitable(face.send)

    @finds("G13", "G17", "L3", "L6")
    def _check_call(self, face: Face, scope: Scope, kind: object) -> None:
        course = self.course
        if course.parameters is not None:
            face.report("G17", INNER, course.parameters)
            course.parameters = None
        if kind in ("lifespan", None):
            return
        if id(scope) in course.calls:
            face.report("G13", OUTER, "the application was called with a scope that is in use")
        course.calls.add(id(scope))
        if course.lifespan is not None:
            self._check_start(face, course.lifespan)
        elif course.failed:
            face.report("L6", OUTER, "a connection after startup.failed")

    def _check_start(self, face: Face, lifespan: LifespanFace) -> None:
        if lifespan.sent_state in ("waiting", "starting"):
            face.report("L3", OUTER, "a connection before the startup was complete")
        elif lifespan.sent_state == "failed":
            face.report("L6", OUTER, "a connection after startup.failed")
        state = face.scope.get("state")
        if lifespan.state is not None and isinstance(state, dict):
            lifespan.check_state(face, state)
