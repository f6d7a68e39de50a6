"""Make policies, and give each the place where it is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .policy import Policy

if TYPE_CHECKING:
    from .guard import Guard
    from .memory import MemoryLimits
    from .notation import Quota
    from .policy import OnFailure

__all__ = ("Home",)

_MOST: Final = 1000


class Home:
    """The stores of one layer. It knows nothing of the layer, so that it stands in no reference cycle with it."""

    __slots__ = ("_processes", "_shared", "memory", "policies")

    def __init__(self, memory: MemoryLimits, shared: Guard | None, processes: int) -> None:
        self.memory = memory
        self.policies: dict[str, Policy] = {}
        """That of each name, for metrics."""
        self._shared = shared
        self._processes = processes

    def adopt(self, name: str, quota: Quota, *, on_failure: OnFailure, kind: str, burst: int | None = None,
              is_gate: bool = False) -> Policy:  # fmt: skip
        """Return the policy of a quota; a shared one has a twin that counts in this process, for its share."""
        if self._shared is None:
            policy = Policy(name, quota, kind=kind, burst=burst, on_failure=on_failure, is_gate=is_gate)
            self.memory.adopt(policy)
        else:
            tick = self._shared.store.tick(kind, quota)
            policy = Policy(name, quota, kind=kind, burst=burst, tick=tick, on_failure=on_failure, is_gate=is_gate)
            policy.home = (getattr(self._shared.store, "place", self._shared.store), policy.id)
            share = quota._replace(amount=max(1, quota.amount // self._processes))
            local_burst = None if burst is None else max(1, burst // self._processes)
            policy.local = Policy(name, share, kind=kind, burst=local_burst, is_gate=is_gate)
            self.memory.adopt(policy.local)
        if len(self.policies) < _MOST:
            self.policies[name] = policy
        return policy
