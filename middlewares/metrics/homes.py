"""One place to count for each registry and set of names, whichever layers count there.

Frameworks build their stack anew, an application may have the layer twice, and a process several applications: all
of them count together, as they did before.
"""

from __future__ import annotations

import os
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary
from zlib import crc32

from prometheus_client.core import Exemplar as ClientExemplar
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample

from middlewares.core.observer import INTERNAL_ERRORS
from middlewares.errors import OptionError, Problem

from .layout import DURATIONS, SIZES, layout_of, merged
from .presets import PRESETS, common_families
from .store import DIRECTORY_VARIABLE, Home

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import CollectorRegistry

    from .families import Family, Pairs, Row
    from .layout import Layout
    from .ledger import Ledger
    from .middleware import Metrics
    from .store import Snapshot

__all__ = ("IS_LEFT_OUT", "Book", "books_of", "note_failures", "open_books")

IS_LEFT_OUT: Final[ContextVar[bool]] = ContextVar("middlewares_metrics_left_out", default=False)
"""Whether books give nothing to who collects: the endpoint writes them itself."""

_COMMON: Final = "common"
_shelf: Final[WeakKeyDictionary[CollectorRegistry, dict[str, Book]]] = WeakKeyDictionary()
_shelf_lock: Final = threading.Lock()


class _Conflict(ValueError):
    """Two layers of one registry cannot count together."""


class _NoDirectory(ValueError):
    """The environment names a directory for several processes that is none."""


class Book:
    """What is counted in one home, and the families that tell it; a collector for prometheus_client."""

    def __init__(self, home: Home, layout: Layout, families: tuple[Family, ...]) -> None:
        self.home = home
        self.layout = layout
        self.families = families

    def describe(self) -> list[Metric]:
        """Return the metrics without values, so that another of the same name is refused."""
        return [Metric(family.name, family.help, family.kind, family.unit) for family in self.families]

    def collect(self) -> Iterator[Metric]:
        """Yield what was counted, for prometheus_client."""
        if IS_LEFT_OUT.get():
            return
        snapshot = self.snapshot()
        for family in self.families:
            metric = Metric(family.name, family.help, family.kind, family.unit)
            for pairs, row in family.rows(snapshot).items():
                metric.samples += _samples(family, pairs, row)
            yield metric

    def snapshot(self) -> Snapshot:
        """Return what was counted; it may wait for files."""
        return self.home.snapshot()


class _CommonBook(Book):
    """Brings failures of observers along, which are counted elsewhere."""

    def snapshot(self) -> Snapshot:
        self.home.catch_up()
        note_failures(self.home)
        return self.home.snapshot()


def open_books(layer: Metrics, registry: CollectorRegistry | None) -> tuple[Book, Book]:
    """Return where a layer counts requests, and all else; without registry nobody will see it. Raises `OptionError`."""
    preset = PRESETS[layer.names]
    durations = merged(preset.durations if layer.buckets is None else layer.buckets)
    extra = merged(layer.slo)
    sizes = merged(layer.size_buckets)
    layout = layout_of(merged(durations, preset.always, extra), sizes)
    prefix = layer.prefix or preset.prefix
    place = f"{layer.names} {prefix}".strip()
    common = layout_of(DURATIONS, SIZES)
    try:
        book = _book(Book, registry, place, layout, preset.families(prefix, layout, extra), layer.max_series)
        rest = _book(_CommonBook, registry, _COMMON, common, common_families(common), layer.max_series)
    except _NoDirectory as error:
        hint = "an empty one, made before the first process starts"
        raise OptionError(type(layer).__name__, [Problem(DIRECTORY_VARIABLE, str(error), hint=hint)]) from error
    except _Conflict as error:
        hint = "give this one a registry or a prefix of its own"
        raise OptionError(type(layer).__name__, [Problem("registry", str(error), hint=hint)]) from error
    return book, rest


def books_of(registry: CollectorRegistry) -> list[Book]:
    """Return what is counted for a registry."""
    with _shelf_lock:
        return list(_shelf.get(registry, {}).values())


def note_failures(home: Home) -> None:
    """Count failures of observers in this process that have not been counted yet."""
    with home.lock:
        for layer, count in list(INTERNAL_ERRORS.items()):
            more = count - home.noted.get(layer, 0)
            home.noted[layer] = count
            if more > 0:
                home.add("internal", (layer,), more)


def _book(
    cls: type[Book],
    registry: CollectorRegistry | None,
    name: str,
    layout: Layout,
    families: tuple[Family, ...],
    limit: int,
) -> Book:
    if registry is None:
        return cls(Home(name, layout.widths, limit), layout, families)
    with _shelf_lock:
        books = _shelf.setdefault(registry, {})
        book = books.get(name)
        if book is None:
            # Processes with other buckets, as there are while a deployment is rolled out, count apart in the files.
            home = Home(f"{name} {crc32(repr(layout).encode()):08x}", layout.widths, limit, _ledger())
            book = cls(home, layout, families)
            try:
                registry.register(book)
            except ValueError as error:
                raise _Conflict(f"must not hold metrics of the same names ({error})") from error
            books[name] = book
        elif book.layout != layout:
            raise _Conflict("must not be that of another Metrics with other buckets")
        book.home.max_series = max(book.home.max_series, limit)
    return book


def _ledger() -> Ledger | None:
    """Return the files that processes share, if the environment names a directory for them."""
    directory = os.environ.get(DIRECTORY_VARIABLE)
    if not directory:
        return None
    try:
        from .ledger import ledger_of
    except ImportError:  # pragma: no cover - Windows, where each process tells its own numbers
        return None
    try:
        return ledger_of(directory)
    except OSError as error:
        raise _NoDirectory(f"must name a directory that this process may write to ({error})") from error


def _samples(family: Family, pairs: Pairs, row: Row) -> Iterator[Sample]:
    labels = dict(pairs)
    if family.kind == "counter":
        yield Sample(f"{family.name}_total", labels, row.numbers[0])
    elif family.kind == "gauge":
        yield Sample(family.name, labels, row.numbers[0])
    elif family.kind == "summary":
        yield Sample(f"{family.name}_count", labels, row.numbers[0])
        yield Sample(f"{family.name}_sum", labels, row.numbers[1])
    else:
        for index, le in enumerate(family.les):
            exemplar = (row.exemplars or {}).get(index)
            shown: Any = None
            if exemplar is not None:
                ids = {"trace_id": exemplar.trace_id, "span_id": exemplar.span_id}
                shown = ClientExemplar(ids, exemplar.value, exemplar.timestamp)
            yield Sample(f"{family.name}_bucket", {**labels, "le": le}, row.numbers[index], None, shown)
        yield Sample(f"{family.name}_count", labels, row.numbers[-2])
        yield Sample(f"{family.name}_sum", labels, row.numbers[-1])
