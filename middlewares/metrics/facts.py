"""What metrics make of the facts that other layers have published about a request."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING, Any

from .store import EXEMPLAR_WIDTH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from middlewares.core.exchange import Exchange
    from middlewares.core.observed import ObservedCall

    from .store import Home, Key

__all__ = ("note_decisions", "note_exemplar", "wire_size")


def wire_size(call: ObservedCall, codings: list[Any]) -> int:
    """Return the bytes that a layer outside, which compresses, made of the body; else those that were sent."""
    applied = [coding for coding in codings if coding.coding is not None]
    if not applied or any(name.lower() == b"content-encoding" for name, _ in call.response_headers):
        return call.sent  # compressed further in
    return int(applied[-1].wire_bytes)


def note_exemplar(home: Home, key: Key, bucket: int, duration: float, exchange: Exchange) -> None:
    """Keep the ids of the trace of a request, which took so many seconds, for the bucket of these."""
    cells = home.local.shard.exemplars.get(key)
    if cells is None:
        cells = home.cells("exemplars", key)
    trace_id, span_id = exchange.trace_id, exchange.span_id
    if trace_id is None or span_id is None:
        return
    digits = f"{int(trace_id, 16):032x}{int(span_id, 16):016x}"
    at = EXEMPLAR_WIDTH * bucket
    cells[at] = 0  # so that nobody takes what is half written
    cells[at + 1] = duration
    for index in range(6):
        cells[at + 2 + index] = int(digits[8 * index : 8 * index + 8], 16)
    cells[at] = time()


def note_decisions(home: Home, facts: Mapping[str, Any]) -> None:
    """Count what layers decided; facts are of the layers that published them, whichever those are."""
    for refusal in facts.get("refusals", ()):
        home.add("refusals", (refusal.code, refusal.status))
    for decision in facts.get("quotas", ()):
        if decision.allowed:
            for policy, *_ in decision.charges:
                home.add("quotas", (policy.name, "allowed"))
        else:
            for policy, _ in decision.violations():
                home.add("quotas", (policy.name, "denied"))
