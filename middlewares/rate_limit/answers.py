"""What a client gets that is refused: 429 with what it must know, or 503 where the store failed.

Standard: RFC 6585, 4 (429); RFC 9457 with the problem types of draft-ietf-httpapi-ratelimit-headers-10, 6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from middlewares.core.refusals import Prepared, Refusal

if TYPE_CHECKING:
    from .decision import Decision
    from .policy import Policy

__all__ = ("DENIED", "NO_KEY", "Answers", "unavailable")

_TYPES: Final = "https://iana.org/assignments/http-problem-types#"
_MOST: Final = 256
_NO_STORE: Final = ((b"cache-control", b"no-store"),)

DENIED: Final = Refusal(status=403, code="rate_limit.deny", detail="This client may not use this service.")
NO_KEY: Final = Refusal(status=403, code="rate_limit.key", detail="The request does not say who makes it.")


class Answers(dict[tuple["Policy", ...], Prepared]):
    """The answers to requests that do not fit their quotas, by the policies that they do not fit."""

    __slots__ = ()

    def __missing__(self, violated: tuple[Policy, ...]) -> Prepared:
        if len(self) >= _MOST:
            self.clear()
        prepared = self[violated] = Prepared(_denial(violated))
        return prepared

    def to(self, decision: Decision) -> Prepared:
        """Return the answer to a denial."""
        return self[tuple(policy for policy, _ in decision.violations())]


def _denial(violated: tuple[Policy, ...]) -> Refusal:
    is_ban = any(policy.is_gate for policy in violated)
    return Refusal(
        status=429,
        code="rate_limit.ban" if is_ban else "rate_limit.quota",
        title="Banned for a time" if is_ban else "Quota exceeded",
        type=_TYPES + ("abnormal-usage-detected" if is_ban else "quota-exceeded"),
        detail="Too many requests for now. Retry-After says when the next is let in.",
        members={"violated-policies": [policy.name for policy in violated]},
        headers=_NO_STORE,
    )


def unavailable(names: list[str], seconds: int) -> Refusal:
    """Return the answer where quotas cannot be told, and nothing may pass untold."""
    return Refusal(
        status=503,
        code="rate_limit.store",
        title="Temporarily reduced capacity",
        type=_TYPES + "temporary-reduced-capacity",
        detail="Requests cannot be served just now.",
        members={"violated-policies": names},
        headers=((b"retry-after", b"%d" % max(1, seconds)), *_NO_STORE),
        close_code=1013,
    )
