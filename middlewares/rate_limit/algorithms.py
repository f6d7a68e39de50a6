"""Decide whether a hit fits a quota: pure functions of a small state, the time and a cost, in whole ticks.

========================  ===========================  ====================================================
``gcra``                  one integer                  a bucket that refills evenly; a full burst at once
``strict``                one integer                  never more than the quota in *any* window
``fixed_window``          end, used                    windows that begin with a client's first hit
``sliding_window``        start, before, used          the window before counts for the part still in sight
========================  ===========================  ====================================================

A tick is as many nanoseconds as the store that keeps the state counts in. No step uses floats, so a decision is the
same on every machine, and a wait that is told is true to the tick. An empty state stands for "never seen"; all times
are above 0.

Standard: ITU-T I.371, A.1 (GCRA, the virtual scheduling algorithm).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from .notation import LONGEST

if TYPE_CHECKING:
    from .notation import Quota

__all__ = ("ALGORITHMS", "NEVER", "Algorithm", "Bucket", "FixedWindow", "SlidingWindow", "make_algorithm", "tick_for")

ALGORITHMS: Final = ("gcra", "strict", "fixed_window", "sliding_window")

NEVER: Final = -1
"""A wait that no time ends: the cost is above what can ever be had at once."""

_MOST_UNITS: Final = 10**14
_EXACT: Final = 1 << 52
"""Products below this are exact in the doubles that Lua counts with."""


class Algorithm(Protocol):
    """How hits are counted. A state is whatever `charge` returned last, or `empty`."""

    kind: str
    """What a script of a shared store knows it as."""
    empty: Any
    capacity: int
    """The most units that can pass at once."""
    lifetime: int
    """Ticks after a state was written when it is as good as `empty`."""

    @property
    def arguments(self) -> tuple[int, ...]:
        """The numbers that a script of a shared store counts with."""
        ...

    def charge(self, state: Any, now: int, cost: int) -> Any:
        """Return the state after a hit of ``cost`` units, or ``None`` if it does not fit: then nothing changed."""
        ...

    def debit(self, state: Any, now: int, cost: int) -> Any:
        """Return the state after units that were used already, whether they fit or not: up to one capacity of debt."""
        ...

    def refund(self, state: Any, now: int, cost: int, charged: Any) -> Any:
        """Return the state with units given back, which the charge that led to ``charged`` had taken."""
        ...

    def view(self, state: Any, now: int) -> tuple[int, int]:
        """Return the units left, and the ticks until one more is there; 0 where all are."""
        ...

    def wait(self, state: Any, now: int, cost: int) -> int:
        """Return the ticks until ``cost`` units fit, if nothing else is charged; `NEVER` if they cannot."""
        ...

    def sound(self, state: Any, now: int) -> Any:
        """Return the state, cut to what it can be at this time: a clock that was set back must not lock anyone out."""
        ...

    def expires(self, state: Any) -> int:
        """Return the time from which on a state is as good as `empty`."""
        ...


class Bucket:
    """GCRA: the state is the time at which the bucket is full again.

    A unit takes ``interval`` ticks to come back; at one moment ``capacity`` units can pass, at no speed of the
    clock more: with whole ticks, rounding never costs or gives a unit.
    """

    __slots__ = ("_ceiling", "capacity", "interval", "lifetime", "tolerance")

    kind = "bucket"
    empty = 0

    def __init__(self, interval: int, capacity: int) -> None:
        self.capacity = capacity
        self.interval = interval
        """Ticks in which a unit comes back."""
        self.tolerance = interval * capacity
        """How far ahead of the time the state may lie."""
        self._ceiling = self.lifetime = 2 * self.tolerance

    @property
    def arguments(self) -> tuple[int, ...]:
        return self.interval, self.tolerance

    def charge(self, state: int, now: int, cost: int) -> int | None:
        # Not by `max`: this is asked for every request.
        after = (max(now, state)) + cost * self.interval
        return after if after - now <= self.tolerance else None

    def debit(self, state: int, now: int, cost: int) -> int:
        return min(max(state, now) + cost * self.interval, now + self._ceiling)

    def refund(self, state: int, now: int, cost: int, charged: int) -> int:
        return max(now, state - cost * self.interval)

    def view(self, state: int, now: int) -> tuple[int, int]:
        if state <= now:
            return self.capacity, 0
        room = self.tolerance - state + now
        if room < 0:
            return 0, self.interval - room
        left = room // self.interval
        return left, (left + 1) * self.interval - room

    def wait(self, state: int, now: int, cost: int) -> int:
        if cost > self.capacity:
            return NEVER
        wait = (max(now, state)) + cost * self.interval - now - self.tolerance
        return max(0, wait)

    def sound(self, state: int, now: int) -> int:
        return state if state <= now + self._ceiling else now + self.tolerance

    def expires(self, state: int) -> int:
        return state


class FixedWindow:
    """So many units in a window that begins with the first hit: the state is when it ends, and what was used."""

    __slots__ = ("_period", "capacity", "lifetime")

    kind = "fixed"
    empty = (0, 0)

    def __init__(self, amount: int, period: int) -> None:
        self.capacity = amount
        self._period = self.lifetime = period

    @property
    def arguments(self) -> tuple[int, ...]:
        return self._period, self.capacity

    def charge(self, state: tuple[int, int], now: int, cost: int) -> tuple[int, int] | None:
        end, used = state
        if end <= now:
            end, used = now + self._period, 0
        used += cost
        return (end, used) if used <= self.capacity else None

    def debit(self, state: tuple[int, int], now: int, cost: int) -> tuple[int, int]:
        end, used = state if state[0] > now else (now + self._period, 0)
        return end, min(used + cost, 2 * self.capacity)

    def refund(self, state: tuple[int, int], now: int, cost: int, charged: tuple[int, int]) -> tuple[int, int]:
        end, used = state
        return (end, max(0, used - cost)) if end == charged[0] and end > now else state

    def view(self, state: tuple[int, int], now: int) -> tuple[int, int]:
        end, used = state
        if end <= now or not used:
            return self.capacity, 0
        return max(0, self.capacity - used), end - now

    def wait(self, state: tuple[int, int], now: int, cost: int) -> int:
        if cost > self.capacity:
            return NEVER
        end, used = state
        return 0 if end <= now or used + cost <= self.capacity else end - now

    def sound(self, state: tuple[int, int], now: int) -> tuple[int, int]:
        return state if state[0] <= now + self._period else (now + self._period, state[1])

    def expires(self, state: tuple[int, int]) -> int:
        return state[0]


_Slide = tuple[int, int, int]


class SlidingWindow:
    """Windows one after another: what was used in the one before fades evenly while the present one passes.

    The state is the start of the present window, what was used before it, and what was used in it. Everything is
    counted in unit-ticks: ``before * (period - passed) + used * period``, at most ``amount * period``.
    """

    __slots__ = ("_period", "capacity", "lifetime")

    kind = "sliding"
    empty = (0, 0, 0)

    def __init__(self, amount: int, period: int) -> None:
        self.capacity = amount
        self._period = period
        self.lifetime = 2 * period

    @property
    def arguments(self) -> tuple[int, ...]:
        return self._period, self.capacity

    def charge(self, state: _Slide, now: int, cost: int) -> _Slide | None:
        start, before, used = self._at(state, now)
        period = self._period
        used += cost
        fits = before * (period - now + start) + used * period <= self.capacity * period
        return (start, before, used) if fits else None

    def debit(self, state: _Slide, now: int, cost: int) -> _Slide:
        start, before, used = self._at(state, now)
        return start, before, min(used + cost, 2 * self.capacity)

    def refund(self, state: _Slide, now: int, cost: int, charged: _Slide) -> _Slide:
        start, before, used = state
        return (start, before, max(0, used - cost)) if start == charged[0] else state

    def view(self, state: _Slide, now: int) -> tuple[int, int]:
        start, before, used = self._at(state, now)
        taken = before * (self._period - now + start) + used * self._period
        left = max(0, self.capacity - -(-taken // self._period))
        return left, 0 if left == self.capacity else self.wait(state, now, left + 1)

    def wait(self, state: _Slide, now: int, cost: int) -> int:
        if cost > self.capacity:
            return NEVER
        start, before, used = self._at(state, now)
        rest = self._period - now + start
        room = self.capacity - used - cost
        if room >= 0:
            excess = before * rest - room * self._period
            return -(-excess // before) if excess > 0 else 0
        # What was used in this window must fade in the next; where that is debt, perhaps in all of it.
        return rest + self._period - (self.capacity - cost) * self._period // used

    def sound(self, state: _Slide, now: int) -> _Slide:
        return state if state[0] <= now else (now, state[1], state[2])

    def expires(self, state: _Slide) -> int:
        return state[0] + 2 * self._period

    def _at(self, state: _Slide, now: int) -> _Slide:
        """Return the state with the window that is present now."""
        start, _, used = state
        passed = now - start
        if passed < self._period:
            return state
        if passed < 2 * self._period:
            return start + self._period, used, 0
        return now, 0, 0


def make_algorithm(name: str, quota: Quota, burst: int | None = None, tick: int = 1) -> Algorithm:
    """Return the algorithm that counts a quota, in ticks of so many nanoseconds.

    ``burst`` is the most units at once: for ``gcra`` the amount unless given, for ``strict`` half of it. Raises
    `ValueError` for a burst that is not above 0, that ``strict`` cannot keep, that windows have no use for, or that
    is so large that a store could not count it exactly.
    """
    amount, period = quota.amount, max(1, quota.period // tick)
    if burst is not None and burst < 1:
        raise ValueError("must be above 0")
    if name == "gcra":
        return _bucket(-(-period // amount), burst or amount, tick)
    if name == "strict":
        burst = burst or (amount + 1) // 2
        if burst > amount:
            raise ValueError("must not be above the amount of a strict limit")
        # Within any half-open window of the period pass the burst, and one unit for each interval that ends in it:
        # burst + ceil(period / interval) - 1 <= amount.
        return _bucket(-(-period // (amount - burst + 1)), burst, tick)
    if burst is not None:
        raise ValueError(f"must not be given with {name}, whose windows are bursts")
    return FixedWindow(amount, period) if name == "fixed_window" else SlidingWindow(amount, period)


def _bucket(interval: int, capacity: int, tick: int) -> Bucket:
    if capacity > _MOST_UNITS or (interval - 1) * capacity * tick > LONGEST:
        raise ValueError("must be at most 10**14 units, and come back within 100 years")
    return Bucket(interval, capacity)


def tick_for(name: str, quota: Quota) -> int:
    """Return the tick, in nanoseconds, of a store whose numbers are doubles: 1 µs, or a power of ten of it."""
    tick = 1000
    if name == "sliding_window":
        while 4 * quota.amount * (quota.period // tick) >= _EXACT:
            tick *= 10
    return tick
