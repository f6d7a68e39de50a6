"""Write what was counted as text, in pieces between which others may run.

Standard: Prometheus text format 0.0.4 and 1.0.0; OpenMetrics 1.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .layout import number_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .families import Exemplar, Family, Pairs, Row
    from .homes import Book
    from .store import Snapshot

__all__ = ("EOF", "PIECE", "Names", "wanted_of", "write")

EOF: Final = b"# EOF\n"
"""How OpenMetrics ends."""
PIECE: Final = 24
"""Rows of a piece: well under a millisecond."""

Names = frozenset[str]
Lines = list[str]


def write(book: Book, snapshot: Snapshot, *, is_open: bool, names: Names | None = None) -> Iterator[bytes]:
    """Yield a text of what a book says, piece by piece; with ``names`` only families or samples called so."""
    for family in book.families:
        wanted = wanted_of(family, names)
        if wanted is None or wanted:
            yield from _family(family, snapshot, wanted, is_open=is_open)


def wanted_of(family: Family, names: Names | None) -> Names | None:
    """Return the samples that are wanted; ``None`` for all."""
    if names is None or family.name in names:
        return None
    return names.intersection(family.name + suffix for suffix in _SUFFIXES[family.kind])


_SUFFIXES: Final = {
    "counter": ("_total",),
    "gauge": ("",),
    "summary": ("_count", "_sum"),
    "histogram": ("_bucket", "_count", "_sum"),
}


def _family(family: Family, snapshot: Snapshot, wanted: Names | None, *, is_open: bool) -> Iterator[bytes]:
    write_rows = _histogram if family.kind == "histogram" else _plain
    head = _head(family, is_open=is_open)
    rows: dict[Pairs, Row] = {}
    for _ in family.fill(rows, snapshot):
        yield b""
    if not rows:
        return
    piece: Lines = [head]
    add = write_rows(family, wanted, is_open=is_open)
    for index, (pairs, row) in enumerate(rows.items(), 1):
        add(piece, _labels(pairs), row)
        if not index % PIECE:
            yield "".join(piece).encode("utf-8", "replace")
            piece = []
    if piece:
        yield "".join(piece).encode("utf-8", "replace")


def _head(family: Family, *, is_open: bool) -> str:
    name = family.name if is_open or family.kind != "counter" else f"{family.name}_total"
    unit = f"# UNIT {name} {family.unit}\n" if is_open and family.unit else ""
    return f"# HELP {name} {_escaped(family.help)}\n# TYPE {name} {family.kind}\n{unit}"


def _plain(family: Family, wanted: Names | None, *, is_open: bool) -> Callable[[Lines, str, Row], None]:
    names = [family.name + suffix for suffix in _SUFFIXES[family.kind]]
    chosen = [(index, name) for index, name in enumerate(names) if wanted is None or name in wanted]

    def add(piece: Lines, labels: str, row: Row) -> None:
        shown = f"{{{labels}}}" if labels else ""
        piece.extend(f"{name}{shown} {_number(row.numbers[index])}\n" for index, name in chosen)

    return add


def _histogram(family: Family, wanted: Names | None, *, is_open: bool) -> Callable[[Lines, str, Row], None]:
    name = family.name
    with_buckets, with_count, with_sum = (
        wanted is None or name + suffix in wanted for suffix in _SUFFIXES["histogram"]
    )
    tails = [f'le="{le}"}} ' for le in family.les]

    def add(piece: Lines, labels: str, row: Row) -> None:
        numbers = row.numbers
        if with_buckets:
            begin = f"{name}_bucket{{{labels}," if labels else f"{name}_bucket{{"
            if is_open and row.exemplars:
                piece.extend(_with_exemplars(begin, tails, numbers, row.exemplars))
            else:
                piece.extend([f"{begin}{tail}{number:.0f}\n" for tail, number in zip(tails, numbers, strict=False)])
        shown = f"{{{labels}}}" if labels else ""
        if with_count:
            piece.append(f"{name}_count{shown} {numbers[-2]:.0f}\n")
        if with_sum:
            piece.append(f"{name}_sum{shown} {number_text(numbers[-1])}\n")

    return add


def _with_exemplars(
    begin: str, tails: list[str], numbers: list[float], exemplars: dict[int, Exemplar]
) -> Iterable[str]:
    for index, tail in enumerate(tails):
        exemplar = exemplars.get(index)
        shown = ""
        if exemplar is not None:
            ids = f'trace_id="{exemplar.trace_id}",span_id="{exemplar.span_id}"'
            shown = f" # {{{ids}}} {number_text(exemplar.value)} {exemplar.timestamp:.3f}"
        yield f"{begin}{tail}{numbers[index]:.0f}{shown}\n"


def _labels(pairs: Pairs) -> str:
    return ",".join([f'{name}="{_escaped(value, quotes=True)}"' for name, value in pairs])


def _escaped(text: str, *, quotes: bool = False) -> str:
    if quotes and '"' in text:
        text = text.replace("\\", r"\\").replace('"', r"\"")
    elif "\\" in text:
        text = text.replace("\\", r"\\")
    return text.replace("\n", r"\n") if "\n" in text else text


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else number_text(value)
