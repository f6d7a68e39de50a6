"""Count on a Redis or Valkey server, for all processes of many machines.

Hits that come while others are on their way travel together: up to 64 in one call, two calls at a time. A call whose
answer is lost may have counted, and is not made again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakKeyDictionary, ref
from zlib import crc32

from middlewares.stores import StoreUnavailable
from middlewares.stores.base import DEADLINE
from middlewares.stores.redis_client import RedisClient

from .algorithms import tick_for
from .decision import Decision
from .script import DEBIT, KINDS, REFUND, SCRIPT, TAKE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .notation import Quota
    from .policy import Charge, Policy

__all__ = ("RedisLimits",)

_MOST_AT_ONCE: Final = 64
_CALLS_AT_ONCE: Final = 2
_TAGS: Final = 64


class _Hit(NamedTuple):
    """One hit on its way: its keys and arguments, and what they stand for."""

    keys: list[str]
    arguments: str
    charges: Sequence[Charge]


class RedisLimits:
    """The states of limits on a server, under ``middlewares:rate_limit:NAMESPACE:``, each with a time to live."""

    def __init__(self, url: str, *, namespace: str = "default", deadline: float = DEADLINE) -> None:
        self._client = RedisClient(url, deadline=deadline)
        self.place = (url, namespace)
        """What two objects that count in one place have in common."""
        self._prefix = f"middlewares:rate_limit:{namespace}:"
        self._is_cluster = "+cluster" in url.partition("://")[0]
        self._lines: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[int, _Line]] = WeakKeyDictionary()
        # The event loop that asked last, nearly always the only one.
        self._recent: tuple[Callable[[], asyncio.AbstractEventLoop | None], dict[int, _Line]] = (lambda: None), {}

    def tick(self, kind: str, quota: Quota) -> int:
        """Count in microseconds, or coarser where numbers would grow too large for doubles."""
        return tick_for(kind, quota)

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
        await self._client.call(lambda client: client.delete(self._name(policy, key)))

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        await self._client.aclose()

    async def _send(self, mode: int, charges: Sequence[Charge], mark: int = 0) -> Decision:
        arguments = [f"{mode} {len(charges)}"]
        keys = []
        for policy, key, cost in charges:
            # Above this no cost fits anyway, and numbers stay exact.
            cost = min(cost, 2 * policy.algorithm.capacity + 1)
            keys.append(self._name(policy, key))
            arguments.append(f"{policy.spec} {cost} {policy.is_gate:d} {mark}")
        line = self._line(_tag(charges[0][1]) if self._is_cluster else 0)
        return await line.send(_Hit(keys, " ".join(arguments), charges))

    def _name(self, policy: Policy, key: str) -> str:
        # The first braces choose the slot (Redis Cluster specification, hash tags), so those of a client do not.
        return f"{self._prefix}{{{_tag(key)}}}:{policy.id}:{key}"

    def _line(self, tag: int) -> _Line:
        loop = asyncio.get_running_loop()
        recent, lines = self._recent
        if recent() is not loop:
            lines = self._lines.setdefault(loop, {})
            self._recent = ref(loop), lines
        line = lines.get(tag)
        if line is None:
            line = lines[tag] = _Line(self._client)
        return line


class _Line:
    """Hits of one event loop, and one slot of a cluster, on their way to the server."""

    __slots__ = ("_calls", "_client", "_tasks", "_waiting")

    def __init__(self, client: RedisClient) -> None:
        self._client = client
        self._calls = 0
        self._waiting: list[tuple[_Hit, asyncio.Future[Decision]]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def send(self, hit: _Hit) -> Decision:
        """Return what the server decided. Raises `StoreUnavailable`."""
        if self._calls < _CALLS_AT_ONCE:
            self._calls += 1
            try:
                (decision,) = await self._call([hit])
            except StoreUnavailable as error:
                self._fail(error)
                raise
            finally:
                self._calls -= 1
                self._go_on()
            return decision
        future: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()
        self._waiting.append((hit, future))
        return await future

    def _go_on(self) -> None:
        if self._waiting and self._calls < _CALLS_AT_ONCE:
            self._calls += 1
            task = asyncio.get_running_loop().create_task(self._run())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self) -> None:
        """Send what waits, as much at a time as a call may hold."""
        try:
            while self._waiting:
                batch = self._waiting[:_MOST_AT_ONCE]
                del self._waiting[:_MOST_AT_ONCE]
                try:
                    decisions = await self._call([hit for hit, _ in batch])
                except StoreUnavailable as error:
                    self._waiting[:0] = batch
                    self._fail(error)
                    return
                except BaseException as error:
                    # Whatever it is, nobody may wait for an answer that never comes.
                    self._waiting[:0] = batch
                    self._fail(StoreUnavailable(f"the call failed: {error!r}"))
                    raise
                for (_, future), decision in zip(batch, decisions, strict=True):
                    if not future.done():
                        future.set_result(decision)
        finally:
            self._calls -= 1

    def _fail(self, error: StoreUnavailable) -> None:
        """Let nobody wait longer for a server that did not answer another in time."""
        waiting, self._waiting = self._waiting, []
        for _, future in waiting:
            if not future.done():
                future.set_exception(StoreUnavailable(str(error)))

    async def _call(self, hits: list[_Hit]) -> list[Decision]:
        keys = [key for hit in hits for key in hit.keys]
        numbers = " ".join([str(len(hits)), *(hit.arguments for hit in hits)])
        reply = await self._client.script(SCRIPT, keys, [numbers], again=False)
        try:
            return _read([int(number) for number in reply.split()], hits)
        except (AttributeError, IndexError, ValueError) as error:
            raise StoreUnavailable("the reply of the server is none of the script") from error


def _read(reply: list[int], hits: list[_Hit]) -> list[Decision]:
    """Return the decisions that a reply of the script tells."""
    now = reply[0] * 1000
    at = 1
    decisions = []
    for hit in hits:
        is_allowed = reply[at] == 1
        at += 1
        states: list[Any] = []
        for policy, _, _ in hit.charges:
            size = KINDS[policy.algorithm.kind]
            states.append(reply[at] if size == 1 else tuple(reply[at : at + size]))
            at += size
        decisions.append(Decision(is_allowed, hit.charges, tuple(states), now))
    return decisions


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
