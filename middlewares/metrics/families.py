"""What a page of metrics says of what was counted: each family picks its numbers, its labels, and adds up the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, Literal

from .layout import Bounds, number_text
from .store import EXEMPLAR_WIDTH, OVERFLOW, Key

if TYPE_CHECKING:
    from .layout import Part
    from .store import Snapshot

__all__ = ("Exemplar", "Family", "Label", "Pairs", "Row", "counter", "gauge", "histogram", "summary")

Pairs = tuple[tuple[str, str], ...]
"""Names and values of labels. One without value is not there, which to Prometheus is the same."""
Label = tuple[str, "Callable[[Key], object]"]
"""The name of a label, and what finds its value in a key."""
Kind = Literal["counter", "gauge", "histogram", "summary"]

_OVERFLOW_PAIRS: Final[Pairs] = (("otel_metric_overflow", "true"),)
"""OpenTelemetry, metrics SDK, cardinality limits."""
_STEP: Final = 50


@dataclass(slots=True)
class Exemplar:
    """One request of a bucket, by the ids of its trace."""

    trace_id: str
    span_id: str
    value: float
    timestamp: float


@dataclass(slots=True)
class Row:
    """The numbers of one set of labels."""

    numbers: list[float]
    """Of a counter or gauge its value; of a summary count and sum; of a histogram each bucket with all below, and
    the sum."""
    exemplars: dict[int, Exemplar] | None = None
    """By bucket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A metric: its name, and how it is read."""

    name: str
    """Without the suffixes that its samples have."""
    kind: Kind
    help: str
    unit: str = ""
    """The last word of the name, where that is a unit."""
    source: str
    """The kind of numbers that it reads."""
    labels: tuple[Label, ...] = ()
    custom: Callable[[Key], Pairs] | None = None
    """What finds the labels that users added."""
    read: Callable[[list[float]], list[float]]
    bounds: Bounds = ()
    """Of a histogram."""
    edges: tuple[int, ...] = ()
    """Which of the counts that are kept end its buckets."""
    has_exemplars: bool = False
    _pairs: dict[Key, Pairs] = field(default_factory=dict[Key, Pairs], repr=False)

    @property
    def les(self) -> tuple[str, ...]:
        """The bounds as the label ``le`` has them, the infinite one too (OpenMetrics 1.0, "Canonical Numbers")."""
        return (*(number_text(bound) for bound in self.bounds), "+Inf")

    def rows(self, snapshot: Snapshot) -> dict[Pairs, Row]:
        """Return its numbers by labels."""
        rows: dict[Pairs, Row] = {}
        for _ in self.fill(rows, snapshot):
            pass
        return rows

    def fill(self, rows: dict[Pairs, Row], snapshot: Snapshot) -> Iterator[None]:
        """Do as `rows` does, and stop now and then, so that others may run."""
        exemplars = snapshot["exemplars"] if self.has_exemplars else {}
        read = self.read
        # Keys were let in up to a limit, but those of other processes may be others again.
        if len(self._pairs) > 4 * len(snapshot[self.source]) + 1000:
            self._pairs.clear()
        for number, (key, cells) in enumerate(snapshot[self.source].items(), 1):
            if not number % _STEP:
                yield
            pairs = self._pairs.get(key)
            if pairs is None:
                pairs = self._pairs[key] = self.pairs(key)
            row = rows.get(pairs)
            if row is None:
                row = rows[pairs] = Row(read(cells))
            else:
                row.numbers = [one + other for one, other in zip(row.numbers, read(cells), strict=True)]
            if key in exemplars:
                row.exemplars = self._newest(row.exemplars or {}, exemplars[key])
        if not self.labels and not rows and self.custom is None:
            rows[()] = Row([0] * self.width)

    @property
    def width(self) -> int:
        """How many numbers a row has."""
        return {"counter": 1, "gauge": 1, "summary": 2}.get(self.kind, len(self.bounds) + 2)

    def pairs(self, key: Key) -> Pairs:
        """Return the labels of a key."""
        if key == OVERFLOW:
            return _OVERFLOW_PAIRS
        pairs = tuple((name, str(value)) for name, find in self.labels if (value := find(key)) not in (None, ""))
        return pairs if self.custom is None else (*pairs, *(pair for pair in self.custom(key) if pair[1]))

    def _newest(self, there: dict[int, Exemplar], cells: list[float]) -> dict[int, Exemplar]:
        bucket = 0
        for index in range(len(cells) // EXEMPLAR_WIDTH):
            timestamp, value, *parts = cells[index * EXEMPLAR_WIDTH : (index + 1) * EXEMPLAR_WIDTH]
            if index > self.edges[bucket]:
                bucket += 1
            if timestamp and (bucket not in there or there[bucket].timestamp < timestamp):
                digits = "".join(f"{int(part):08x}" for part in parts)
                there[bucket] = Exemplar(digits[:32], digits[32:], value, timestamp)
        return there


def histogram(name: str, text: str, part: Part, *, bounds: Bounds | None = None, **options: Any) -> Family:
    """Return a histogram of a part, with some of its bounds."""
    chosen = part.bounds if bounds is None else bounds
    edges = (*(part.bounds.index(bound) for bound in chosen), len(part.bounds))
    end, is_whole = part.sum_at, len(chosen) == len(part.bounds)

    def read(cells: list[float]) -> list[float]:
        counts = list(accumulate(part.counts(cells)))
        if not is_whole:
            counts = [counts[edge] for edge in edges]
        counts.append(cells[end])
        return counts

    return Family(name=name, kind="histogram", help=text, read=read, bounds=chosen, edges=edges, **options)


def summary(name: str, text: str, part: Part, **options: Any) -> Family:
    """Return count and sum of a part."""
    return Family(
        name=name, kind="summary", help=text, read=lambda cells: [part.total(cells), cells[part.sum_at]], **options
    )


def counter(name: str, text: str, read: Callable[[list[float]], float], **options: Any) -> Family:
    """Return a counter; ``name`` is without ``_total``."""
    return Family(name=name, kind="counter", help=text, read=lambda cells: [read(cells)], **options)


def gauge(name: str, text: str, **options: Any) -> Family:
    """Return a gauge of the only number there is."""
    return Family(name=name, kind="gauge", help=text, read=lambda cells: [cells[0]], **options)
