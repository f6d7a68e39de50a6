"""Judge requests by all rules: what to charge, in which store, and what becomes of it afterwards."""

from __future__ import annotations

import logging
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio

from middlewares.core.matching import ask
from middlewares.stores import StoreUnavailable

from .decision import Decision, outer_of
from .guard import Guard
from .home import Home
from .memory import MemoryLimits
from .plan import DENY, Plan, check_cost
from .rules import default_rule, inheriting
from .stores import open_limits

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from middlewares.asgi import Scope

    from .keys import Host, Quick
    from .policy import Charge, Policy
    from .rules import Rule

__all__ = ("Engine", "Unavailable", "Verdict")

_log = logging.getLogger("middlewares")


class Unavailable(StoreUnavailable):
    """The store does not answer, and a rule lets nothing pass that was not counted."""

    def __init__(self, names: list[str], seconds: int) -> None:
        self.names = names
        self.seconds = seconds
        super().__init__(f"the store of the limits {', '.join(names)} does not answer")


class Verdict(NamedTuple):
    """What was found about a request."""

    decision: Decision | None
    """``None`` where nothing is charged."""
    lacks_key: bool = False
    follow_up: tuple[tuple[Plan, Decision], ...] = ()
    """Rules that have something to do after the response, each with its own part of the decision."""


class Engine:
    """All rules of one layer, with the store that counts for them."""

    __slots__ = (
        "_default",
        "_home",
        "_marks",
        "_max_waiting",
        "_plain",
        "_plain_cost",
        "_plans",
        "_waiting",
        "memory",
        "shared",
    )

    def __init__(self, layer: Any, rules: Sequence[Rule]) -> None:
        store = layer.store
        if isinstance(store, str):
            store = open_limits(store, namespace=layer.namespace, deadline=layer.deadline, clock=layer.clock)
        self.shared = None if isinstance(store, MemoryLimits) else Guard(store, clock=layer.clock, lease=layer.lease)
        self.memory = store if isinstance(store, MemoryLimits) else MemoryLimits(clock=layer.clock)
        self._home = Home(self.memory, self.shared, layer.processes)
        self._marks: dict[Rule, Plan] = {}
        self._max_waiting = layer.max_waiting
        self._waiting = 0
        self._plans = [self._plan(inheriting(rule, layer), layer) for rule in rules]
        self._default = None if layer.limit is None else self._plan(default_rule(layer), layer)
        default = self._default
        is_plain = default is not None and default.is_plain and not self._plans and self.shared is None
        self._plain = default.policies[0] if default is not None and is_plain else None
        self._plain_cost = layer.cost

    @property
    def plain(self) -> tuple[Policy, ...]:
        """The only policy, where every request is one charge by address, in this process."""
        return () if self._plain is None else (self._plain,)

    def quick(self, host: Host) -> Quick | None:
        """Return what each request of a host is charged, if that is known beforehand."""
        policy, cost = self._plain, self._plain_cost
        if policy is None or host.is_listed is not None or (host.network is not None and policy.step is not None):
            return None
        return self.memory.shard(policy, host.key), ((policy, host.key, cost),), *policy.steps(cost)

    def _plan(self, rule: Rule, layer: Any) -> Plan:
        adopt = partial(self._home.adopt, on_failure=rule.on_store_failure or "local")
        return Plan(rule, adopt, step=layer.ipv6_factor)

    async def judge(self, scope: Scope, host: Host | None, layer: object = None) -> Verdict:
        """Charge a request by all rules that apply.

        Raises `Unavailable` where the store does not answer and a rule is ``closed``.
        """
        plans = [plan for plan in self._plans if await plan.applies(scope)]
        if not plans and self._default is not None:
            plans = [self._default]
        outer = outer_of(scope, layer)
        charged = frozenset[object]() if outer is None else outer.charged
        parts: list[tuple[Plan, int, int]] = []
        charges: list[Charge] = []
        for plan in plans:
            own = await plan.charges(scope, host)
            if own is DENY:
                return Verdict(None, lacks_key=True)
            own = [charge for charge in own if charge[0].home not in charged]
            if plan.shadow:
                await self._watch(own)
            elif own:
                parts.append((plan, len(charges), len(charges) + len(own)))
                charges += own
        if not charges:
            return Verdict(None)
        decision = await self._take_or_wait(charges, max(plan.max_wait for plan, _, _ in parts))
        self.count(decision)
        decision.layer = layer
        decision.scope = scope
        if outer is not None:
            decision.mark(outer=outer)
        if not decision.allowed:
            await self._ban(parts, decision)
            return Verdict(decision)
        return Verdict(decision, follow_up=tuple(_parts_to_follow(parts, decision)))

    async def settle_failed(self, scope: Scope, verdict: Verdict, status: int | None) -> None:
        """Do what follows an error, which stays the one that is raised."""
        try:
            await self.settle(scope, verdict, status)
        except Exception:  # noqa: BLE001 - it must not take the place of the application's own
            _log.exception("rate_limit: what follows a response failed too")

    async def settle(self, scope: Scope, verdict: Verdict, status: int | None) -> None:
        """Do what follows a response: refunds, and costs that are known only now.

        ``status`` 0 is a failure of the application, and ``None`` a client that left before there was one.
        """
        with anyio.CancelScope(shield=True):
            for plan, decision in verdict.follow_up:
                try:
                    if status in plan.refunds:
                        await self._refund(decision)
                    elif plan.cost_after is not None:
                        cost = check_cost(await ask(plan.cost_after, scope, status or 0))
                        later = [(policy, key, cost) for policy, key, _ in decision.charges if not policy.is_gate]
                        await self._debit(later if cost else [])
                except StoreUnavailable:
                    _log.debug("rate_limit: the store did not take what followed a response")

    async def hit(self, key: str, cost: int) -> Decision:
        """Charge the default limit for a key."""
        policies = () if self._default is None else self._default.policies
        if not policies:
            raise ValueError("RateLimit: hit needs a limit that is a string")
        decision = await self.take([(policy, key, check_cost(cost)) for policy in policies])
        self.count(decision)
        return decision

    async def charge(self, scope: Scope, host: Host | None, rule: Rule, layer: Any) -> Decision | None:
        """Charge a rule that is no rule of the layer, such as the mark of an endpoint; it is made ready once."""
        plan = self._marks.get(rule)
        if plan is None:
            plan = self._plan(inheriting(rule, layer), layer)
            self._marks[rule] = plan
        charges = await plan.charges(scope, host)
        if not charges:
            return None
        decision = await self.take(charges)
        self.count(decision)
        return decision

    async def reset(self, keys: Collection[str]) -> None:
        """Forget the states of keys in all policies."""
        for policy, key in product([*self._home.policies.values()], keys):
            if self.shared is not None:
                await self.shared.reset(policy, key)
            local = policy if self.shared is None else policy.local
            if local is not None:
                self.memory.reset(local, key)

    async def take(self, charges: Sequence[Charge]) -> Decision:
        """Charge all of them or none, wherever they are counted. Raises `Unavailable`."""
        if self.shared is None:
            return self.memory.take(charges)
        try:
            return await self.shared.take(charges)
        except StoreUnavailable:
            return self._without_store(charges)

    def _without_store(self, charges: Sequence[Charge]) -> Decision:
        closed = [policy.name for policy, _, _ in charges if policy.on_failure == "closed"]
        if closed:
            raise Unavailable(closed, 1)
        local = [(p.local, key, cost) for p, key, cost in charges if p.on_failure == "local" and p.local is not None]
        decision = self.memory.take(local) if local else Decision(True, (), (), self.memory.clock())
        decision.mark(degraded="local" if local else "open")
        return decision

    async def _take_or_wait(self, charges: Sequence[Charge], max_wait: float) -> Decision:
        decision = await self.take(charges)
        waited = 0.0
        while not decision.allowed and self._waiting < self._max_waiting:
            wait = decision.wait()
            if wait is None or waited + wait > max_wait:
                break
            waited += wait
            self._waiting += 1
            try:
                await anyio.sleep(wait)
            finally:
                self._waiting -= 1
            decision = await self.take(charges)
        return decision

    async def _watch(self, charges: list[Charge]) -> None:
        """Count what a rule in the shadow would do."""
        if charges:
            try:
                self.count(await self.take(charges))
            except Unavailable:
                _log.debug("rate_limit: the store does not answer, and a rule in the shadow was not counted")

    async def _ban(self, parts: list[tuple[Plan, int, int]], decision: Decision) -> None:
        """Count a refusal, and close the gate of a client that had too many."""
        violated = {policy.id for policy, _ in decision.violations() if not policy.is_gate}
        for plan, start, end in parts:
            own = [*decision.charges[start:end]] if decision.degraded is None else []
            if plan.ban is None or not any(policy.id in violated for policy, _, _ in own):
                continue
            _, key, _ = own[0]
            counted = await self.take([(plan.ban.counter, key, 1)])
            if not counted.allowed:
                await self._debit([(plan.ban.gate, key, 1)])
                if self.shared is not None:
                    self.shared.forget(own)

    async def _debit(self, charges: Sequence[Charge]) -> None:
        if self.shared is None:
            self.memory.debit(charges)
        elif charges and charges[0][0].table is None:
            await self.shared.debit(charges)
        else:  # counted in this process while the store did not answer
            self.memory.debit(charges)

    async def _refund(self, decision: Decision) -> None:
        if self.shared is None or decision.degraded == "local":
            self.memory.refund(decision)
        elif decision.degraded is None:
            await self.shared.refund(decision)

    def count(self, decision: Decision) -> None:
        """Count a decision for metrics."""
        if decision.allowed:
            for policy, _, _ in decision.charges:
                policy.allowed += 1
        else:
            for policy, _ in decision.violations():
                policy.denied += 1

    def metrics(self) -> dict[tuple[str, str], int]:
        """Return the counts by policy and outcome."""
        found = {}
        for name, policy in self._home.policies.items():
            local = policy.local
            found[name, "allowed"] = policy.allowed + (local.allowed if local else 0)
            found[name, "denied"] = policy.denied + (local.denied if local else 0)
        return found

    def problem(self) -> str | None:
        """Return why requests could not be counted in this event loop."""
        try:
            if self.shared is not None:
                self.shared.check()
        except RuntimeError as error:
            return str(error)
        return None

    async def aclose(self) -> None:
        """Release what the store holds."""
        if self.shared is not None:
            await self.shared.aclose()


def _parts_to_follow(parts: list[tuple[Plan, int, int]], decision: Decision) -> list[tuple[Plan, Decision]]:
    found = []
    for plan, start, end in parts:
        if plan.refunds or plan.cost_after is not None:
            own = decision
            if decision.degraded is None:
                own = Decision(True, decision.charges[start:end], decision.states[start:end], decision.now)
            found.append((plan, own))
    return found
