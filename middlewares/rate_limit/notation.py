"""Read limits as people write them: ``100/minute``, ``5 per 2 hours``, several with ``;`` between them.

The notation is that of the ``limits`` library, so that limits written for slowapi can stay as they are.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

__all__ = ("LONGEST", "SECOND", "Quota", "parse_limits", "parse_period")

SECOND: Final = 1_000_000_000
"""Nanoseconds."""

_PERIODS: Final = {
    "second": SECOND,
    "minute": 60 * SECOND,
    "hour": 3600 * SECOND,
    "day": 86_400 * SECOND,
    "month": 30 * 86_400 * SECOND,
    "year": 365 * 86_400 * SECOND,
}
LONGEST: Final = 100 * _PERIODS["year"]
"""The longest period: twice that, and the time of a clock, are exact in the integers of every store."""
_LIMIT: Final = re.compile(
    r"\s*(?P<amount>[0-9]{1,12})\s*(?:/|\sper\s)\s*(?P<count>[0-9]{1,9})?\s*(?P<period>second|minute|hour|day|month|year)s?\s*",
    re.IGNORECASE,
)
_PERIOD: Final = re.compile(
    r"\s*(?P<count>[0-9]{1,9})?\s*(?P<period>second|minute|hour|day|month|year)s?\s*", re.IGNORECASE
)
_MOST: Final = 16
"""Limits in one notation: each is charged for every request."""
_LONGEST_TEXT: Final = 64
"""Characters of one limit: a function may make them of what a client sent, and white space is tried many ways."""


class Quota(NamedTuple):
    """So many units in a period."""

    amount: int
    period: int
    """Nanoseconds."""

    def __str__(self) -> str:
        """Return it in the shortest notation."""
        for name, length in reversed(_PERIODS.items()):
            count, rest = divmod(self.period, length)
            if not rest:
                return f"{self.amount}/{name}" if count == 1 else f"{self.amount}/{count} {name}s"
        return f"{self.amount}/{self.period} ns"


def parse_limits(text: str) -> tuple[Quota, ...]:
    """Return the quotas that a notation such as ``100/minute;5/second`` names.

    Between several stands ``;``, ``,`` or ``|``. A month is 30 days, a year 365. Raises `ValueError`.
    """
    parts = re.split(r"[;,|]", text)
    if len(parts) > _MOST or len(text) > _MOST * _LONGEST_TEXT:
        raise ValueError(f"must hold at most {_MOST} limits of {_LONGEST_TEXT} characters")
    quotas = tuple(map(_quota, parts))
    if len({quota.period for quota in quotas}) < len(quotas):
        raise ValueError("must hold no two limits of one period")
    return quotas


def parse_period(text: str) -> int:
    """Return the nanoseconds of a period such as ``hour`` or ``15 minutes``. Raises `ValueError`."""
    match = _PERIOD.fullmatch(text[: _LONGEST_TEXT + 1])
    if match is None or len(text) > _LONGEST_TEXT or match["count"] == "0":
        raise ValueError("must be a period such as 'hour' or '15 minutes'")
    return _bounded(int(match["count"] or 1) * _PERIODS[match["period"].lower()])


def _bounded(period: int) -> int:
    if period > LONGEST:
        raise ValueError("must hold periods of at most 100 years")
    return period


def _quota(text: str) -> Quota:
    match = _LIMIT.fullmatch(text)
    if match is None:
        raise ValueError("must be limits such as '100/minute' or '100/minute;5/second'")
    amount, count = int(match["amount"]), int(match["count"] or 1)
    if not amount or not count:
        raise ValueError("must hold amounts and periods above 0")
    return Quota(amount, _bounded(count * _PERIODS[match["period"].lower()]))
