"""What passes between two layers: recorded, compared with how it looked, and checked against the rules of ASGI."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import middlewares.testing
from middlewares.asgi import Message, Scope

from .freezing import FREE, HANDED_BACK, freeze_scope, picture

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Receive, Send

__all__ = ("Tap", "Traffic", "header", "lint_findings", "with_lint")

_BODILESS = frozenset({204, 304})
_ECHOES = ("G18", "H9", "H24")
"""Rules that a layer seems to break when it hands on the awkward input of a strict lint: one-shot, in mixed case."""


@dataclass(eq=False)
class Traffic:
    """All that passed one place in one call: events on their way in, messages on their way out."""

    place: str
    scope: Scope | None = None
    """``None`` as long as nobody called."""
    events: list[Message] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    error: BaseException | None = None
    changed: list[str] = field(default_factory=list)
    """What was changed by whoever it was handed to."""

    @property
    def start(self) -> Message | None:
        """The start of the response, if one passed."""
        return next((m for m in self.messages if m["type"] == "http.response.start"), None)

    @property
    def body(self) -> bytes:
        """The body that passed, in whatever coding it is."""
        return b"".join(bytes(m.get("body", b"")) for m in self.messages if m["type"] == "http.response.body")

    @property
    def is_complete(self) -> bool:
        """Whether the response passed to its end."""
        return _Response(self).is_complete

    def complaints(self) -> Iterator[str]:
        """Say what was changed, and which rules of ASGI the messages break."""
        for what in (*self.changed, *(_Response(self).faults if self._is_http else ())):
            yield f"{self.place}: {what}"

    @property
    def _is_http(self) -> bool:
        return self.scope is not None and self.scope["type"] == "http"


class Tap:
    """Stand between two layers, record what passes, and see that nobody changes what it was handed."""

    def __init__(
        self,
        app: ASGIApp,
        traffic: Traffic,
        *,
        frozen: bool = False,
        listener: Callable[[Message], None] | None = None,
    ) -> None:
        """``frozen``: hand on a scope that raises when it is changed; ``listener``: told of every message."""
        self.app = app
        self.traffic = traffic
        self.frozen = frozen
        self.listener = listener

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        traffic = self.traffic
        if traffic.scope is not None:
            traffic.changed.append("was called twice")
        traffic.scope = scope
        handed: list[tuple[str, Any, Any]] = []
        inner = freeze_scope(scope) if self.frozen else scope
        before = _scope_picture(inner, inner)

        async def receive_recorded() -> Message:
            event = await receive()
            handed.append(("event", event, picture(event)))
            traffic.events.append(event)
            return event

        async def send_recorded(message: Message) -> None:
            message = _seen(message, traffic)
            handed.append(("message", message, picture(message)))
            if self.listener is not None:
                self.listener(traffic.messages[-1])
            await send(message)

        try:
            await self.app(inner, receive_recorded, send_recorded)
        except BaseException as error:
            traffic.error = error
            raise
        finally:
            if _scope_picture(inner, before) != before:
                traffic.changed.append(f"the scope was changed from {before} to {_scope_picture(inner, before)}")
            for kind, value, looked in handed:
                if picture(value) != looked:
                    traffic.changed.append(f"a {kind} was changed from {looked} to {picture(value)}")
            if self.frozen:
                for key in HANDED_BACK & (inner.keys() - scope.keys()):
                    scope[key] = inner[key]


def with_lint(app: ASGIApp, place: str, linted: list[Any], *, strict: bool) -> ASGIApp:
    """Put the lint of `middlewares.testing` at a place of a stack: the one spot where this suite does so.

    ``linted`` collects the lints, for `lint_findings`. Until that lint exists, the rules of
    `Traffic.complaints` stand alone.
    """
    lint = getattr(middlewares.testing, "Lint", None)
    if lint is None:
        return app
    linted.append(lint(app, name=place, mode="collect", strict=strict, ignore=_ECHOES))
    checked: ASGIApp = linted[-1]
    return checked


def lint_findings(linted: list[Any]) -> Iterator[str]:
    """Say what the lints have found, but for what generated applications get wrong on purpose."""
    for lint in linted:
        yield from (str(finding) for finding in lint.findings if finding.party != "app")


def header(message: Message | None, name: bytes) -> list[bytes]:
    """Return the values of a header of a recorded start."""
    pairs = (message or {}).get("headers", ())
    return [bytes(value) for key, value in pairs if bytes(key).lower() == name]


def _seen(message: Message, traffic: Traffic) -> Message:
    """Record a message, and return it with headers that are as one-shot as they came."""
    headers = message.get("headers")
    if isinstance(headers, Iterator):
        pairs = list(headers)
        traffic.messages.append({**message, "headers": pairs})
        return {**message, "headers": iter(pairs)}
    traffic.messages.append(message)
    return message


def _scope_picture(scope: Scope, before: Any) -> dict[str, Any]:
    """Leave out what inner code may write: additions for outer layers, its state, and its session."""
    free = {key for key in HANDED_BACK if key not in before} | FREE
    return {key: picture(value) for key, value in scope.items() if key not in free}


class _Response:
    """The messages of one HTTP response, held against the rules of their order and shape."""

    def __init__(self, traffic: Traffic) -> None:
        self.faults: list[str] = []
        self.is_complete = False
        self._scope = traffic.scope or {}
        self._start: Message | None = None
        self._length = 0
        self._has_files = False
        steps = {
            "start": self._begin,
            "body": self._body,
            "zerocopysend": self._zerocopysend,
            "pathsend": self._pathsend,
            "trailers": self._trailers,
            "early_hint": self._early_hint,
        }
        for message in traffic.messages:
            if step := steps.get(message["type"].removeprefix("http.response.")):
                step(message)

    def _begin(self, message: Message) -> None:
        if self._start is not None:
            self.faults.append("a second start")
        self._start = message
        if type(message.get("status")) is not int:
            self.faults.append(f"a status that is no int: {message.get('status')!r}")
        names = [name.lower() for name, _ in self._pairs(message)]
        if names.count(b"content-length") > 1:
            self.faults.append("two content-lengths")

    def _body(self, message: Message) -> None:
        self._must_be_open(message)
        body = message.get("body", b"")
        if not isinstance(body, bytes | bytearray | memoryview):
            self.faults.append(f"a body that is no bytes: {type(body).__name__}")
            return
        self._length += len(bytes(body))
        if type(message.get("more_body", False)) is not bool:
            self.faults.append(f"a more_body that is no bool: {message['more_body']!r}")
        if not message.get("more_body", False):
            self._end_body()

    def _zerocopysend(self, message: Message) -> None:
        self._must_be_open(message)
        self._has_files = True
        if not message.get("more_body", False):
            self._end_body()

    def _pathsend(self, message: Message) -> None:
        self._must_be_open(message)
        self._has_files = True
        self._end_body()

    def _trailers(self, message: Message) -> None:
        self._pairs(message)
        if self._start is None or not self._start.get("trailers"):
            self.faults.append("trailers that were not announced")
        self.is_complete = not message.get("more_trailers", False)

    def _early_hint(self, message: Message) -> None:
        if self._start is not None:
            self.faults.append("an early hint after the start")

    def _must_be_open(self, message: Message) -> None:
        if self._start is None:
            self.faults.append(f"{message['type']} before the start")
        if self.is_complete:
            self.faults.append(f"{message['type']} after the end")

    def _end_body(self) -> None:
        start = self._start or {}
        self.is_complete = not start.get("trailers")
        announced = header(start, b"content-length")
        is_bodiless = self._scope.get("method") == "HEAD" or start.get("status") in _BODILESS or self._has_files
        if announced and not is_bodiless and int(announced[0]) != self._length:
            self.faults.append(f"{self._length} bytes where content-length says {announced[0]!r}")

    def _pairs(self, message: Message) -> list[tuple[bytes, bytes]]:
        pairs = [(name, value) for name, value in message.get("headers", ())]
        for name, value in pairs:
            if type(name) is not bytes or type(value) is not bytes:
                self.faults.append(f"a header that is no bytes: {name!r}: {value!r}")
            elif set(b"\r\n\0") & {*name, *value}:
                self.faults.append(f"a header with a line end: {name!r}: {value!r}")
        return pairs
