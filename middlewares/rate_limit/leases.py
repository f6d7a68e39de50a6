"""Take several units of a very busy key at once, and hand them out in this process.

A lease is charged before it is used, so that no limit is ever passed. What is not handed out within a tenth of a second
is lost: of each key at most one lease less a unit per process in that time, and only of keys that were asked for as
often in the tenth before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .decision import Decision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .policy import Charge, Policy

__all__ = ("Leases",)

_TENTH: Final = 100_000_000
"""Nanoseconds."""
_MOST: Final = 1024


class _Key:
    __slots__ = ("hits", "since", "state", "then", "units", "until")

    def __init__(self, now: int) -> None:
        self.since = now
        self.hits = 0
        self.units = 0
        self.until = 0
        self.state = 0
        self.then = 0
        """The time of the server when the lease was taken, and with ``until`` that of this process."""


class Leases:
    """The leases of one process, of so many units each."""

    __slots__ = ("_keys", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self._keys: dict[tuple[str, str], _Key] = {}

    def use(self, charges: Sequence[Charge], now: int) -> Decision | int:
        """Return a decision from a lease; without one, the units to ask the server for."""
        policy, name, cost = charges[0]
        if (
            len(charges) > 1
            or cost != 1
            or policy.bucket is None
            or policy.is_gate
            or self.size > policy.bucket.capacity
        ):
            return cost
        key = self._keys.get((policy.id, name))
        if key is None:
            if len(self._keys) >= _MOST:
                self._keys.clear()
            key = self._keys[policy.id, name] = _Key(now)
        if key.units and now < key.until:
            key.units -= 1
            state = key.state - key.units * policy.bucket.interval
            return Decision(True, charges, (state,), key.then + now - key.until + _TENTH)
        if now - key.since > _TENTH:
            key.since, key.hits = now, 0
        key.hits += 1
        return self.size if key.hits > self.size else cost

    def keep(self, decision: Decision, now: int) -> Decision:
        """Return the decision of one unit of a lease that was let in, and keep the others."""
        policy, name, _ = decision.charges[0]
        key = self._keys.get((policy.id, name))
        bucket = policy.bucket
        if key is None or bucket is None:
            return decision
        # Several may have been asked for at once; what came before is handed out with this.
        key.units = (key.units if now < key.until else 0) + self.size - 1
        key.until, key.state, key.then = now + _TENTH, decision.states[0], decision.now
        state = key.state - key.units * bucket.interval
        return Decision(True, ((policy, name, 1),), (state,), decision.now)

    def forget(self, policy: Policy, name: str) -> None:
        """Forget the lease of a key, whose quota is given back."""
        self._keys.pop((policy.id, name), None)
