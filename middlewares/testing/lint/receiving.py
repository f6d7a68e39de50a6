"""What the outer side of a lint hands in: each event, its place, and whether it comes at all."""

from __future__ import annotations

from inspect import isawaitable
from typing import TYPE_CHECKING, Any

import anyio

from .http_events import event_faults
from .registry import finds
from .sides import INNER, OUTER, Sides
from .values import shown

if TYPE_CHECKING:
    from middlewares.asgi import Message

    from .machines import Machine

__all__ = ("Receiving",)


class Receiving(Sides):
    """The half of a face that asks what stands outside."""

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
            self.note("server gives", shown(message))
            return self.report_shape(message, OUTER)
        kind = message["type"]
        self.note("server gives", kind)
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
