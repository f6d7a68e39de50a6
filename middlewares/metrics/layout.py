"""Which number of a series is where."""

from __future__ import annotations

from bisect import bisect_left
from operator import add
from typing import TYPE_CHECKING, Final, NamedTuple

from prometheus_client.utils import floatToGoString

from .store import EXEMPLAR_WIDTH

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ("DURATIONS", "SIZES", "SOCKET_DURATIONS", "Bounds", "Layout", "Part", "layout_of", "merged", "number_text")

Bounds = tuple[float, ...]
"""The upper bounds of buckets, inclusive and rising, without the last, which is infinite."""

DURATIONS: Final[Bounds] = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Seconds (OpenTelemetry semantic conventions, ``http.server.request.duration``)."""
SIZES: Final[Bounds] = (100.0, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8)
"""Bytes; the semantic conventions advise none."""
SOCKET_DURATIONS: Final[Bounds] = (0.01, 0.1, 1.0, 10.0, 60.0, 300.0, 1800.0, 3600.0, 14400.0, 86400.0)
"""Seconds, to a day."""


class Part(NamedTuple):
    """A histogram among the numbers of a series: a count for each bucket, and their sum behind them."""

    at: int
    bounds: Bounds
    usual: int = 0
    """How many counts before all parts are of this one too (see `layout_of`): of its buckets in turn."""
    is_lowest: bool = False
    """Whether they are all of its lowest bucket instead."""

    @property
    def sum_at(self) -> int:
        """Where the sum is."""
        return self.at + len(self.bounds) + 1

    @property
    def end(self) -> int:
        """Where the next part begins."""
        return self.sum_at + 1

    def counts(self, cells: list[float]) -> list[float]:
        """Return how many values were noted, by bucket."""
        counts = cells[self.at : self.sum_at]
        if self.is_lowest:
            counts[0] += sum(cells[: self.usual])
        elif self.usual:
            return [*map(add, counts, cells)]
        return counts

    def total(self, cells: list[float]) -> float:
        """Return how many values were noted."""
        return sum(self.counts(cells))

    def observe(self, cells: list[float], value: float) -> None:
        """Note a value, where speed does not matter."""
        cells[self.at + bisect_left(self.bounds, value)] += 1
        cells[self.sum_at] += value


class Layout(NamedTuple):
    """The parts of a series of requests, and the widths of the numbers of each kind."""

    duration: Part
    first_byte: Part
    request_size: Part
    response_size: Part
    socket_duration: Part
    widths: Mapping[str, int]


def layout_of(durations: Bounds, sizes: Bounds) -> Layout:
    """Return the layout of series with these buckets.

    A series of requests begins with counts of the usual ones: those without a body, by the bucket of both their times
    where that is one. A single number stands for three values, and each only ever grows, whenever somebody looks.
    """
    usual = len(durations) + 1
    duration = Part(usual, durations, usual)
    first_byte = Part(duration.end, durations, usual)
    request_size = Part(first_byte.end, sizes, usual, is_lowest=True)
    response_size = Part(request_size.end, sizes)
    sockets = Part(0, SOCKET_DURATIONS)
    widths = {
        "http": response_size.end,
        "active": 1,
        "sockets": sockets.end,
        "open": 1,
        "messages": 4,
        "quotas": 1,
        "refusals": 1,
        "internal": 1,
        "exemplars": EXEMPLAR_WIDTH * (len(durations) + 1),
    }
    return Layout(duration, first_byte, request_size, response_size, sockets, widths)


def merged(*bounds: Collection[float]) -> Bounds:
    """Return all bounds once, rising, without infinity."""
    return tuple(sorted({float(bound) for group in bounds for bound in group} - {float("inf")}))


def number_text(value: float) -> str:
    """Return a number as Prometheus and OpenMetrics write it."""
    text: str = floatToGoString(value)  # type: ignore[no-untyped-call] # it has no annotations
    return text
