"""Stand between limiters and a shared store: nobody waits for one that is down, or asks it what is known.

A denial holds until its wait is over, so that a flood from one client does not reach the store. A store that failed
three times in a row is left alone for a moment, then one request tries it again.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from middlewares.stores import StoreUnavailable

from .algorithms import NEVER
from .backlog import Backlog
from .decision import Decision
from .leases import Leases

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .policy import Charge, Policy
    from .stores import SharedLimits

__all__ = ("Guard",)

_log = logging.getLogger("middlewares")
_MOST_DENIALS: Final = 10_000
_FAILURES: Final = 3
_PAUSE: Final = 50_000_000
"""Nanoseconds for which a store that failed is left alone."""


class _Denial(NamedTuple):
    until: int
    least: int
    """The cost that does not fit until then."""
    learned: int
    decision: Decision
    state: Any


class Guard:
    """A shared store with a memory of denials and a circuit breaker. Raises what the store raises."""

    __slots__ = (
        "_backlog",
        "_clock",
        "_denials",
        "_failed",
        "_failures",
        "_is_probed",
        "_leases",
        "_opens",
        "_outages",
        "_outages",
        "store",
    )

    def __init__(self, store: SharedLimits, *, clock: Callable[[], int], lease: int = 1) -> None:
        self.store = store
        self._clock = clock
        self._denials: dict[tuple[str, str], _Denial] = {}
        """By policy and key."""
        self._failures = 0
        self._failed: BaseException | None = None
        self._outages = 0
        self._opens = 0
        self._is_probed = False
        self._backlog = Backlog()
        self._leases = Leases(lease) if lease > 1 else None

    async def take(self, charges: Sequence[Charge]) -> Decision:
        """Charge all of them or, if one does not fit, none."""
        now = self._clock()
        if self._leases is not None:
            found = self._leases.use(charges, now)
            if isinstance(found, Decision):
                return found
            if found > charges[0][2]:
                policy, key, _ = charges[0]
                decision = await self._ask([(policy, key, found)], now)
                if decision.allowed:
                    return self._leases.keep(decision, now)
        return await self._ask(charges, now)

    async def _ask(self, charges: Sequence[Charge], now: int) -> Decision:
        """Ask the store, unless the answer is known."""
        if self._denials:
            known = self._known_denial(charges, now)
            if known is not None:
                return known
        is_probe = self._enter(now)
        try:
            decision = await self.store.take(charges)
        except StoreUnavailable as error:
            self._fail(error)
            raise
        finally:
            if is_probe:
                self._is_probed = False
        self._failures = 0
        self._failed = None
        lost = self._backlog.lost(decision, (self._outages, getattr(self.store, "restarts", 0)))
        if lost:
            await self._charge_again(lost)
        if not decision.allowed:
            self._remember(decision, now)
        return decision

    def check(self) -> None:
        """Raise `RuntimeError` where the store says that it cannot work."""
        check = getattr(self.store, "check", None)
        if check is not None:
            check()

    def forget(self, charges: Sequence[Charge]) -> None:
        """Ask the store again the next time, whatever is known of these."""
        for policy, key, _ in charges:
            self._forget(policy, key)

    async def debit(self, charges: Sequence[Charge]) -> None:
        """Charge what was used already."""
        await self.store.debit(charges)

    async def refund(self, decision: Decision) -> None:
        """Give back what a decision charged."""
        self.forget(decision.charges)
        await self.store.refund(decision)

    async def reset(self, policy: Policy, key: str) -> None:
        """Forget the state of a key."""
        self._forget(policy, key)
        await self.store.reset(policy, key)

    async def aclose(self) -> None:
        """Close the store."""
        await self.store.aclose()

    def _forget(self, policy: Policy, key: str) -> None:
        self._denials.pop((policy.id, key), None)
        self._backlog.forget(policy, key)
        if self._leases is not None:
            self._leases.forget(policy, key)

    async def _charge_again(self, lost: list[Charge]) -> None:
        """Charge what a server has lost, so that nobody has a quota twice because it started anew."""
        try:
            await self.store.debit(lost)
        except StoreUnavailable:
            _log.debug("rate_limit: the store failed again before it was told what it had lost")

    def _known_denial(self, charges: Sequence[Charge], now: int) -> Decision | None:
        for charge in charges:
            policy, key, cost = charge
            known = self._denials.get((policy.id, key))
            if known is None:
                continue
            if now >= known.until:
                del self._denials[policy.id, key]
            elif cost >= known.least:
                then = known.decision
                if [(p, k) for p, k, _ in charges] == [(p, k) for p, k, _ in then.charges]:
                    return Decision(False, charges, then.states, then.now + now - known.learned)
                return Decision(False, (charge,), (known.state,), then.now + now - known.learned)
        return None

    def _remember(self, decision: Decision, now: int) -> None:
        waits = {policy.id: wait for policy, wait in decision.violations()}
        for (policy, key, cost), state in zip(decision.charges, decision.states, strict=True):
            wait = waits.get(policy.id, NEVER)
            if wait != NEVER:
                if len(self._denials) >= _MOST_DENIALS:
                    self._denials.clear()
                # Counted from before the question, so that it ends too early rather than too late.
                until = now + wait * policy.tick
                self._denials[policy.id, key] = _Denial(until, cost, now, decision, state)

    def _enter(self, now: int) -> bool:
        """Let a call to the store through; return whether it tries out one that failed."""
        if self._failures < _FAILURES:
            return False
        if self._is_probed or now < self._opens:
            raise StoreUnavailable("the store did not answer, and is left alone for a moment")
        self._is_probed = True
        return True

    def _fail(self, error: StoreUnavailable) -> None:
        # Hits that travelled together failed together: with the first, all others.
        call = error.__cause__ if isinstance(error.__cause__, StoreUnavailable) else error
        if call is not self._failed:
            self._failures += 1
            self._outages += 1
            self._failed = call
        self._opens = self._clock() + _PAUSE
