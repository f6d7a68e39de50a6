"""Give a server that lost its states those back which this process saw last.

The state of a bucket never goes back, unless units are given back. So one that lies before what was seen of it, once
calls have failed or the server has forgotten its script, is that of a server which started empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .decision import Decision
    from .policy import Charge, Policy

__all__ = ("Backlog",)

_MOST: Final = 1024


class Backlog:
    """What was seen last of at most 1024 keys that have used something."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], tuple[int, object]] = {}

    def lost(self, decision: Decision, era: object) -> list[Charge]:
        """Note a decision; return what must be charged again. ``era`` changes when the server may have lost states."""
        found: list[Charge] = []
        for (policy, key, _), state in zip(decision.charges, decision.states, strict=True):
            bucket = policy.bucket
            if bucket is None or policy.is_gate:
                continue
            now = decision.now // policy.tick
            before, seen_in = self._seen.get((policy.id, key), (0, era))
            if seen_in != era and before > max(state, now):
                found.append((policy, key, min(bucket.capacity, -(-(before - max(state, now)) // bucket.interval))))
                state = before
            if state > now:
                if len(self._seen) >= _MOST:
                    self._seen.clear()
                self._seen[policy.id, key] = state, era
        return [charge for charge in found if charge[2]]

    def forget(self, policy: Policy, key: str) -> None:
        """Forget a key, whose state may go back now."""
        self._seen.pop((policy.id, key), None)
