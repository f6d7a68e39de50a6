"""What travels to a Redis or Valkey server and back: the hits of one call in a few strings, and their decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from middlewares.stores import StoreUnavailable

from .decision import Decision
from .script import KINDS, TAKE

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from .policy import Charge, Policy

__all__ = ("Hit", "command", "packed", "unpacked")


class Hit(NamedTuple):
    """One hit on its way."""

    mode: int
    charges: Sequence[Charge]
    mark: int
    """Which charge a refund is of."""
    until: float
    """When its deadline is over, in the time of the event loop."""
    answer: asyncio.Future[Decision]


def _is_quick(hit: Hit) -> bool:
    """Return whether it is one charge of a bucket, which is told and answered in fewer words."""
    charges = hit.charges
    if len(charges) > 1 or hit.mode != TAKE:
        return False
    policy = charges[0][0]
    return policy.bucket is not None and not policy.is_gate


def packed(hits: Sequence[Hit], prefix: str) -> tuple[list[bytes], bytes]:
    """Return the keys, which begin with ``prefix``, and the numbers that the script is given of some hits."""
    keys: list[bytes] = []
    policies: dict[Policy, int] = {}
    told: list[str] = []
    for hit in hits:
        charges = hit.charges
        is_quick = _is_quick(hit)
        if not is_quick:
            told.append(f"0 {hit.mode} {len(charges)}")
        for policy, key, cost in charges:
            keys.append(f"{prefix}{policy.id}:{key}".encode())
            number = policies.get(policy)
            if number is None:
                number = policies[policy] = len(policies) + 1
            if cost > 2 * policy.algorithm.capacity:
                # This does not fit anyway, and numbers stay exact.
                cost = 2 * policy.algorithm.capacity + 1
            told.append(f"{number} {cost}" if is_quick else f"{number} {cost} {policy.is_gate:d} {hit.mark}")
    specs = " ".join([policy.spec for policy in policies])
    return keys, f"{len(policies)} {specs} {len(hits)} {' '.join(told)}".encode()


def command(*parts: bytes) -> bytes:
    """Return a command as servers read it, an array of bulk strings (RESP): redis-py takes long to make one of many."""
    return b"*%d\r\n%b" % (len(parts), b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in parts]))


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
        if _is_quick(hit):
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
