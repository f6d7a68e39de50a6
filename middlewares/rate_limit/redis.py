"""Count on a Redis or Valkey server, for all processes of many machines."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary, ref
from zlib import crc32

from middlewares.stores.base import DEADLINE
from middlewares.stores.redis_client import RedisClient

from .algorithms import tick_for
from .decision import Decision
from .line import Line
from .script import DEBIT, REFUND, TAKE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .notation import Quota
    from .policy import Charge, Policy

__all__ = ("RedisLimits",)

_TAGS: Final = 64


class RedisLimits:
    """The states of limits on a server, under ``middlewares:rate_limit:NAMESPACE:``, each with a time to live."""

    def __init__(self, url: str, *, namespace: str = "default", deadline: float = DEADLINE) -> None:
        self._client = RedisClient(url, deadline=deadline)
        self.place = (url, namespace)
        """What two objects that count in one place have in common."""
        self._prefix = f"middlewares:rate_limit:{namespace}:"
        self._is_cluster = "+cluster" in url.partition("://")[0]
        self._lines: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[int, Line]] = WeakKeyDictionary()
        # The event loop that asked last, nearly always the only one.
        self._recent: tuple[Callable[[], asyncio.AbstractEventLoop | None], dict[int, Line]] = (lambda: None), {}

    def tick(self, kind: str, quota: Quota) -> int:
        """Count in microseconds, or coarser where numbers would grow too large for doubles."""
        return tick_for(kind, quota)

    @property
    def restarts(self) -> int:
        """Times that the server turned out to be started anew, as far as this event loop has seen."""
        return sum([line.restarts for line in self._recent[1].values()])

    def check(self) -> None:
        """Raise `RuntimeError` where it cannot work: without asyncio, which its client needs."""
        _running_loop()

    async def take(self, charges: Sequence[Charge]) -> Decision:
        """Charge all of them or, if one does not fit, none.

        In a cluster, charges of different keys are different calls; what the first took is given back if a later
        one does not fit.
        """
        if not self._is_cluster:
            return await self._send(TAKE, charges)
        taken: list[Decision] = []
        for part in _by_tag(charges):
            decision = await self._send(TAKE, part)
            if not decision.allowed:
                for earlier in taken:
                    await self.refund(earlier)
                return decision
            taken.append(decision)
        return _joined(taken)

    async def debit(self, charges: Sequence[Charge]) -> None:
        """Charge what was used already, whether it fits or not."""
        for part in _by_tag(charges):
            await self._send(DEBIT, part)

    async def refund(self, decision: Decision) -> None:
        """Give back what a decision charged."""
        for charge, state in zip(decision.charges, decision.states, strict=True):
            if not charge[0].is_gate:
                await self._send(REFUND, (charge,), state if isinstance(state, int) else state[0])

    async def reset(self, policy: Policy, key: str) -> None:
        """Forget the state of a key."""
        name = f"{self._prefixed(self._tag(key))}{policy.id}:{key}"
        await self._client.call(lambda client: client.delete(name))

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        for line in self._lines.pop(asyncio.get_running_loop(), {}).values():
            await line.aclose()
        self._recent = (lambda: None), {}
        await self._client.aclose()

    async def _send(self, mode: int, charges: Sequence[Charge], mark: int = 0) -> Decision:
        return await self._line(self._tag(charges[0][1])).send(mode, charges, mark)

    def _tag(self, key: str) -> int:
        return _tag(key) if self._is_cluster else 0

    def _prefixed(self, tag: int) -> str:
        # The first braces choose the slot (Redis Cluster specification, hash tags), so those of a client do not.
        return f"{self._prefix}{{{tag}}}:"

    def _line(self, tag: int) -> Line:
        loop = _running_loop()
        recent, lines = self._recent
        if recent() is not loop:
            lines = self._lines.setdefault(loop, {})
            self._recent = ref(loop), lines
        line = lines.get(tag)
        if line is None:
            line = lines[tag] = Line(self._client, self._prefixed(tag))
        return line


def _running_loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        hint = "on Trio use 'sqlite:///limits.db' or 'memory://'"
        raise RuntimeError(f"RateLimit: a store in Redis or Valkey needs an event loop of asyncio; {hint}") from None


def _tag(key: str) -> int:
    return crc32(key.encode(errors="surrogatepass")) % _TAGS


def _by_tag(charges: Sequence[Charge]) -> list[list[Charge]]:
    """Return the charges in groups whose keys a cluster keeps in one slot."""
    groups: dict[int, list[Charge]] = {}
    for charge in charges:
        groups.setdefault(_tag(charge[1]), []).append(charge)
    return [*groups.values()]


def _joined(decisions: list[Decision]) -> Decision:
    charges = [charge for decision in decisions for charge in decision.charges]
    states = [state for decision in decisions for state in decision.states]
    return Decision(True, charges, tuple(states), decisions[-1].now)
