"""What a client gets that is refused: 429 with what it must know, or 503 where the store failed.

Standard: RFC 6585, 4 (429); RFC 9457 with the problem types of draft-ietf-httpapi-ratelimit-headers-10, 6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from middlewares.core.refusals import Refusal

from .fields import retry_after

if TYPE_CHECKING:
    from .decision import Decision
    from .fields import Fields

__all__ = ("DENIED", "NO_KEY", "denial", "unavailable")

_TYPES: Final = "https://iana.org/assignments/http-problem-types#"
_NO_STORE: Final = ((b"cache-control", b"no-store"),)

DENIED: Final = Refusal(status=403, reason="rate_limit.deny", detail="This client may not use this service.")
NO_KEY: Final = Refusal(status=403, reason="rate_limit.key", detail="The request does not say who makes it.")


def denial(decision: Decision, fields: Fields | None) -> Refusal:
    """Return the answer to a request that does not fit its quotas, naming those that it does not fit."""
    violated = [policy for policy, _ in decision.violations()]
    names = [policy.name for policy in violated]
    is_ban = any(policy.is_gate for policy in violated)
    headers = [*retry_after(decision), *_NO_STORE]
    members: dict[str, Any] = {"violated-policies": names}
    return Refusal(
        status=429,
        reason="rate_limit.ban" if is_ban else "rate_limit.quota",
        title="Banned for a time" if is_ban else "Quota exceeded",
        type=_TYPES + ("abnormal-usage-detected" if is_ban else "quota-exceeded"),
        detail=_advice(decision.retry_after),
        members=members,
        headers=tuple(headers if fields is None else fields.add(headers, decision)),
    )


def unavailable(names: list[str], seconds: int) -> Refusal:
    """Return the answer where quotas cannot be told, and nothing may pass untold."""
    return Refusal(
        status=503,
        reason="rate_limit.store",
        title="Temporarily reduced capacity",
        type=_TYPES + "temporary-reduced-capacity",
        detail="Requests cannot be served just now.",
        members={"violated-policies": names},
        headers=((b"retry-after", b"%d" % max(1, seconds)), *_NO_STORE),
        close_code=1013,
    )


def _advice(seconds: int | None) -> str:
    if seconds is None:
        return "This request costs more than the quota ever allows at once."
    return f"Too many requests: the next is let in after {max(1, seconds)} s."
