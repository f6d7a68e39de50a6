"""One composition: layers around an application, met by a client; run once, and held against what must always be."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any

from middlewares.testing import ClientDisconnected, Driver

from .applications import APPLICATIONS
from .calls import Call
from .clients import NORMAL, Client, Interrupted, converse
from .entries import ENTRIES
from .requests import HTTP, LIFESPAN, WEBSOCKET
from .subject import Seen
from .traffic import Tap, Traffic, header, lint_findings, with_lint
from .view import View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send

__all__ = ("REQUESTS", "Case", "Violation", "check", "smallest", "violations")

_HANDSHAKES = ("websocket.accept", "websocket.close", "websocket.http.response.start")

REQUESTS = HTTP | WEBSOCKET | LIFESPAN


class Violation(AssertionError):
    """A composition in which something does not hold; the message is all it takes to run it again."""


@dataclass(frozen=True)
class Case:
    """Everything that a run depends on."""

    layers: tuple[str, ...]
    """Names of entries, the outermost first."""
    app: str
    request: str = "browser"
    style: str = "plain"
    client: Client = NORMAL
    frozen: bool = False
    """Whether each layer is handed a scope that raises when it is changed."""
    strict: bool = False
    """Whether the lint feeds awkward input, legal all the same, to the outermost layer and around the application."""
    seed: int = 0


async def check(case: Case) -> Run:
    """Run a case; raise `Violation` if anything does not hold."""
    run = Run(case)
    try:
        await run.run()
    except Exception as error:
        raise Violation(f"await check({case!r})\n  the call did not end: {error!r}") from error
    found = [*run.violations, *run.judge(await _bare(case))]
    if found:
        raise Violation("\n  ".join((f"await check({case!r})", *found)))
    return run


async def violations(case: Case) -> str | None:
    """Return what does not hold in the smallest case like this one, or ``None``."""
    try:
        await check(case)
    except Violation as violation:
        return str(await smallest(case, violation))
    return None


async def smallest(case: Case, violation: Violation) -> Violation:
    """Return the violation of a case that nothing can be taken from."""
    for simpler in _simpler(case):
        try:
            await check(simpler)
        except Violation as smaller:
            return await smallest(simpler, smaller)
    return violation


def _simpler(case: Case) -> Iterator[Case]:
    for index in range(len(case.layers)):
        yield replace(case, layers=case.layers[:index] + case.layers[index + 1 :])
    plain: dict[str, Any] = {"style": "plain", "client": NORMAL, "frozen": False, "strict": False, "seed": 0}
    yield from (replace(case, **{name: value}) for name, value in plain.items() if getattr(case, name) != value)
    if case.client.at > 1:
        yield replace(case, client=replace(case.client, at=case.client.at - 1))


class Run:
    """One run of a case, with all that passed between its layers."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.request = REQUESTS[case.request]
        self.view = View(self.request.method)
        self.subjects = [ENTRIES[name]() for name in case.layers]
        self.traffic = [Traffic(f"outside {name}") for name in case.layers] + [Traffic("outside the application")]
        self.violations: list[str] = []
        self.error: Exception | None = None
        self.steps = 0
        """How often the call waited, if it was to be cancelled."""
        self._linted: list[Any] = []
        self._is_stuck = False
        self._timed_out = False
        self._application: Call | None = None

    async def run(self) -> None:
        """Make the call and keep what came of it."""
        client = self.case.client
        app = Interrupted(self._build(), client.at if client.kind == "cancelled" else 0)
        before = asyncio.all_tasks()
        self._driver = Driver(
            app if client.kind == "cancelled" else app.app,
            self.request.scope(),
            hold_sends=client.holds_sends and self.request.type != "lifespan",
            fail_sends=client.fails,
        )
        async with self._driver as call:
            await converse(call, self.request, client, lambda: self._is_stuck)
            self.error = call.exception
        self.steps = app.steps
        if left := asyncio.all_tasks() - before:
            self.violations.append(f"tasks were left behind: {left}")

    def _build(self) -> ASGIApp:
        app: ASGIApp = self._around(self._answer, -1)
        for index in reversed(range(len(self.subjects))):
            app = self._around(self.subjects[index].record()(app), index)
        return app

    def _around(self, app: ASGIApp, index: int) -> ASGIApp:
        traffic = self.traffic[index]
        is_strict, is_frozen = self.case.strict and index in (0, -1), self.case.frozen

        def linted(app: ASGIApp) -> ASGIApp:
            # The lint reads headers that can be read once, and nobody outside would meet them.
            is_bare = is_frozen and self.case.style == "generator"
            return app if is_bare else with_lint(app, traffic.place, self._linted, strict=is_strict)

        def tapped(app: ASGIApp) -> ASGIApp:
            return Tap(app, traffic, frozen=is_frozen, listener=self._show if traffic is self.traffic[0] else None)

        # The lint hands on a copy, which can be changed: so what freezes the scope of a layer comes after it.
        return linted(tapped(app)) if is_frozen and index >= 0 else tapped(linted(app))

    def _show(self, message: Message) -> None:
        if self._driver.connected:
            self.view.take(message)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and "session" in scope:
            scope["session"]["visits"] = scope["session"].get("visits", 0) + 1
        random = Random(f"{self.case.seed} {self.case.app}")  # noqa: S311 - to be repeated
        call = Call(scope, receive, send, self.case.app, self.case.style, random, self._ring, self._watch)
        self._application = call
        await APPLICATIONS[self.case.app](call)

    def _ring(self) -> None:
        self._timed_out = any(subject.ring() for subject in reversed(self.subjects))
        self._is_stuck = not self._timed_out
        is_due = self.traffic[-1].start is None and any(subject.times_out(self.request) for subject in self.subjects)
        if is_due and not self._timed_out:
            self.violations.append("the time is up, and no layer was waiting for that")

    def _watch(self, kind: str, said: bytes) -> None:
        """See, between two messages of the application, that what it sent has left."""
        if not self.case.client.stays or self.request.type != "http":
            return
        if kind == "start" and self.view.status is None:
            self.violations.append("the start is held back")
        elif kind in ("body", "end") and self.view.has_body and self.view.body != said:
            self.violations.append(f"the client has {len(self.view.body)} of {len(said)} bytes that were sent")
        elif kind == "end" and self.traffic[-1].is_complete and not self.view.is_complete:
            self.violations.append("the end is held back")

    # -- what must always be

    def judge(self, bare: Outcome) -> Iterator[str]:
        """Say what does not hold; ``bare`` is what the application does without layers for a client that stays."""
        yield from (complaint for traffic in self.traffic for complaint in traffic.complaints())
        yield from lint_findings(self._linted)
        if self.view.starts > 1:
            yield "the client got two starts"
        if self.view.is_complete and not self.view.is_decoded:
            yield "the body has an end that its coding does not have"
        yield from self._duties()
        yield from self._exceptions()
        yield from self._readable()
        answered = self._answered
        if self._timed_out and bare.status is None:
            answered = 504
        elif answered is None and self._failure_is_answered(bare):
            answered = 500
        elif answered is not None and self._application is not None:
            yield f"the application was called, where a layer answers {answered}"
        if answered is None:
            yield from self._same_as(bare)
        elif self.case.client.stays and self._status != answered:
            yield f"the status is {self._status}, not {answered}"

    def _failure_is_answered(self, bare: Outcome) -> bool:
        """Whether a layer answers for an application that raises before it has answered anything."""
        if bare.status is not None or self.traffic[-1].error is None:
            return False
        if any(subject.answers_failure(self.request) for subject in self.subjects):
            return not any(message["type"] in _HANDSHAKES for message in self.traffic[-1].messages)
        return True in self._shown

    @property
    def _answered(self) -> int | None:
        """The status with which a layer answers by itself: a preflight meets none but the first that answers such."""
        answers = [subject.preflight(self.request) for subject in self.subjects]
        answers += [subject.answers(self.request) for subject in self.subjects]
        return next((status for status in answers if status is not None), None)

    @property
    def _shown(self) -> set[bool | None]:
        """What layers say to whether the page may read the response."""
        return {subject.shows(self.request) for subject in self.subjects}

    def _readable(self) -> Iterator[str]:
        """Refusals too, and answers to exceptions, wherever the layer stands that makes them."""
        # A policy further in wins, so what one shows another may withhold.
        if True in self._shown and False not in self._shown and self.view.status is not None:
            origin = (self.request.header("origin") or "").encode()
            if self.view.values(b"access-control-allow-origin") not in ([b"*"], [origin]):
                yield f"the page cannot read the {self.view.status}"

    def _duties(self) -> Iterator[str]:
        for index, subject in enumerate(self.subjects):
            outside, inside = self.traffic[index : index + 2]
            if outside.scope is None:
                continue
            try:
                subject.check(Seen(self.request, outside, inside, self.view, self.case.client.stays))
            except Exception as error:  # noqa: BLE001 - a duty that cannot be judged has not been done
                yield f"{self.case.layers[index]} [{index}]: {error!r}"

    def _exceptions(self) -> Iterator[str]:
        raised = self.traffic[-1].error
        was_cancelled = self.case.client.kind == "cancelled" and self.steps >= self.case.client.at
        # A layer may have to wait before it hands an exception on, for a start that is on its way; who is cancelled
        # there ends as cancelled.
        is_replaced = was_cancelled and self._driver.cancelled
        is_kept = self.error is None and any(subject.keeps_failure(self.request) for subject in self.subjects)
        if isinstance(raised, Exception) and self.error is not raised and not is_replaced and not is_kept:
            yield f"the application raised {raised!r}, and {self.error!r} arrived"
        # What sending raises goes through a layer that answers by itself as through an application.
        has_gone = self.case.client.fails and isinstance(self.error, ClientDisconnected)
        if self.error is not None and raised is None and not has_gone:
            yield f"a layer raised {self.error!r}"
        if was_cancelled and not self._driver.cancelled:
            yield "the cancellation was swallowed"

    def _same_as(self, bare: Outcome) -> Iterator[str]:
        if not self.case.client.stays:
            if self.view.status not in (None, bare.status):
                yield f"the status is {self.view.status}, not {bare.status}"
            if not bare.body.startswith(self.view.body):
                yield "the body is not a part of the application's"
            if self.view.is_complete and not self.traffic[-1].is_complete:
                yield "a response that was cut short looks complete"
            return
        if self.view.status is None and self._start_was_dropped:
            return
        for name in ("status", "body", "others", "is_complete"):
            found, wanted = getattr(self.view, name), getattr(bare, name)
            if found != wanted:
                yield f"{name} of the response: {found!r}, not {wanted!r}"
        for field in (b"x-app", b"set-cookie", b"content-type"):
            kept = [value for value in self.view.values(field) if field != b"set-cookie" or b"session" not in value]
            if kept != header({"headers": bare.headers}, field):
                yield f"{field!r} of the response: {kept}"

    @property
    def _start_was_dropped(self) -> bool:
        """Whether the application failed before its body, while a layer waited for that: an outer layer may answer."""
        traffic = self.traffic[-1]
        if traffic.error is None or traffic.body or traffic.start is None:
            return False
        return any(subject.drops(self.request, traffic.start) for subject in self.subjects)

    @property
    def _status(self) -> int | None:
        """The status of an answer; a WebSocket that is closed or denied tells it too."""
        for message in self.view.others:
            if message["type"] == "websocket.http.response.start":
                return int(message["status"])
            if message["type"] == "websocket.close":
                return next(filter(None, (subject.answers(self.request) for subject in self.subjects)), 500)
        return self.view.status


@dataclass(frozen=True)
class Outcome:
    """What the bare application answers."""

    status: int | None
    headers: list[tuple[bytes, bytes]]
    body: bytes
    others: list[Any]
    is_complete: bool


_BARE: dict[Case, Outcome] = {}


async def _bare(case: Case) -> Outcome:
    """Return what the application does alone, for a client that stays."""
    case = replace(case, layers=(), client=NORMAL, frozen=False, strict=False)
    if case not in _BARE:
        run = Run(case)
        await run.run()
        view = run.view
        _BARE[case] = Outcome(view.status, view.headers, view.body, view.others, view.is_complete)
    return _BARE[case]
