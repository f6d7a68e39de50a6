"""How many requests at once are enough: found from how long their first byte takes, without any tuning.

An application of ``n`` workers answers ``n`` requests at once in the time that one takes alone, and ``m`` times as
many in ``m`` times that time. So the ratio of the two times tells how far too high a limit is. Gradient2 and Vegas
(the names are those of Netflix's ``concurrency-limits`` and of TCP) rest on this, and so does this::

    limit = limit * tolerance * time without load / time now + headroom

It settles where requests take about half as long again as without load, plus the headroom that it takes to grow.
Two things differ:

- The mean is the geometric one: a few requests that take very long, or next to no time, hardly move it.
- The time without load is not the least of a long while, nor a slow average, which follows the overload itself. It is
  measured again from time to time: for some requests the limit is just low enough that nothing has to wait.
"""

from __future__ import annotations

from math import exp, log, sqrt
from typing import Final

__all__ = ("Estimate",)

_TOLERANCE: Final = 1.6
"""How much longer than without load requests may take before the limit is lowered."""
_STEEPEST: Final = 0.5
"""No window takes more than half of the limit."""
_SMOOTHING: Final = 0.3
_LEAST_SAMPLES: Final = 32
_LEAST_PROBES: Final = 48
_BETWEEN_PROBES: Final = 40
"""Windows under load between two measurements of the time without load."""
_PROBE_SHARE: Final = 0.9
"""The limit while measuring, as a share of what the application is thought to do at once."""
_DEEPEST_PROBE: Final = 0.25
_BEFORE_KNOWN: Final = 3
"""Windows before a measurement while it is not known how long requests take without load."""
_MUCH_LESS: Final = 0.7
_SHORTEST: Final = 1e-6


class Estimate:
    """The limit, and the time that a request takes without load; both follow from samples.

    Samples are gathered into windows. Those of requests that were admitted under another ``epoch`` are left out, so
    that a measurement is not made of what was there before.
    """

    __slots__ = (
        "_before",
        "_count",
        "_exact",
        "_highest",
        "_is_known",
        "_lowest",
        "_peak",
        "_sum",
        "_wanted",
        "_windows",
        "epoch",
        "is_adaptive",
        "limit",
        "unloaded",
    )

    def __init__(self, limit: int, lowest: int, highest: int, *, is_adaptive: bool) -> None:
        self.limit = limit
        """How many requests may be worked on at once."""
        self.unloaded: float | None = None
        """Seconds until the first byte when nothing has to wait; ``None`` until it is known."""
        self.epoch = 0
        self.is_adaptive = is_adaptive
        self._exact = float(limit)
        self._lowest = lowest
        self._highest = highest
        self._before: float | None = None  # the limit to go back to after a measurement
        self._windows = 0  # under load, since the last measurement
        self._sum = 0.0  # of logarithms
        self._is_known = False  # whether the time without load was measured at a time without much load
        self._count = 0
        self._peak = 0  # most in flight
        self._wanted = _LEAST_SAMPLES
        self._clear()

    def sample(self, seconds: float, in_flight: int, epoch: int) -> None:
        """Take note of a request that took ``seconds`` to its first byte, with as many in flight in the end."""
        if epoch != self.epoch:
            return
        self._sum += log(seconds if seconds > _SHORTEST else _SHORTEST)  # noqa: FURB136 - asked for every request
        self._count += 1
        if in_flight > self._peak:
            self._peak = in_flight
        if self._count >= self._wanted:
            self._close_window(exp(self._sum / self._count))
            self._clear()

    def _close_window(self, seconds: float) -> None:
        if self.unloaded is None:
            self.unloaded = seconds
        if not self.is_adaptive:
            self._follow(seconds, 0.3 if seconds < self.unloaded else 0.02)
        elif self._before is not None:
            self._end_probe(seconds)
        elif self._peak * 2 < self._exact:
            # Nothing waits for the sake of a limit that is not even half used.
            self._follow(seconds, 0.2)
            self._is_known = True
        else:
            if seconds < self.unloaded:
                # By little: on a noisy machine there is always a window that was lucky.
                self._follow(seconds, 0.1)
            self._adapt(self.unloaded / seconds)

    def _follow(self, seconds: float, share: float) -> None:
        assert self.unloaded is not None  # noqa: S101 - the first window has set it
        self.unloaded += (seconds - self.unloaded) * share

    def _adapt(self, speed: float) -> None:
        """Move the limit; ``speed`` is 1 where requests take as long as without load, and less where they wait."""
        gradient = max(_STEEPEST, min(1.0, _TOLERANCE * speed))
        wanted = self._exact * gradient + sqrt(self._exact)
        self._exact += (wanted - self._exact) * _SMOOTHING
        self._exact = min(max(self._exact, self._lowest), self._highest)
        self.limit = int(self._exact)
        self._windows += 1
        if self._windows >= (_BETWEEN_PROBES if self._is_known else _BEFORE_KNOWN) and (
            speed < 1 / 1.2 or not self._is_known
        ):
            share = max(speed, _DEEPEST_PROBE) * _PROBE_SHARE if self._is_known else _DEEPEST_PROBE
            self._before = self._exact
            self._exact = max(self._exact * share, self._lowest)
            self._set()

    def _end_probe(self, seconds: float) -> None:
        assert self.unloaded is not None  # noqa: S101 - the first window has set it
        assert self._before is not None  # noqa: S101 - it has begun
        # Much less than was thought: it may be less still, so the next measurement comes soon.
        self._is_known = seconds > self.unloaded * _MUCH_LESS
        self._follow(seconds, 0.5 if self._is_known else 1.0)
        self._exact, self._before = self._before, None
        self._set()

    def _set(self) -> None:
        self.limit = int(self._exact)
        self.epoch += 1
        self._windows = 0

    def _clear(self) -> None:
        self._sum = 0.0
        self._count = 0
        self._peak = 0
        self._wanted = max(_LEAST_SAMPLES if self._before is None else _LEAST_PROBES, 2 * self.limit)
