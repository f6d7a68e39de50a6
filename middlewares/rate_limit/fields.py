"""Tell clients how they stand, in the header fields of one or several drafts and habits.

=============== ============================================================================================
``draft-10``    ``RateLimit-Policy: "100/minute";q=100;w=60`` and ``RateLimit: "100/minute";r=99;t=1``
``draft-07``    ``RateLimit-Policy: 100;w=60`` and ``RateLimit: limit=100, remaining=99, reset=1``
``draft-06``    ``RateLimit-Policy: 100;w=60``, ``RateLimit-Limit``, ``RateLimit-Remaining``, ``RateLimit-Reset``
``x-ratelimit`` ``X-RateLimit-Limit``, ``X-RateLimit-Remaining``, ``X-RateLimit-Reset``
=============== ============================================================================================

The lists of draft-10 take further lines of other limiters; of the others only one can stand in a response, and that
of the application, or of a limiter further in, is kept.

Standard: draft-ietf-httpapi-ratelimit-headers-10, -07 and -06; RFC 9651 (Structured Fields).
"""

from __future__ import annotations

from random import randint
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from middlewares.core.headers import HeaderList

    from .decision import Decision
    from .policy import Policy

__all__ = ("DEFAULT_STYLES", "Fields", "Style", "retry_after")

Style: TypeAlias = Literal["draft-10", "draft-07", "draft-06", "x-ratelimit"]
DEFAULT_STYLES: tuple[Style, ...] = ("draft-10",)

_SINGLE: Final = {
    "draft-07": (b"", b""),
    "draft-06": (b"ratelimit-limit", b"ratelimit-remaining", b"ratelimit-reset"),
    "x-ratelimit": (b"x-ratelimit-limit", b"x-ratelimit-remaining", b"x-ratelimit-reset"),
}


class Fields:
    """The fields of every response that a limiter lets through or makes.

    With ``below`` they are told of requests that pass once fewer than so many per cent of a quota are left. ``jitter``
    lengthens the times told, by so many per cent at most.
    """

    __slots__ = ("_below", "_is_new", "_jitter", "_older", "is_simple")

    def __init__(self, styles: Collection[str], *, below: int = 100, jitter: int = 0) -> None:
        self._is_new = "draft-10" in styles
        self._older = tuple(style for style in _SINGLE if style in styles)
        self._below = below
        self._jitter = jitter
        self.is_simple = self._is_new and not self._older and below == 100 and not jitter
        """Whether they are those of draft-10 alone, in every response."""

    def add(self, headers: Iterable[tuple[bytes, bytes]], decision: Decision, share: int | None = None) -> HeaderList:
        """Return the headers of a response with those that tell of a decision."""
        result = [*headers]
        shown = [*decision.readings()]
        if not shown or (decision.allowed and not any(self._is_low(policy, left) for policy, left, _ in shown)):
            return result
        share = self._share() if share is None else share
        told = [(policy, left, _stretched(policy.rounded(reset), share)) for policy, left, reset in shown]
        if self._is_new:
            result.append((b"ratelimit-policy", b", ".join([policy.member for policy, _, _ in told])))
            # Of each the units left, and the seconds until there are more, unless all are there.
            result.append((b"ratelimit", b", ".join([policy.lines[left, reset][1] for policy, left, reset in told])))
        return self._add_older(result, told) if self._older else result

    def refusal(self, decision: Decision) -> HeaderList:
        """Return ``Retry-After`` and the fields of a refusal, which agree on the time."""
        share = self._share()
        return self.add(retry_after(decision, share), decision, share)

    def _is_low(self, policy: Policy, left: int) -> bool:
        return self._below == 100 or left * 100 < policy.quota.amount * self._below

    def _share(self) -> int:
        """Return the parts of a thousand that a time is told as."""
        return 1000 + (randint(0, 10 * self._jitter) if self._jitter else 0)  # noqa: S311 - it keeps no secret

    def _add_older(self, headers: HeaderList, told: list[tuple[Policy, int, int]]) -> HeaderList:
        present = {name.lower() for name, _ in headers}
        policies = b", ".join([b"%d;w=%d" % (policy.quota.amount, policy.window) for policy, _, _ in told])
        # What a client must heed is the quota that runs out first.
        policy, left, reset = min(told, key=lambda reading: (reading[1], -reading[2]))
        numbers = policy.quota.amount, left, reset
        for style in self._older:
            if style != "x-ratelimit" and b"ratelimit-policy" not in present:
                headers.append((b"ratelimit-policy", policies))
                present.add(b"ratelimit-policy")
            if style == "draft-07":
                if b"ratelimit" not in present:
                    headers.append((b"ratelimit", b"limit=%d, remaining=%d, reset=%d" % numbers))
            elif not present.intersection(_SINGLE[style]):
                headers += [(name, b"%d" % number) for name, number in zip(_SINGLE[style], numbers, strict=True)]
        return headers


def retry_after(decision: Decision, share: int = 1000) -> tuple[tuple[bytes, bytes], ...]:
    """Return ``Retry-After`` (RFC 9110, 10.2.3) of a denial: none where waiting does not help."""
    seconds = decision.retry_after
    return () if seconds is None else ((b"retry-after", b"%d" % _stretched(max(1, seconds), share)),)


def _stretched(seconds: int, share: int) -> int:
    return -(-seconds * share // 1000)
