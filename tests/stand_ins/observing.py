"""Stand-ins that give requests names, and tell what became of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from middlewares.core.exchange import EXCHANGE, hand_back, join
from middlewares.core.headers import find, set_header

from .base import StandIn, changing_start, noting_status

if TYPE_CHECKING:
    from middlewares.asgi import Receive, Scope, Send

__all__ = ("AccessLog", "Metrics", "Outcome", "RequestID", "Tally", "Tracing")


class RequestID(StandIn):
    """Echoes the id of a request in its response; one that has none gets ``id-1``."""

    order_role: ClassVar = "request_id"

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = find(scope["headers"], b"x-request-id") or b"id-1"
        headers = set_header(scope["headers"], b"x-request-id", request_id)
        inner = {**scope, "headers": headers, "request_id": request_id.decode()}
        if EXCHANGE in scope:
            # For a 500 that is made outside: this layer only sees the exception go by.
            scope[EXCHANGE].response_headers.append((b"x-request-id", request_id))
        try:
            identified = changing_start(send, lambda headers: set_header(headers, b"x-request-id", request_id))
            await self.app(inner, receive, identified)
        finally:
            hand_back(inner, scope)


@dataclass(frozen=True, eq=False, kw_only=True)
class Tracing(StandIn):
    """Takes the trace id of the request, and keeps the status of each span."""

    order_role: ClassVar = "tracing"
    spans: list[int | None] = field(default_factory=list[int | None])

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        status: list[int] = []
        _, trace_id, *_ = (find(scope["headers"], b"traceparent") or b"00-none").split(b"-")
        try:
            await self.app({**scope, "trace_id": trace_id.decode()}, receive, noting_status(send, status.append))
        finally:
            self.spans.append(status[0] if status else None)


@dataclass(frozen=True, eq=False, kw_only=True)
class AccessLog(StandIn):
    """Keeps a line for each request: address, status, id, trace id."""

    order_role: ClassVar = "access_log"
    lines: list[tuple[Any, ...]] = field(default_factory=list[tuple[Any, ...]])

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        def log(status: int) -> None:
            self.lines.append((scope["client"][0], status, scope.get("request_id"), scope.get("trace_id")))

        await self.app(scope, receive, noting_status(send, log))


Outcome = tuple[str, int | None, tuple[str, ...]]


@dataclass
class Tally:
    """What was counted."""

    in_flight: int = 0
    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    """How each call ended, its status, and why layers refused it."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Metrics(StandIn):
    """Counts every request once, by how it ended."""

    order_role: ClassVar = "metrics"
    tally: Tally = field(default_factory=Tally)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange, inner, is_maker = join(scope, self)
        self.tally.in_flight += 1
        status: list[int] = []
        outcome = "cancelled"
        try:
            await self.app(inner, receive, noting_status(send, status.append))
            outcome = "returned"
        except Exception:
            outcome = "raised"
            raise
        finally:
            self.tally.in_flight -= 1
            reasons = tuple(refusal.code for refusal in exchange.refusals)
            self.tally.outcomes.append((outcome, status[0] if status else None, reasons))
            exchange.leave(self)
            if is_maker:
                hand_back(inner, scope)
