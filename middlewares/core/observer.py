"""Layers that watch a call and change little: metrics, traces, ids, logs.

Observers that stand next to each other watch through one pair of wrapped channels: the outermost does it for all,
and each of the others adds what it does at the beginning, the start of the response and the end, and no more.
"""

from __future__ import annotations

import logging
from collections import Counter
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar, Final
from weakref import ref

from .exchange import EXCHANGE, Exchange, hand_back, join, publish_scope
from .layer import Layer
from .observed_channels import HTTPCall, OpenedCall, WebSocketCall, open_call

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send

    from .observed import ObservedCall

__all__ = ("INTERNAL_ERRORS", "Observer", "Plan", "note_failure", "observe")

LOGGER: Final = logging.getLogger("middlewares.observer")

INTERNAL_ERRORS: Final[Counter[str]] = Counter()
"""How often an observer of a class failed while it watched: the call goes on, so this is where it shows."""


class Observer(Layer):
    """Base of layers that watch. What is overridden is called; what is not costs nothing.

    A subclass declares ``_plan: Plan = field(init=False, repr=False)`` and ends its ``__post_init__`` with
    ``freeze(self, _plan=observe(self))``. Failures of the four methods never reach the application.
    """

    __slots__ = ()

    publishes_scope: ClassVar[bool] = True

    _plan: Plan

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind != "http" and kind != "websocket":
            return await self.pass_on(scope, receive, send)
        plan = self._plan
        is_maker = EXCHANGE not in scope
        if is_maker:  # as `join` does it, spared the call
            exchange = Exchange(self)
            inner: Scope = scope.copy() if type(scope) is dict else {**scope}
            inner[EXCHANGE] = exchange
        else:
            exchange, inner, is_maker = join(scope, self)
        cls = plan.kind if kind == "http" else WebSocketCall
        call = open_call(cls, plan, self, scope, inner, exchange, receive, send)
        if cls is not OpenedCall:
            receive = call.receive_observed
        states = call.states
        size = 0
        try:
            try:
                states.append(self.begin(call))
                for begin in plan.begins:
                    states.append(begin(call))
            except Exception as error:  # noqa: BLE001 - whoever watches must not break what it watches
                plan.begin_anew(call, error)
            inner = call.inner
            size = len(inner)
            if not is_maker:  # who made it may be out of sight of what the router writes
                publish_scope(inner)
            await call.target(inner, receive, call.send_observed)
        except BaseException as error:
            if plan.rescuers and isinstance(error, Exception):
                await plan.rescue(call)
            if call.ended is None:
                call.error = _only(error) if isinstance(error, BaseExceptionGroup) else error
            raise
        finally:
            if call.ended is None:
                call.finish()
            if plan.is_left:
                plan.leave(call)
            if is_maker:  # as `leave` does it, spared the call
                exchange.layers = exchange.facts = None
            else:
                exchange.leave(self)
            if len(inner) != size:
                hand_back(inner, scope)
            call.error = None  # a traceback leads back to this frame, and would keep all of it alive

    def header_lengths(self) -> Collection[int]:
        """Return how long the names of the request headers are that this observer reads of each call.

        It finds them in `ObservedCall.asked_headers`: one look at all headers serves all who watch.
        """
        return ()

    async def pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a lifespan, or another scope that is not watched."""
        await self.app(scope, receive, send)

    def begin(self, call: ObservedCall) -> Any:
        """Begin to watch, outermost observer first; return what the other methods are handed, ``None`` to look away."""
        return self

    def start(self, call: ObservedCall, state: Any, message: Message) -> Message:
        """Return the message that begins the response, or a copy with other headers; innermost observer first.

        ``state`` is ``None`` if this observer looks away.
        """
        return message

    def finish(self, call: ObservedCall, state: Any) -> None:
        """Note what became of the call, just after its last byte, or when it ends without one; innermost first.

        Where no neighbour overrides this, nobody watches for the end of a request, and sizes and outcome are unknown.
        """

    async def rescue(self, call: ObservedCall) -> None:
        """Answer in place of an application that has raised `sys.exception`, which goes on; innermost first."""

    def leave(self, call: ObservedCall, state: Any) -> None:
        """Undo what surrounds the application, after it has returned: later than `finish` by any background work."""


class Plan:
    """What an observer, and those just inside it, do with a call.

    It holds that observer, which holds it, by a weak reference: each call brings it along.
    """

    __slots__ = (
        "_finish_own",
        "_finishes",
        "_kinds",
        "_leave_own",
        "_leaves",
        "_observer",
        "_start_own",
        "_starts",
        "begins",
        "clock",
        "inner",
        "is_left",
        "is_started",
        "kind",
        "lengths",
        "rescuers",
        "target",
    )

    def __init__(
        self, observer: Observer, inner: tuple[Observer, ...], target: ASGIApp, clock: Callable[[], float]
    ) -> None:
        self._observer = ref(observer)
        self.inner = inner
        """Those just inside, the outermost first."""
        self.target = target
        """The application inside them all."""
        self.clock = clock
        self._kinds: tuple[type[Observer], ...] = (type(observer), *(type(each) for each in inner))
        self.begins = tuple(each.begin for each in inner)
        """How those just inside begin."""
        # What those just inside do, and what the outermost does.
        self._starts, self._start_own = self._overridden("start")
        self._finishes, self._finish_own = self._overridden("finish")
        self._leaves, self._leave_own = self._overridden("leave")
        self.is_started = bool(self._starts or self._start_own)
        """Whether anybody asks for the beginning of a response."""
        self.is_left = bool(self._leaves or self._leave_own)
        """Whether anybody has something to undo."""
        self.rescuers = tuple(
            index for index, kind in reversed([*enumerate(self._kinds)]) if kind.rescue is not Observer.rescue
        )
        """The places of those who would answer in place of an application that raises."""
        self.lengths = frozenset(length for each in (observer, *inner) for length in each.header_lengths())
        """How long the names are of the request headers that any of them reads."""
        self.kind: type[HTTPCall] = HTTPCall if self._finishes or self._finish_own else OpenedCall
        """What a request is watched with: less will do where nobody asks for its end."""

    @property
    def observers(self) -> tuple[Observer, ...]:
        """All of them, the outermost first."""
        observer = self._observer()
        return self.inner if observer is None else (observer, *self.inner)

    def start(self, call: ObservedCall, message: Message) -> Message:
        """Return the message that begins a response as observers want it."""
        states = call.states
        for index, start in self._starts:
            try:
                message = start(call, states[index], message)
            except Exception as error:  # noqa: BLE001 - whoever watches must not break what it watches
                self.failed(index, error)
        start_own = self._start_own
        if start_own is not None:
            try:
                message = start_own(call.observer, call, states[0], message)
            except Exception as error:  # noqa: BLE001 - as above
                self.failed(0, error)
        return message

    async def rescue(self, call: ObservedCall) -> None:
        """Let observers answer in place of an application that has raised."""
        for index in self.rescuers:
            try:
                await call.observers[index].rescue(call)
            except Exception as error:  # noqa: BLE001 - as in `start`
                self.failed(index, error)

    def finish(self, call: ObservedCall) -> None:
        """Let observers note what became of a call that has just ended."""
        self._tell(call, self._finishes, self._finish_own)

    def leave(self, call: ObservedCall) -> None:
        """Let observers undo what surrounded the application."""
        self._tell(call, self._leaves, self._leave_own)

    def _tell(self, call: ObservedCall, hooks: tuple[tuple[int, Any], ...], own: Any) -> None:
        states = call.states
        for index, hook in hooks:
            try:
                state = states[index]
                if state is not None:
                    hook(call, state)
            except Exception as error:  # noqa: BLE001 - whoever watches must not break what it watches
                self.failed(index, error)
        if own is not None:
            try:
                state = states[0]
                if state is not None:
                    own(call.observer, call, state)
            except Exception as error:  # noqa: BLE001 - as above
                self.failed(0, error)

    def begin_anew(self, call: ObservedCall, error: Exception) -> None:
        """Go on with the observers further in, where one failed to begin."""
        states = call.states
        self.failed(len(states), error)
        states.append(None)
        for begin in self.begins[len(states) - 1 :]:
            try:
                states.append(begin(call))
            except Exception as again:  # noqa: BLE001 - whoever watches must not break what it watches
                self.failed(len(states), again)
                states.append(None)

    def failed(self, index: int, error: Exception) -> None:
        """Count a failure of an observer, and log the first of its class."""
        note_failure(self._kinds[index].__name__, error)

    def _overridden(self, name: str) -> tuple[tuple[tuple[int, Any], ...], Any]:
        """Return the methods called ``name`` that do something: bound, with their places, of those just inside, the
        innermost first; and the function of the outermost, or ``None``.
        """
        own, *others = (getattr(kind, name) is not getattr(Observer, name) for kind in self._kinds)
        inner = [(index, getattr(self.inner[index - 1], name)) for index, does in enumerate(others, 1) if does]
        return tuple(reversed(inner)), getattr(self._kinds[0], name) if own else None


def observe(observer: Observer, clock: Callable[[], float] = perf_counter) -> Plan:
    """Return the plan of an observer that has its application; ``clock`` counts for those just inside as well."""
    app = observer.app
    if isinstance(app, Observer):
        inner = app._plan  # noqa: SLF001 - an observer is built after those inside it, whose work it does
        return Plan(observer, (app, *inner.inner), inner.target, clock)
    return Plan(observer, (), app, clock)


def note_failure(name: str, error: Exception) -> None:
    """Count a failure of an observer of the class called ``name``, and log the first of that class."""
    INTERNAL_ERRORS[name] += 1
    level = logging.ERROR if INTERNAL_ERRORS[name] == 1 else logging.DEBUG
    LOGGER.log(level, "%s failed; the request goes on, and what it should have noted is lost", name, exc_info=error)


def _only(error: BaseException) -> BaseException:
    """Return what a group holds if that is one exception: task groups wrap what a task raises."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
