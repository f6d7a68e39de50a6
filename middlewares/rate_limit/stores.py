"""Where limits are counted: the contract, and which store a URL means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

from middlewares.stores import url_problem

from .memory import MemoryLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .decision import Decision
    from .notation import Quota
    from .policy import Charge, Policy

__all__ = ("LimitStore", "SharedLimits", "open_limits")


class SharedLimits(Protocol):
    """Counts in a place that several processes share. All calls raise `StoreUnavailable` where it does not answer."""

    def tick(self, kind: str, quota: Quota) -> int:
        """Return the nanoseconds in which it counts a quota."""
        ...

    async def take(self, charges: Sequence[Charge]) -> Decision:
        """Charge all of them or, if one does not fit, none. This is never done twice."""
        ...

    async def debit(self, charges: Sequence[Charge]) -> None:
        """Charge what was used already, whether it fits or not."""
        ...

    async def refund(self, decision: Decision) -> None:
        """Give back what a decision charged."""
        ...

    async def reset(self, policy: Policy, key: str) -> None:
        """Forget the state of a key."""
        ...

    async def aclose(self) -> None:
        """Release connections and files. The next call opens them again."""
        ...


LimitStore: TypeAlias = MemoryLimits | SharedLimits


def open_limits(url: str, *, namespace: str, deadline: float, clock: Callable[[], int]) -> LimitStore:
    """Return the store that a URL means; nothing is opened before its first call. Raises `ValueError`.

    ``memory://`` (``?max_keys=200000``, for each policy), ``sqlite:///limits.db``, ``redis://host:6379/0`` and kin.
    """
    problem = url_problem(url)
    if problem is not None:
        raise ValueError(problem[0])
    parts = urlsplit(url)
    if parts.scheme == "memory":
        (most, *_) = parse_qs(parts.query).get("max_keys", ["200000"])
        if not (most.isascii() and most.isdigit() and int(most)):
            raise ValueError("must have max_keys above 0, as in 'memory://?max_keys=200000'")
        return MemoryLimits(max_keys=int(most), clock=clock)
    if parts.scheme == "sqlite":
        from .sqlite import SQLiteLimits

        return SQLiteLimits(unquote(parts.path[1:]), namespace=namespace, deadline=deadline)
    from .redis import RedisLimits

    return RedisLimits(url, namespace=namespace, deadline=deadline)
