"""Keep the states of limits in this process: bounded, and without a step that takes long.

Each policy has a table of 256 shards, each of two dicts: what is written goes into the present one. Once in the
lifetime of a state the dicts of a shard change places and the older is let go of, whose states are all over by then.
So nothing is ever searched for what is over, and what is let go of at once is small.

A shard that is full takes no new keys. They share one state, until there is room: that of a live key is never given
up, because a client could then win back its quota by sending many keys.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from .decision import Decision

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .policy import Charge, Policy

__all__ = ("MemoryLimits", "Shard")

_SHARDS: Final = 256
_MASK: Final = _SHARDS - 1
_OVERFLOW: Final = "\x00overflow"
"""The key that new clients share where a shard is full."""


class Shard:
    """Some of the states of a policy."""

    __slots__ = ("current", "lifetime", "previous", "swaps")

    def __init__(self, swaps: int, lifetime: int) -> None:
        self.current: dict[str, Any] = {}
        self.previous: dict[str, Any] = {}
        self.swaps = swaps
        self.lifetime = lifetime

    def swap(self, now: int) -> None:
        # What was written last lived until the time of the swap at most, and one lifetime after it is over.
        self.previous = self.current if now < self.swaps + self.lifetime else {}
        self.current = {}
        self.swaps = now + self.lifetime


def _table(now: int, lifetime: int) -> Table:
    # One after another: a moment at which all swap would take long.
    return tuple(Shard(now + lifetime * (number + 1) // _SHARDS, lifetime) for number in range(_SHARDS))


Table: TypeAlias = tuple[Shard, ...]
"""The states of a policy."""


class MemoryLimits:
    """The states of limits in memory, for one process.

    At most ``max_keys`` are kept for each policy. ``clock`` gives nanoseconds and never goes back. Layers that are
    handed the same object share their quotas, by the names of their policies.
    """

    tick: Final = 1

    def __init__(self, *, max_keys: int = 200_000, clock: Callable[[], int] = monotonic_ns) -> None:
        if max_keys < 1:
            raise ValueError(f"MemoryLimits: max_keys must be above 0; got {max_keys!r}")
        self.clock = clock
        self._room = -(-max_keys // _SHARDS)
        self._tables: dict[str, Table] = {}

    def adopt(self, policy: Policy) -> None:
        """Give a policy the place where its states are kept."""
        table = self._tables.get(policy.id)
        if table is None:
            table = self._tables[policy.id] = _table(self.clock(), policy.algorithm.lifetime)
        policy.home = policy.table = table

    def take(self, charges: Sequence[Charge]) -> Decision:
        """Charge all of them or, if one does not fit, none."""
        now = self.clock()
        if len(charges) == 1:
            policy, key, _ = charge = charges[0]
            state, wait = self.take_one(self.shard(policy, key), charge, now)
            return Decision(not wait, charges, (state,), now)
        return self._take_all(charges, now)

    def shard(self, policy: Policy, key: str) -> Shard:
        """Return where the state of a key is kept, now and ever."""
        table: Table = policy.table
        return table[hash(key) & _MASK]

    def take_one(self, shard: Shard, charge: Charge, now: int) -> tuple[Any, int]:
        """Charge one policy: return the state after it, and 0.

        If it does not fit: the state as it was, and the ticks until it fits, or `NEVER`.
        """
        policy, key, cost = charge
        if now >= shard.swaps:
            shard.swap(now)
        state = shard.current.get(key)
        if state is None:
            state = self._seek(policy, shard, key)
        after = policy.algorithm.charge(state, now, cost)
        if after is None:
            return state, policy.algorithm.wait(state, now, cost)
        if cost and not policy.is_gate:
            state = after
            self._insert(shard, key, after)
        return state, 0

    def _take_all(self, charges: Sequence[Charge], now: int) -> Decision:
        found = [self._find(policy, key, now) for policy, key, _ in charges]
        afters = [
            policy.algorithm.charge(state, now, cost)
            for (policy, _, cost), (_, state) in zip(charges, found, strict=True)
        ]
        if None in afters:
            return Decision(False, charges, tuple(state for _, state in found), now)
        states = []
        for (policy, key, cost), (shard, state), after in zip(charges, found, afters, strict=True):
            if cost and not policy.is_gate:
                self._insert(shard, key, after)
                state = after
            states.append(state)
        return Decision(True, charges, tuple(states), now)

    def debit(self, charges: Sequence[Charge]) -> None:
        """Charge what was used already, whether it fits or not."""
        now = self.clock()
        for policy, key, cost in charges:
            shard, state = self._find(policy, key, now)
            self._insert(shard, key, policy.algorithm.debit(state, now, cost))

    def refund(self, decision: Decision) -> None:
        """Give back what a decision charged."""
        now = self.clock()
        for (policy, key, cost), charged in zip(decision.charges, decision.states, strict=True):
            if not policy.is_gate:
                shard, state = self._find(policy, key, now)
                self._insert(shard, key, policy.algorithm.refund(state, now, cost, charged))

    def reset(self, policy: Policy, key: str) -> None:
        """Forget the state of a key."""
        shard = self.shard(policy, key)
        shard.current.pop(key, None)
        shard.previous.pop(key, None)

    def __len__(self) -> int:
        """Return how many states are kept, with those that are over but not let go of yet."""
        shards = [shard for table in self._tables.values() for shard in table]
        return sum(len(shard.current) + len(shard.previous) for shard in shards)

    def _find(self, policy: Policy, key: str, now: int) -> tuple[Shard, Any]:
        """Return the shard of a key, and its state or what stands for it."""
        shard = self.shard(policy, key)
        if now >= shard.swaps:
            shard.swap(now)
        state = shard.current.get(key)
        return shard, self._seek(policy, shard, key) if state is None else state

    def _seek(self, policy: Policy, shard: Shard, key: str) -> Any:
        """Return the state of a key that was not written since the shard swapped, or what stands for it."""
        state = shard.previous.get(key)
        if state is not None:
            return state
        if len(shard.current) + len(shard.previous) >= self._room:
            state = shard.current.get(_OVERFLOW) or shard.previous.get(_OVERFLOW)
        return policy.algorithm.empty if state is None else state

    def _insert(self, shard: Shard, key: str, state: Any) -> None:
        current, previous = shard.current, shard.previous
        if key not in current and previous.pop(key, None) is None and len(current) + len(previous) >= self._room:
            key = _OVERFLOW
        current[key] = state
