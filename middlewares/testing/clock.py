"""A clock that stands still until the test moves it, for everything that takes a clock as an option."""

from __future__ import annotations

__all__ = ("ManualClock",)

_NS = 1_000_000_000


class ManualClock:
    """Stand in for ``time.monotonic``, ``perf_counter`` or ``time`` (call it), and for their ``_ns`` kin (`ns`).

    ::

        clock = ManualClock()
        app = ServerTiming(app, clock=clock)
        clock.advance(0.25)

    Time is kept in whole nanoseconds, so that many small steps add up exactly.
    """

    __slots__ = ("_now",)

    def __init__(self, start: float = 1000.0) -> None:
        """Start at ``start`` seconds; not at 0, so that "never" and "at the start" do not look alike."""
        self._now = _whole_ns(start)

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self._now / _NS

    def ns(self) -> int:
        """Return the time in nanoseconds."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move on by ``seconds``, which may be 0 but not negative (`ValueError`)."""
        if not seconds >= 0:  # also refuses NaN
            raise ValueError(f"ManualClock: seconds must not be negative; got {seconds!r}")
        self._now += _whole_ns(seconds)

    def __repr__(self) -> str:
        return f"ManualClock({self()!r})"


def _whole_ns(seconds: float) -> int:
    return round(seconds * _NS)
