"""What each algorithm promises, told once more in rational numbers and in other words than the code's."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple

__all__ = ("Answer", "Leaking", "Sliding", "Windows")


class Answer(NamedTuple):
    """What a hit led to."""

    is_allowed: bool
    remaining: int
    reset: int
    """Ticks until more units are there; 0 if all are."""
    retry: int
    """Ticks until the same hit passes; -1: never. 0 where it passed."""


class Leaking:
    """A bucket with a hole: every hit pours in its units, one unit flows out per interval."""

    def __init__(self, interval: int, capacity: int) -> None:
        self.rate = Fraction(1, interval)
        self.capacity = capacity
        self.level = Fraction(0)
        self.at = 0

    def hit(self, now: int, cost: int) -> Answer:
        self.level = max(Fraction(0), self.level - (now - self.at) * self.rate)
        self.at = now
        excess = self.level + cost - self.capacity
        is_allowed = excess <= 0
        if is_allowed:
            self.level += cost
        remaining = floor(self.capacity - self.level)
        reset = ceil((self.level - (self.capacity - remaining - 1)) / self.rate) if self.level else 0
        retry = 0 if is_allowed else -1 if cost > self.capacity else ceil(excess / self.rate)
        return Answer(is_allowed, remaining, reset, retry)


class Windows:
    """The log of all hits of the present window, which began with the first of them."""

    def __init__(self, amount: int, period: int) -> None:
        self.amount = amount
        self.period = period
        self.log: list[tuple[int, int]] = []

    def hit(self, now: int, cost: int) -> Answer:
        if self.log and now >= self.log[0][0] + self.period:
            self.log.clear()
        used = sum(units for _, units in self.log)
        is_allowed = used + cost <= self.amount
        if is_allowed:
            used += cost
            self.log.append((now, cost))
        rest = self.log[0][0] + self.period - now if self.log else 0
        retry = 0 if is_allowed else -1 if cost > self.amount else rest
        return Answer(is_allowed, self.amount - used, rest if used else 0, retry)


class Sliding:
    """Two windows of a grid that begins with the first hit after a pause; the earlier fades with time."""

    def __init__(self, amount: int, period: int) -> None:
        self.amount = amount
        self.period = period
        self.start: int | None = None
        self.used: dict[int, int] = {}
        """Units by the number of the window, counted from the start."""

    def hit(self, now: int, cost: int) -> Answer:
        if self.start is None or not any(self.used.get(self._number(now) - back, -1) >= 0 for back in (0, 1)):
            self.start, self.used = now, {}
        is_allowed = self._taken(now) + cost <= self.amount
        if is_allowed:
            number = self._number(now)
            self.used[number] = self.used.get(number, 0) + cost
        remaining = max(0, floor(self.amount - self._taken(now)))
        reset = 0 if remaining == self.amount else self._until(now, remaining + 1)
        retry = 0 if is_allowed else -1 if cost > self.amount else self._until(now, cost)
        return Answer(is_allowed, remaining, reset, retry)

    def _number(self, now: int) -> int:
        return (now - (self.start or 0)) // self.period

    def _taken(self, now: int) -> Fraction:
        number = self._number(now)
        passed = Fraction((now - (self.start or 0)) % self.period, self.period)
        return self.used.get(number - 1, 0) * (1 - passed) + self.used.get(number, 0)

    def _until(self, now: int, cost: int) -> int:
        """Return when it fits, by bisection: what is taken only falls while nothing is charged."""
        low, high = 0, 2 * self.period
        while low < high:
            middle = (low + high) // 2
            if self._taken(now + middle) + cost <= self.amount:
                high = middle
            else:
                low = middle + 1
        return low
