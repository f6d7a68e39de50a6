"""Levels by the size of the body, and the time that they take."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ("Levels", "Step")

_NANO = 1e-9


@dataclass(frozen=True, slots=True)
class Step:
    """One level, for bodies up to a size."""

    level: int
    up_to: float = float("inf")
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Levels:
    """The levels of one library: which is taken for which size, and what each costs."""

    steps: tuple[Step, ...]
    """Levels for growing sizes, where none is prescribed; the last has no limit."""
    stream: int
    """The level of a stream of unknown size, where none is prescribed."""
    nanoseconds: dict[int, float]
    """By level, the time for a byte of text: as measured, and 40 % more. A level left out takes the next lower's."""
    setup: dict[int, float]
    """By level, the seconds that even an empty body takes. A level left out takes the next lower's."""

    def at(self, size: int | None) -> int:
        """Return the level for a body of ``size`` bytes, or of unknown size."""
        if size is None:
            return self.stream
        for step in self.steps:
            if size <= step.up_to:
                return step.level
        raise AssertionError("the last step has no limit")

    def seconds(self, level: int, size: int) -> float:
        """Predict how long encoding ``size`` bytes takes."""
        return _nearest(self.setup, level) + size * _nearest(self.nanoseconds, level) * _NANO


def _nearest(table: dict[int, float], level: int) -> float:
    return table[max((known for known in table if known <= level), default=min(table))]
