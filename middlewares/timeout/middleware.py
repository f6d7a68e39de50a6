"""The layer: which limits hold for a request, and what a client gets when the time is up."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from middlewares.asgi import ASGIApp, Receive, Scope, Send
from middlewares.core.cross_origin import InnerPolicy
from middlewares.core.exchange import EXCHANGE, publish_scope
from middlewares.core.layer import Layer, freeze, is_innermost
from middlewares.core.options import check_types, matches
from middlewares.core.paths import compile_paths, path_problem, route_path
from middlewares.core.refusals import Refusal, refuse
from middlewares.errors import UNKNOWN, OptionErrors, Problem, did_you_mean

from .call import Limits, ResponseTimeout, TimedCall, new_call
from .watch import Watch

__all__ = ("Timeout",)

_LIMITS: Final = ("first_byte", "total", "idle")
_PerType = dict[str, Limits | None]
"""Limits by the type of the scope; none where nothing is limited."""
_DETAIL: Final = "The application did not answer in time."


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class Timeout(Layer):
    """Cancel an application that takes too long to answer.

    Before the response has begun, the client gets 504. One that has begun is cut off: the layer raises
    `ResponseTimeout`, upon which servers close the connection, so that a part never looks like the whole. The
    application is cancelled in either case, and waited for. Work that it does after its response is not limited.

    Order: inside logs and metrics, which then see the 504; outside whatever may keep a request waiting.
    Standard: RFC 9110, 15.6.5 (504); RFC 9112, 8 (incomplete messages).
    """

    publishes_scope: ClassVar[bool] = True

    app: ASGIApp = field(kw_only=False)
    first_byte: float = 30.0
    """Seconds until a response must have begun, or a WebSocket handshake been answered; 0: no limit."""
    total: float = 0.0
    """Seconds until a response must be complete; 0: no limit."""
    idle: float = 0.0
    """Seconds that may pass between two parts of a response; 0: no limit."""
    rules: Collection[Mapping[str, Any]] = ()
    """Other limits for some paths: tables with ``paths``, a list of path patterns, and any of ``first_byte``,
    ``total`` and ``idle``. The first rule that matches counts; what it leaves out is as for other paths."""
    limit_event_streams: bool = False
    """Whether ``total`` also holds for responses of the type ``text/event-stream``."""
    limit_websockets: bool = False
    """Whether ``total`` and ``idle`` also hold for WebSockets, where a part is a message of the application."""
    _limits: _PerType = field(init=False, repr=False)
    _rules: tuple[tuple[Callable[[str], object], _PerType], ...] = field(init=False, repr=False)
    _watch: Watch = field(init=False, repr=False)
    _inner: InnerPolicy = field(init=False, repr=False)
    _innermost: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        problems = OptionErrors(self)
        check_types(problems, self)
        problems.raise_if_any()
        given = {name: getattr(self, name) for name in _LIMITS}
        for name, value in given.items():
            _check_seconds(problems, name, value)
        for number, rule in enumerate(self.rules, 1):
            _check_rule(problems, f"rules[{number}]", rule)
        problems.raise_if_any()
        rules = tuple((compile_paths(rule["paths"]), self._per_type({**given, **rule})) for rule in self.rules)
        shortest = [value for table in (given, *self.rules) for name in _LIMITS if (value := table.get(name))]
        watch = Watch(min(shortest, default=1.0))
        freeze(self, _limits=self._per_type(given), _rules=rules, _watch=watch, _inner=InnerPolicy(self.app))
        freeze(self, _innermost=is_innermost(self.app))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind != "http" and kind != "websocket":
            return await self.app(scope, receive, send)
        if self._innermost and EXCHANGE in scope:
            publish_scope(scope)
        per_type = self._limits
        if self._rules:
            path = route_path(scope)
            per_type = next((found for matches_path, found in self._rules if matches_path(path)), per_type)
        limits = per_type[kind]
        if limits is None:
            return await self.app(scope, receive, send)
        call = new_call(limits, send, receive, self._watch)
        inner_receive = receive if kind == "http" else call.receive_noted
        try:
            await call.run(self.app, scope, inner_receive)
        except Exception:
            if call.expired is not None and not call.is_started:
                await self._answer(call, scope, receive, send)
            raise
        if call.expired is not None:
            await self._end(call, scope, receive, send)

    async def _end(self, call: TimedCall, scope: Scope, receive: Receive, send: Send) -> None:
        if not call.is_started:
            return await self._answer(call, scope, receive, send)
        # RFC 9112, 8: a client sees that a message is incomplete by the connection that closes before its end.
        raise ResponseTimeout(f"Timeout: the response was not complete in time ({call.expired})")

    async def _answer(self, call: TimedCall, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = Refusal(status=504, code=f"timeout.{call.expired}", detail=_DETAIL, close_code=1013)
        if scope["type"] == "websocket":
            receive = call.receive_connect
        await refuse(scope, receive, send, refusal, inner=self._inner)

    def _per_type(self, given: Mapping[str, Any]) -> _PerType:
        first_byte, total, idle = (float(given[name]) for name in _LIMITS)
        spares = not self.limit_event_streams
        after = (total, idle) if self.limit_websockets else (0.0, 0.0)
        return {
            "http": Limits(first_byte, total, idle, spares) if first_byte or total or idle else None,
            "websocket": Limits(first_byte, *after, spares) if first_byte or any(after) else None,
        }


def _check_seconds(problems: OptionErrors, option: str, value: float) -> None:
    # NaN compares false with everything, and infinity is written as 0.
    problems.check(0 <= value < float("inf"), option, "must be a number of seconds, or 0 for no limit", value)


def _check_rule(problems: OptionErrors, where: str, rule: Mapping[str, Any]) -> None:
    known = ("paths", *_LIMITS)
    for name in rule.keys() - {*known}:
        problems.found.append(Problem(f"{where}.{name}", UNKNOWN, hint=did_you_mean(str(name), known)))
    paths = rule.get("paths", ())
    has_paths = matches(paths, Collection[str]) and len(paths) > 0
    if problems.check(has_paths, f"{where}.paths", "must be a list of path patterns", paths):
        for pattern in paths:
            wrong = path_problem(pattern)
            problems.check(wrong is None, f"{where}.paths", wrong or "", pattern)
    for name in rule.keys() & {*_LIMITS}:
        seconds = rule[name]
        if problems.check(matches(seconds, float), f"{where}.{name}", "must be a number", seconds):
            _check_seconds(problems, f"{where}.{name}", seconds)
