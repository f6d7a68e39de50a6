"""What the inner side of a lint sends: each event, its place, and what comes of handing it on."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from .findings import LintError
from .http_events import EXTENSION_OF, event_faults
from .registry import finds
from .sides import INNER, OUTER, Sides
from .strict import OneShot
from .values import freeze, shown

if TYPE_CHECKING:
    from middlewares.asgi import Message

__all__ = ("Sending", "stands")

_REQUIRED = {"http.response.start": ("status", int), "websocket.http.response.start": ("status", int)}
_TYPED: dict[str, Any] = {"body": (bytes, bytearray, memoryview), "text": (str, type(None)), "code": int, "status": int}
_KEYS = {"type", "status", "headers", "body", "more_body", "trailers", "text", "bytes", "code", "reason", "subprotocol"}
"""The keys of events that every server knows."""


class Sending(Sides):
    """The half of a face that is called by what stands inside."""

    async def send(self, message: Message) -> None:
        """Check an event of the inner side, hand it on, and check what comes of it."""
        is_invalid = False
        if not self.passes(message):
            message = self.check_sent(message)
            is_invalid, self.invalid = self.invalid, False
        sending: Any = None
        try:
            sending = self.send_outer(message)
            result = await sending
        except BaseException as error:
            self._check_change(message)
            self.check_refusal(message, error, sending, is_invalid=is_invalid)
            raise
        if result is not None:
            self._check_result(result)
        last = self.last_sent
        if last is not None and last[0] is message and not (message == last[1] if last[2] is None else stands(last)):
            self._changed_outside(message)
        if is_invalid:
            self.report_lenience(message)
        elif self.received_state == "gone":
            self.check_farewell(message)

    def passes(self, message: Message) -> bool:
        """Tell quickly whether an event is beyond doubt, and if so take note of it; others go through all checks."""
        return False

    @finds("G18")
    def _changed_outside(self, message: Message) -> None:
        self.report("G18", OUTER, f"{message.get('type')} was changed by who received it")
        self.last_sent = None

    def _check_change(self, message: Message) -> None:
        """Look whether an event was changed on its way to a `send` that raised."""
        last = self.last_sent
        if last is not None and last[0] is message and not stands(last):
            self._changed_outside(message)

    @finds("G16")
    def _check_result(self, result: object) -> None:
        self.report("G16", OUTER, f"send gave {shown(result)}")

    def check_farewell(self, message: Message) -> None:
        """Look whether `send` may have taken an event after the disconnect, as it may where a no-op is legal."""

    @finds("G7")
    def report_lenience(self, message: Any) -> None:
        """Report a `send` that let an event through that it must refuse."""
        kind = message.get("type") if isinstance(message, dict) else message
        self.report("G7", OUTER, f"send took {shown(kind)}, which is no valid event")

    def check_sent(self, message: Message) -> Message:
        """Check an event before it is handed on, and return it; with headers that can be read again."""
        if type(message) is not dict or type(message.get("type")) is not str:
            self.note("app sends", shown(message))
            self.report_shape(message, INNER)
            self.invalid = True
            return message
        kind = message["type"]
        self.note("app sends", kind, message.get("status"))
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
        elif not stands(last):
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
        for rule, fault in event_faults(message, self.readable or self.scope, "send"):
            self.report(rule, INNER, fault)
        if not self._is_encodable(message):
            self.invalid = True
        if message["type"] in EXTENSION_OF:
            self.carry(message["type"])

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
        self.carry(kind)
        if not kind.startswith(f"{self.kind}.") and self.sent_machine is not None:
            self.report("G5", INNER, f"{shown(kind)} is no event of {self.kind}")
            self.invalid = True

    @finds("G9", "G10", "G16", "G20", "G22", "W14", "H33")
    def check_refusal(self, message: Message, error: BaseException, sending: Any, *, is_invalid: bool) -> None:
        """Look whether `send` had a right to raise."""
        if not isinstance(error, Exception) or isinstance(error, LintError):
            return
        is_echo = self.outer is not None and self.outer.refused == id(error)
        self.refused = id(error)
        self.is_cut_off = self.is_cut_off or isinstance(error, OSError) or not (is_invalid or self.has_provoked)
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
            self.report("G9" if kind not in EXTENSION_OF else "G20", OUTER, f"{raised} for {shown([*message])}")
        elif kind in self.carried:
            self.report("G20", OUTER, f"{raised} for {kind}")
        elif self.receiving and self.outer is not None:
            self.report("G22", OUTER, f"{raised} while another task waits in receive")
        else:
            self.report(self.refusal_rule(), OUTER, raised)


def stands(sent: tuple[Message, Message, tuple[Any, ...] | None]) -> bool:
    """Return whether an event still says what it said."""
    message, copy, headers = sent
    if message != copy:
        return False
    return headers is None or tuple(message["headers"]) == headers or freeze(message["headers"]) == headers
