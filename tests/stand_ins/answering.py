"""Stand-ins that answer in the place of an application that is late."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import anyio

from middlewares.core.refusals import Refusal, refuse

from .base import StandIn, noting_status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from middlewares.asgi import Receive, Scope, Send

__all__ = ("Alarm", "Timeout")


class Alarm:
    """Stands for the clock: rings when the time of a request is up."""

    def __init__(self, *, rings: bool = False) -> None:
        self.rings = rings
        """Whether the time is up as soon as an application waits for anything."""
        self.waiting: list[anyio.CancelScope] = []

    @contextmanager
    def after(self) -> Iterator[anyio.CancelScope]:
        """Cancel the block if the alarm rings in it."""
        with anyio.CancelScope() as block:
            self.waiting.append(block)
            if self.rings:
                self.ring()
            try:
                yield block
            finally:
                self.stop(block)

    def stop(self, block: anyio.CancelScope) -> None:
        """Let a block run as long as it likes from now on."""
        if block in self.waiting:
            self.waiting.remove(block)

    def ring(self) -> bool:
        """Cancel a block that waits; return whether there was one."""
        if self.waiting:
            self.waiting[-1].cancel()
        return bool(self.waiting)


@dataclass(frozen=True, eq=False, kw_only=True)
class Timeout(StandIn):
    """Answers 504 where an application has not begun to answer in time."""

    order_role: ClassVar = "timeout"
    alarm: Alarm = field(default_factory=lambda: Alarm(rings=True))
    is_for_whole: bool = False
    """Whether a response that has begun is cut, visibly, when the time is up before it has ended."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started: list[int] = []
        with self.alarm.after() as block:

            def begun(status: int) -> None:
                started.append(status)
                if not self.is_for_whole:
                    self.alarm.stop(block)

            await self.app(scope, receive, noting_status(send, begun))
        if block.cancelled_caught and started:
            raise TimeoutError
        if block.cancelled_caught:
            await refuse(scope, receive, send, Refusal(status=504, code="timeout.start"), inner=self.cors)
