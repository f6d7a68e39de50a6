"""Levels by the size of the body, and the time that they take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ("Levels", "Settled", "Step")

_NANO: Final = 1e-9
_ANY_SIZE: Final = float("inf")


@dataclass(frozen=True, slots=True)
class Step:
    """One level, for bodies up to a size."""

    level: int
    up_to: float = _ANY_SIZE
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

    def settled(self, level: int | None) -> Settled:
        """Return which level is taken for each size, if that is ``level``, or (``None``) none is prescribed."""
        return Settled(self, self.steps if level is None else (Step(level),), self.stream if level is None else level)


class Settled:
    """The levels of one codec."""

    __slots__ = ("_steps", "_stream")

    def __init__(self, levels: Levels, steps: tuple[Step, ...], stream: int) -> None:
        self._stream = stream
        # Looked at for every response, so all is worked out here.
        self._steps = tuple(
            (
                step.up_to,
                step.level,
                _nearest(levels.setup, step.level),
                _nearest(levels.nanoseconds, step.level) * _NANO,
            )
            for step in steps
        )

    def at(self, size: int | None) -> int:
        """Return the level for a body of ``size`` bytes, or of unknown size."""
        return self._stream if size is None else self._step(size)[1]

    def seconds(self, size: int) -> float:
        """Predict how long encoding ``size`` bytes takes."""
        _, _, setup, each = self._step(size)
        return setup + size * each

    def _step(self, size: int) -> tuple[float, int, float, float]:
        index = 0
        while size > self._steps[index][0]:
            index += 1
        return self._steps[index]


def _nearest(table: dict[int, float], level: int) -> float:
    return table[max((known for known in table if known <= level), default=min(table))]
