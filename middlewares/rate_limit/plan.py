"""Rules made ready: for a request, the policies to charge, the keys, and the units."""

from __future__ import annotations

from functools import partial
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Final

from middlewares.core.matching import ask, compile_matchers

from .keys import compile_key
from .notation import Quota, parse_limits, parse_period

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares.asgi import Scope

    from .keys import Host
    from .policy import Charge, Policy
    from .rules import Rule

__all__ = ("DENY", "Ban", "Plan", "check_cost", "make_policies")

DENY: Final[list[Any]] = []
"""What `Plan.charges` gives for a request that must be refused, because it has no key."""

_MOST_TIERS: Final = 256
_UNKNOWN: Final = "unknown"
"""The key of all clients without an address, as on a Unix socket."""


class Ban:
    """After too many refusals a client gets nothing but refusals for a time."""

    __slots__ = ("counter", "gate")

    def __init__(self, name: str, after: str, period: str, adopt: Callable[..., Policy]) -> None:
        (quota, *_) = parse_limits(after)
        self.counter = adopt(f"{name} refusals", quota, kind="fixed_window", is_gate=False)
        self.gate = adopt(f"{name} ban", Quota(1, parse_period(period)), kind="fixed_window", is_gate=True)


class Plan:
    """One rule, ready for requests. ``adopt`` makes a policy of a name and a quota, and gives it its store."""

    __slots__ = (
        "_cost", "_gates", "_key", "_make", "_missing", "_policies", "_tests", "_tier", "_tiers",
        "ban", "cost_after", "is_plain", "max_wait", "on_failure", "predicate", "refunds", "rule", "shadow",
    )  # fmt: skip

    def __init__(self, rule: Rule, adopt: Callable[..., Policy], *, step: int) -> None:
        self.rule = rule
        self._tests = compile_matchers(
            methods=rule.methods, paths=rule.paths, exclude_paths=rule.exclude_paths, hosts=rule.hosts
        )
        self.predicate = rule.predicate
        self._key = compile_key(rule.key or "ip")
        self._missing = rule.on_missing_key
        self._cost: Any = 1 if rule.cost is None else rule.cost
        self.cost_after = rule.cost_after
        self.refunds = _statuses(rule.refund_on)
        self.shadow = bool(rule.shadow)
        self.max_wait = rule.max_wait or 0
        self.on_failure = rule.on_store_failure or "local"
        self._make = partial(make_policies, rule, adopt=adopt, step=step if self._key is None else 0)
        is_fixed = isinstance(rule.limit, str)
        self._tier = None if is_fixed else rule.limit
        self._tiers: dict[str, tuple[Policy, ...]] = {}
        self._policies: tuple[Policy, ...] = self._make(str(rule.limit)) if is_fixed else ()
        name = rule.name or (str(rule.limit) if is_fixed else "tier")
        self.ban = Ban(name, rule.ban_after, rule.ban_for, adopt) if rule.ban_after else None
        self.is_plain = (
            is_fixed
            and len(self._policies) == 1
            and self._key is None
            and isinstance(self._cost, int)
            and not (self._tests or self.predicate or self.ban or self.shadow or self.max_wait)
            and not (self.cost_after or self.refunds)
        )
        """Whether every request is one charge by address, and nothing else is to do."""

    @property
    def policies(self) -> tuple[Policy, ...]:
        """The policies that are known before a request."""
        return self._policies

    async def applies(self, scope: Scope) -> bool:
        """Return whether a request satisfies every matcher."""
        for test in self._tests:
            if not test(scope):
                return False
        return self.predicate is None or bool(await ask(self.predicate, scope))

    async def charges(self, scope: Scope, host: Host | None) -> list[Charge]:
        """Return what to charge for a request: nothing if it is free; `DENY` if it has no key and must have one.

        Raises `ValueError` for a cost that is no whole number from 0 on.
        """
        policies = self._policies if self._tier is None else await self._tier_of(scope)
        if not policies:
            return []
        key = await self._key_of(scope, host)
        if key is None:
            return DENY if self._missing == "deny" else []
        cost = self._cost
        if type(cost) is not int:
            cost = check_cost(await ask(cost, scope))
        charges = [(policy, key, cost) for policy in policies]
        if self._key is None and host is not None and host.network is not None:
            charges += [(policy.step, host.network, cost) for policy in policies if policy.step is not None]
        if self.ban is not None:
            charges.insert(0, (self.ban.gate, key, 1))
        return charges

    async def _key_of(self, scope: Scope, host: Host | None) -> str | None:
        """Return the key of a request, or of those that have none and may share one."""
        if self._key is None:
            return _UNKNOWN if host is None else host.key
        found = self._key(scope)
        key = await found if isawaitable(found) else found
        if key is not None or self._missing in ("allow", "deny"):
            return key
        # A prefix that no other key has: nobody may choose to share the quota of an address.
        return "\x00" if self._missing == "shared" or host is None else f"\x00{host.key}"

    async def _tier_of(self, scope: Scope) -> tuple[Policy, ...]:
        text = await ask(self._tier, scope)  # type: ignore[arg-type]  # only asked where there is one
        if text is None:
            return ()
        if not isinstance(text, str):
            raise TypeError(f"RateLimit: limit must return a string such as '100/minute', or None; got {text!r}")
        policies = self._tiers.get(text)
        if policies is None:
            if len(self._tiers) >= _MOST_TIERS:
                # Each has a table of its own; whoever could name new ones would have a new quota each time.
                raise ValueError(f"RateLimit: limit must return no more than {_MOST_TIERS} different limits")
            policies = self._tiers[text] = self._make(text)
        return policies


def make_policies(rule: Any, text: str, *, adopt: Callable[..., Policy], step: int = 0) -> tuple[Policy, ...]:
    """Return the policies of a notation. With ``step``, each has one for the network around an IPv6 address."""
    quotas = parse_limits(text)
    policies: list[Policy] = []
    kind = rule.algorithm or "gcra"
    for quota in quotas:
        name = str(quota) if rule.name is None else rule.name if len(quotas) == 1 else f"{rule.name} {quota}"
        policy = adopt(name, quota, kind=kind, burst=rule.burst)
        if policy.is_rounded:
            raise ValueError("must be at most 100000 units a second, or divide a second, with this store")
        if step:
            wide = Quota(quota.amount * step, quota.period)
            burst = None if rule.burst is None else rule.burst * step
            policy.step = adopt(f"{name} /48", wide, kind=kind, burst=burst)
            policy.step.is_step = True
        policies.append(policy)
    return tuple(policies)


def check_cost(cost: object) -> int:
    """Return the units that a function gave. Raises `ValueError` unless they are a whole number from 0 on."""
    if isinstance(cost, bool) or not isinstance(cost, int) or cost < 0:
        raise ValueError(f"RateLimit: cost must be a whole number from 0 on; got {cost!r}")
    return cost


def _statuses(wanted: Any) -> frozenset[int]:
    """Return the statuses that ``refund_on`` names; 0 stands for an exception."""
    found: set[int] = set()
    for status in wanted:
        if status == "exception":
            found.add(0)
        elif isinstance(status, int):
            found.add(status)
        else:
            first = int(status[0]) * 100
            found.update(range(first, first + 100))
    return frozenset(found)
