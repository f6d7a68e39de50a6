"""One call seen from both sides: what passes between what stands outside a lint and what stands inside."""

from __future__ import annotations

from asyncio import current_task
from collections import deque
from collections.abc import Iterator
from inspect import isawaitable
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

import anyio

from middlewares.core.exchange import hand_back

from .findings import LintError
from .http_events import EXTENSION_OF, event_faults
from .registry import finds
from .strict import OneShot
from .values import freeze, shown

if TYPE_CHECKING:
    from middlewares.asgi import Message, Receive, Scope, Send

    from .findings import Level
    from .layer import Lint
    from .machines import Machine

__all__ = ("KEY", "Face")

KEY = "middlewares.testing.lint"
"""The scope key under which each lint tells the next one inside of itself."""

OUTER, INNER = "outer", "inner"
_HISTORY = 40
# What an application may rebind in the scope that it was given: routers do, and nobody outside relies on it.
_ROUTING = {"path", "raw_path", "root_path", "path_params", "endpoint"}
_REQUIRED = {"http.response.start": ("status", int), "websocket.http.response.start": ("status", int)}
_TYPED: dict[str, Any] = {"body": (bytes, bytearray, memoryview), "text": (str, type(None)), "code": int, "status": int}
_KEYS = {"type", "status", "headers", "body", "more_body", "trailers", "text", "bytes", "code", "reason", "subprotocol"}
"""The keys of events that every server knows."""


class Face:
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
    outer: Face | None = None
    inners: tuple[Face, ...] = ()
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
    sent_state = "idle"
    received_state = "new"
    receiving = 0
    delivered = 0
    lead: int | None = None
    """By how many events the next lint outside was ahead when a `receive` was cancelled here."""
    last_received: tuple[Message, Message] | None = None
    last_sent: tuple[Message, Message, tuple[Any, ...] | None] | None = None
    scope_headers: tuple[Any, ...] | None = None
    carried: tuple[str, ...] = ()
    """Events of extensions, and of unknown types, that were sent."""
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
        self.history: deque[tuple[str, Any, Any]] = deque(maxlen=_HISTORY)
        outer = scope.get(KEY)
        if isinstance(outer, Face) and outer.outcome == "runs":
            self.outer = outer
            outer.inners += (self,)
            self.shares_scope = scope is outer.handed
            self.given = {**scope}
        self.before: Scope = {**scope, KEY: self}
        headers = scope.get("headers")
        if type(headers) is not list and isinstance(headers, Iterator):
            self._materialise(headers)
        self.handed: Scope = self.before

    @finds("G18")
    def _materialise(self, headers: Iterator[Any]) -> None:
        self.report("G18", OUTER, "the headers of the scope can be read only once", "warning")
        self.before["headers"] = [*headers]
        self.readable = self.before

    # -- reporting

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

    def events(self) -> tuple[str, ...]:
        """Return what has passed, in words."""
        return tuple(
            f"{who} {shown(kind)[1:-1]}{'' if note is None else f' {note}'}" for who, kind, note in self.history
        )

    # -- the scope

    @finds("G14")
    def check_outer_scope(self) -> None:
        """Compare the scope that was handed in with that which the next lint outside handed on."""
        if self.shares_scope and self.outer is not None and self.scope != self.outer.before:
            changed = _changed(self.scope, self.outer.before)
            if changed:
                self.report("G14", OUTER, f"the scope was changed in place: {_listed(changed)}")
            self.outer.before = {**self.scope}

    def hand_on(self, scope: Scope) -> None:
        """Hand a scope inward, and keep what it holds now, to see later whether it was changed in place."""
        self.before = scope
        self.handed = {**scope}
        headers = scope.get("headers")
        if type(headers) is list:
            self.scope_headers = freeze(headers)

    @finds("G14", "G15")
    def check_scopes(self) -> None:
        """At the end of the call, look whether a scope has been changed by who must not."""
        if self.handed != self.before:
            self._check_handed()
        if self.given is not None and self.scope != self.given and (changed := _changed(self.scope, self.given)):
            self.report("G15", OUTER, f"the scope was changed after the call: {_listed(changed)}")
        if self.scope_headers is not None and freeze(self.before["headers"]) != self.scope_headers:
            self.report("G14", INNER, "the header list of the scope was changed in place")

    @finds("G14")
    def _check_handed(self) -> None:
        changed = _changed(self.handed, self.before) & {*self.before}  # keys that were added take nothing away
        if not self.inners or any(face.shares_scope for face in self.inners):
            changed -= _ROUTING  # the application may have written it
        if changed:
            self.report("G14", INNER, f"the scope was changed in place: {_listed(changed)}")

    # -- what the inner side sends

    async def send(self, message: Message) -> None:
        """Check an event of the inner side, hand it on, and check what comes of it."""
        message = self.check_sent(message)
        is_invalid, self.invalid = self.invalid, False
        sending: Any = None
        try:
            sending = self.send_outer(message)
            result = await sending
        except BaseException as error:
            self.check_refusal(message, error, sending, is_invalid=is_invalid)
            raise
        if result is not None:
            self._check_result(result)
        last = self.last_sent
        if last is not None and last[0] is message and not _stands(last):
            self._changed_outside(message)
        if is_invalid:
            self.report_lenience(message)

    @finds("G18")
    def _changed_outside(self, message: Message) -> None:
        self.report("G18", OUTER, f"{message.get('type')} was changed by who received it")
        self.last_sent = None

    @finds("G16")
    def _check_result(self, result: object) -> None:
        self.report("G16", OUTER, f"send gave {shown(result)}")

    @finds("G7")
    def report_lenience(self, message: Any) -> None:
        """Report a `send` that let an event through that it must refuse."""
        kind = message.get("type") if isinstance(message, dict) else message
        self.report("G7", OUTER, f"send took {shown(kind)}, which is no valid event")

    def check_sent(self, message: Message) -> Message:
        """Check an event before it is handed on, and return it; with headers that can be read again."""
        if type(message) is not dict or type(message.get("type")) is not str:
            self.history.append(("app sends", shown(message), None))
            self._report_shape(message, INNER)
            self.invalid = True
            return message
        kind = message["type"]
        self.history.append(("app sends", kind, message.get("status")))
        if self.last_sent is not None:
            self._check_last(message)
        if self.outcome != "runs":
            self._report_late(kind)
            return message
        headers = message.get("headers")
        if headers is not None and type(headers) is not list and isinstance(headers, Iterator):
            if not isinstance(headers, OneShot):
                self.report("G18", INNER, f"the headers of {kind} can be read only once", "warning")
            headers = [*headers]
            message = {**message, "headers": headers}
        # What it says now is kept, to see later whether somebody has changed it.
        frozen = freeze(headers) if type(headers) is list else None
        self.last_sent = message, {**message}, frozen
        self.sent_anything = True
        self.follow_sent(message, kind)
        return message

    @finds("G18")
    def _report_late(self, kind: str) -> None:
        self.report("G18", INNER, f"{kind} was sent after the call had returned")

    @finds("G18")
    def _check_last(self, message: Message | None) -> None:
        """Check that the event sent before is neither used again nor changed since."""
        last, self.last_sent = self.last_sent, None
        if last is None:
            return
        if last[0] is message:
            self.report("G18", INNER, f"the dict of {last[1]['type']} was used again")
        elif not _stands(last):
            self.report("G18", INNER, f"{last[1]['type']} was changed after it was sent")

    def follow_sent(self, message: Message, kind: str) -> None:
        """Check the content of an event and its place in the order."""
        machine = self.sent_machine
        if machine is None or kind not in machine.kinds:
            self._check_unknown(message, kind)
            return
        self.check_content(message)
        event = (
            kind
            if message.get("more_body" if "body" in kind or "zero" in kind else "more_trailers")
            else self._last(kind)
        )
        self.move_sent(message, event)

    def check_content(self, message: Message) -> None:
        """Run the checks of an event that is sent."""
        for rule, fault in event_faults(message, self.scope, "send"):
            self.report(rule, INNER, fault)
        if not self._is_encodable(message):
            self.invalid = True
        if message["type"] in EXTENSION_OF:
            self.carried += (message["type"],)

    def _is_encodable(self, message: Message) -> bool:
        """Return whether a server can do anything with an event: rule G7."""
        name, kind = _REQUIRED.get(message["type"], ("type", str))
        return isinstance(message.get(name), kind) and all(
            isinstance(message[key], kinds) for key, kinds in _TYPED.items() if key in message
        )

    def move_sent(self, message: Message, event: str) -> None:
        """Follow the machine of sent events."""
        machine = self.sent_machine
        assert machine is not None  # noqa: S101 - the caller has looked
        state = machine.moves.get(self.sent_state, {}).get(event)
        if state is not None:
            self.sent_state = state
        elif self.received_state != "gone":
            self.misplaced = True
            rule, complaint = machine.misplaced.get(self.sent_state, {}).get(event, machine.other)
            self.report(rule, INNER, complaint)

    def _last(self, kind: str) -> str:
        machine = self.sent_machine
        last = f"{kind}!"
        return last if machine is not None and any(last in row for row in machine.moves.values()) else kind

    @finds("G5", "G6")
    def _check_unknown(self, message: Message, kind: str) -> None:
        self.carried += (kind,)
        if not kind.startswith(f"{self.kind}.") and self.sent_machine is not None:
            self.report("G5", INNER, f"{shown(kind)} is no event of {self.kind}")
            self.invalid = True

    @finds("G5")
    def _report_shape(self, message: object, side: str) -> None:
        self.report("G5", side, f"an event must be a dict with a type; got {shown(message)}")

    @finds("G9", "G10", "G16", "G20", "W14", "H33")
    def check_refusal(self, message: Message, error: BaseException, sending: Any, *, is_invalid: bool) -> None:
        """Look whether `send` had a right to raise."""
        if not isinstance(error, Exception) or isinstance(error, LintError):
            return
        is_echo = self.outer is not None and self.outer.refused == id(error)
        self.refused = id(error)
        if is_invalid or is_echo:
            return
        if sending is not None and not isawaitable(sending):
            return self.report("G16", OUTER, f"send returned {shown(sending)}, which cannot be awaited")
        if sending is None and isinstance(error, TypeError) and "await" in str(error):
            return self.report("G16", OUTER, "send returned None instead of an awaitable")
        if isinstance(error, OSError) or self.has_provoked:
            return
        kind = message["type"]
        raised = f"send raised {shown(error)}"
        if any(str(key) in str(error) for key in message if key not in _KEYS):
            self.report("G9" if kind not in EXTENSION_OF else "G20", OUTER, f"{raised} for {sorted(message)}")
        elif kind in self.carried:
            self.report("G20", OUTER, f"{raised} for {kind}")
        else:
            self.report(self.refusal_rule(), OUTER, raised)

    def refusal_rule(self) -> str:
        """Return the rule that is broken by an exception of `send` other than OSError."""
        return "G10"

    # -- what the outer side hands in

    async def receive(self) -> Message:
        """Ask the outer side for an event, and check it."""
        if self.receiving:
            self._report_concurrent()
        lead = 0 if self.outer is None else self.outer.delivered - self.delivered
        self.receiving += 1
        try:
            message = await (self._receive_in_time() if self.is_over() else self._receive())
        except BaseException as error:
            if not isinstance(error, Exception) and self.lead is None:
                self.lead = lead
            raise
        finally:
            self.receiving -= 1
        self.delivered += 1
        self.check_received(message)
        if self.lead is not None:
            self._check_loss()
        return message

    @finds("G16")
    async def _receive(self) -> Message:
        receiving: Any = self.receive_outer()
        if not isawaitable(receiving):
            self.report("G16", OUTER, f"receive returned {shown(receiving)}, which cannot be awaited")
        message: Message = await receiving
        return message

    @finds("G22", "H19", "W16")
    async def _receive_in_time(self) -> Message:
        """Ask for an event where it can only be the end; who waits longer than the deadline hangs for ever."""
        with anyio.move_on_after(self.lint.deadline):
            return await self._receive()
        rule = self.hang_rule if self.outer is None else "G22"
        self.report(rule, OUTER, f"receive gave nothing within {self.lint.deadline:g} s after the end")
        return self.farewell()

    def farewell(self) -> Message:
        """Return the event that the server should have given."""
        return {"type": f"{self.kind}.disconnect"}

    def is_over(self) -> bool:
        """Return whether nothing but a disconnect can come."""
        return self.received_state == "gone"

    @finds("G22")
    def _report_concurrent(self) -> None:
        self.report("G22", INNER, "a second receive was called while one waits")

    @finds("G22")
    def _check_loss(self) -> None:
        lead, self.lead = self.lead, None
        if self.outer is not None and lead is not None and self.outer.delivered - self.delivered > lead:
            self.report("G22", OUTER, "a cancelled receive has lost an event")

    def check_received(self, message: Message) -> None:
        """Check an event that is handed in."""
        if type(message) is not dict or type(message.get("type")) is not str:
            self.history.append(("server gives", shown(message), None))
            return self._report_shape(message, OUTER)
        kind = message["type"]
        self.history.append(("server gives", kind, None))
        self._check_reuse(message)
        machine = self.received_machine
        if machine is None:
            return
        if kind not in machine.kinds:
            self.unknown_received = True
            self._report_unknown(machine, kind)
            return
        for rule, fault in event_faults(message, self.scope, "receive"):
            self.report(rule, OUTER, fault)
        event = kind if kind != "http.request" or message.get("more_body") else "http.request!"
        self.move_received(machine, event)

    @finds("G5", "H16")
    def _report_unknown(self, machine: Machine, kind: str) -> None:
        rule = machine.other[0] if self.kind == "http" and kind.startswith("http.") else "G5"
        self.report(rule, OUTER, f"{shown(kind)} is no event that {self.kind} receives")

    @finds("G18")
    def _check_reuse(self, message: Message) -> None:
        if self.last_received is not None and self.last_received[0] is message:
            self.report("G18", OUTER, f"the dict of {message['type']} was used again")
        outer = self.outer.last_received if self.outer is not None else None
        if outer is not None and outer[0] is message and outer[1] != message:
            self.report("G18", OUTER, f"{message['type']} was changed on its way")
        self.last_received = message, {**message}

    def move_received(self, machine: Machine, event: str) -> None:
        """Follow the machine of received events."""
        state = machine.moves[self.received_state].get(event)
        if state is not None:
            self.received_state = state
        else:
            rule, complaint = machine.misplaced.get(self.received_state, {}).get(event, machine.other)
            self.report(rule, OUTER, complaint)

    # -- the end of the call

    @finds("G3", "G4", "G8", "H36")
    def returned(self, result: object) -> None:
        """Check the end of a call that returned."""
        if result is not None:
            self.report("G4", INNER, f"the call gave {shown(result)}")
        if self.unknown_received:
            self.report("G8", INNER, "the application did not raise on an event that its protocol does not have")
        if _is_cancelled():
            self.report("H36", INNER, "a cancellation was swallowed")
        elif self.inners and any(face.outcome == "raised" and face.begun_outside for face in self.inners):
            self.report("H36", INNER, "the inner application raised after the start, and the layer returned")
        self.check_return()

    def check_return(self) -> None:
        """Check the state in which the call returned."""

    @finds("G9")
    def raised(self, error: BaseException) -> None:
        """Check the end of a call that raised."""
        extra = [key for key in self.extra_keys if isinstance(error, Exception) and key in str(error)]
        if extra:
            self.report("G9", INNER, f"the application raised {shown(error)} over the key {extra[0]!r}")

    @finds("G18", "G20")
    def left(self, outcome: str) -> None:
        """Check what holds however the call ended."""
        if self.inners and any(face.outcome == "runs" for face in self.inners):
            self.report("G18", INNER, "the layer returned before its inner call did")
        self._check_last(None)
        self.check_scopes()
        if outcome == "returned" and len(self.inners) == 1:
            self._check_carried(self.inners[0])

    def _check_carried(self, inner: Face) -> None:
        missing = [kind for kind in inner.carried if kind not in self.carried and "send" not in kind]
        if missing and self.may_miss(inner):
            self.report("G20", INNER, f"{missing[0]} was sent inside, and never came out")
        elif not missing and [k for k in self.carried if k in inner.carried] != [*inner.carried]:
            self.report("G20", INNER, f"events came out in another order: {', '.join(self.carried)}")

    def may_miss(self, inner: Face) -> bool:
        """Return whether the response that came out is that of the inner call."""
        return True

    def close(self, outcome: str) -> None:
        """Forget what the call held, so that it leaves no cyclic garbage."""
        self.outcome = outcome
        if self.outer is not None:
            self.begun_outside = self.outer.has_begun()
        if len(self.handed) > len(self.before):
            hand_back(self.handed, self.scope)
        if self.inners:
            for face in self.inners:
                face.faults = {} if face.faults is None else face.faults
            self.past_faults = tuple(face.faults for face in self.inners if face.faults is not None)
            self.inners = ()
        self.last_received = self.last_sent = None
        self.scope = self.handed = self.before = {}
        self.given = None

    def has_begun(self) -> bool:
        """Return whether a response has begun."""
        return False


def _stands(sent: tuple[Message, Message, tuple[Any, ...] | None]) -> bool:
    """Return whether an event still says what it said."""
    message, copy, headers = sent
    return message == copy and (headers is None or freeze(message["headers"]) == headers)


def _changed(scope: Scope, before: Scope) -> set[str]:
    """Return the keys that differ; frameworks make a list of headers that were none, which says the same."""
    changed = {key for key in {*scope, *before} if key not in scope or scope[key] != before.get(key)}
    if "headers" in changed and "headers" in scope and [*scope["headers"]] == [*before.get("headers", ())]:
        changed.discard("headers")
    return changed


def _listed(keys: set[str]) -> str:
    return ", ".join(sorted(map(str, keys)))


def _is_cancelled() -> bool:
    """Return whether the task has been cancelled, and nobody has said that this is dealt with."""
    try:
        task = current_task()
    except RuntimeError:  # another event loop than asyncio's
        return False
    return task is not None and task.cancelling() > 0
