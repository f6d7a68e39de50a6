"""What travels to a Redis or Valkey server and back: the hits of one call in a few strings, and their decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from middlewares.stores import StoreUnavailable

from .decision import Decision
from .script import KINDS, TAKE

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from .policy import Charge, Policy

__all__ = ("Hit", "packed", "unpacked")


class Hit(NamedTuple):
    """One hit on its way."""

    mode: int
    charges: Sequence[Charge]
    mark: int
    """Which charge a refund is of."""
    until: float
    """When its deadline is over, in the time of the event loop."""
    answer: asyncio.Future[Decision]

    @property
    def is_quick(self) -> bool:
        """Whether it is one charge of a bucket, which is told and answered in fewer words."""
        charges = self.charges
        return (
            self.mode == TAKE and len(charges) == 1 and charges[0][0].bucket is not None and not charges[0][0].is_gate
        )


def packed(hits: Sequence[Hit], name: Callable[[Policy, str], str]) -> tuple[list[str], str]:
    """Return the keys and the numbers that the script is given of some hits."""
    keys: list[str] = []
    policies: dict[Policy, int] = {}
    told: list[str] = []
    for hit in hits:
        charges = hit.charges
        is_quick = hit.is_quick
        if not is_quick:
            told.append(f"0 {hit.mode} {len(charges)}")
        for policy, key, cost in charges:
            keys.append(name(policy, key))
            number = policies.setdefault(policy, len(policies) + 1)
            # Above this no cost fits anyway, and numbers stay exact.
            cost = min(cost, 2 * policy.algorithm.capacity + 1)
            told.append(f"{number} {cost}" if is_quick else f"{number} {cost} {policy.is_gate:d} {hit.mark}")
    specs = " ".join(policy.spec for policy in policies)
    return keys, f"{len(policies)} {specs} {len(hits)} {' '.join(told)}"


def unpacked(reply: Any, hits: Sequence[Hit]) -> list[Decision]:
    """Return the decisions that a reply of the script tells. Raises `StoreUnavailable` if it is none."""
    try:
        return _read([*map(int, reply.split())], hits)
    except (AttributeError, IndexError, ValueError) as error:
        raise StoreUnavailable("the reply of the server is none of the script") from error


def _read(numbers: list[int], hits: Sequence[Hit]) -> list[Decision]:
    now = numbers[0] * 1000
    at = 1
    decisions = []
    for hit in hits:
        charges = hit.charges
        if hit.is_quick:
            state = numbers[at]
            at += 1
            decisions.append(Decision(state >= 0, charges, (abs(state),), now))
            continue
        is_allowed = numbers[at] == 1
        at += 1
        states: list[Any] = []
        for policy, _, _ in charges:
            size = KINDS[policy.algorithm.kind]
            states.append(numbers[at] if size == 1 else tuple(numbers[at : at + size]))
            at += size
        decisions.append(Decision(is_allowed, charges, tuple(states), now))
    return decisions
