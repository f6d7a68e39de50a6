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
    """The fields of every response that a limiter lets through or makes."""

    __slots__ = ("_is_new", "_older", "is_simple")

    def __init__(self, styles: Collection[str]) -> None:
        self._is_new = "draft-10" in styles
        self._older = tuple(style for style in _SINGLE if style in styles)
        self.is_simple = self._is_new and not self._older
        """Whether they are those of draft-10 alone."""

    def add(self, headers: Iterable[tuple[bytes, bytes]], decision: Decision) -> HeaderList:
        """Return the headers of a response with those that tell of a decision."""
        result = [*headers]
        shown = [*decision.readings()] if self._is_new else []
        if shown:
            result.append((b"ratelimit-policy", b", ".join(policy.member for policy, _, _ in shown)))
            result.append((b"ratelimit", b", ".join(_member(*reading) for reading in shown)))
        return self._add_older(result, decision) if self._older else result

    def _add_older(self, headers: HeaderList, decision: Decision) -> HeaderList:
        shown = [*decision.readings()]
        if not shown:
            return headers
        present = {name.lower() for name, _ in headers}
        policies = b", ".join(b"%d;w=%d" % (policy.quota.amount, policy.window) for policy, _, _ in shown)
        # What a client must heed is the quota that runs out first.
        policy, left, reset = min(shown, key=lambda reading: (reading[1], -reading[2] * reading[0].tick))
        numbers = policy.quota.amount, left, policy.rounded(reset)
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


def _member(policy: Policy, left: int, reset: int) -> bytes:
    """Return a member of ``RateLimit``: units left, and the seconds until there are more, unless all are there."""
    return policy.lines[left, policy.rounded(reset)][1]


def retry_after(decision: Decision) -> tuple[tuple[bytes, bytes], ...]:
    """Return ``Retry-After`` (RFC 9110, 10.2.3) of a denial: none where waiting does not help."""
    seconds = decision.retry_after
    return () if seconds is None else ((b"retry-after", b"%d" % max(1, seconds)),)
