"""Write what was counted as protobuf, in pieces between which others may run.

Standard: Prometheus, "Exposition formats", protobuf format.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from .exposition import PIECE, wanted_of
from .protobuf import (
    bucket,
    bucket_bound,
    count_field,
    counter,
    exemplar,
    family_head,
    histogram,
    labels,
    metric,
    simple,
    summary,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .exposition import Names
    from .families import Exemplar, Family, Pairs, Row
    from .homes import Book
    from .store import Snapshot

__all__ = ("write_messages",)


def write_messages(book: Book, snapshot: Snapshot, names: Names | None = None) -> Iterator[bytes]:
    """Yield messages of what a book says, piece by piece; with ``names`` only families that are called so, whole."""
    for family in book.families:
        wanted = wanted_of(family, names)
        if wanted is None or wanted:
            yield from _message(family, snapshot)


def _message(family: Family, snapshot: Snapshot) -> Iterator[bytes]:
    rows: dict[Pairs, Row] = {}
    for _ in family.fill(rows, snapshot):
        yield b""
    if not rows:
        return
    point = _POINTS[family.kind](family)
    pieces: list[bytes] = []  # held back, as the length of all stands in front
    piece: list[bytes] = []
    for index, (pairs, row) in enumerate(rows.items(), 1):
        piece.append(metric(labels(pairs), point(row)))
        if not index % PIECE:
            pieces.append(b"".join(piece))
            piece = []
            yield b""
    pieces.append(b"".join(piece))
    name = f"{family.name}_total" if family.kind == "counter" else family.name
    yield family_head(name, family.help, family.kind, family.unit, sum(map(len, pieces)))
    yield from pieces


def _histogram(family: Family) -> Callable[[Row], bytes]:
    bounds = [bucket_bound(bound) for bound in (*family.bounds, inf)]

    def point(row: Row) -> bytes:
        counts = [count_field(number) for number in row.numbers[:-1]]
        if row.exemplars:
            shown = [_exemplar(row.exemplars.get(index)) for index in range(len(bounds))]
            buckets = map(bucket, counts, bounds, shown)
        else:
            buckets = map(bucket, counts, bounds)
        return histogram(counts[-1], row.numbers[-1], buckets)

    return point


def _exemplar(noted: Exemplar | None) -> bytes:
    if noted is None:
        return b""
    ids = (("trace_id", noted.trace_id), ("span_id", noted.span_id))
    return exemplar(ids, noted.value, noted.timestamp)


_POINTS: Final[dict[str, Callable[[Family], Callable[[Row], bytes]]]] = {
    "counter": lambda _: lambda row: counter(row.numbers[0]),
    "gauge": lambda _: lambda row: simple("gauge", row.numbers[0]),
    "summary": lambda _: lambda row: summary(count_field(row.numbers[0], is_summary=True), row.numbers[1]),
    "histogram": _histogram,
}
