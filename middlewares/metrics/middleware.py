"""The layer: it notes what became of each request, in the few lists that its series is."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from prometheus_client import REGISTRY, CollectorRegistry

from middlewares.asgi import ASGIApp
from middlewares.core.known_methods import known_methods
from middlewares.core.layer import freeze, placeholder
from middlewares.core.observer import INTERNAL_ERRORS, Observer, Plan, observe
from middlewares.core.paths import MONITORING_PATHS, compile_paths, route_path

from .check import check_options
from .endpoint import MetricsEndpoint
from .facts import note_decisions, note_exemplar, wire_size
from .homes import Book, note_failures, open_books
from .labels import OTHER, Labels, tame
from .layout import SIZES
from .presets import Names
from .sockets import OpenSocket
from .tallies import Tallies

if TYPE_CHECKING:
    from middlewares.core.observed import ObservedCall

    from .store import Cells, Key
    from .tallies import Series, Tally

__all__ = ("Metrics",)

_BODILESS: Final = frozenset({204, 304})  # RFC 9110, 6.4.1
_SOCKET_SCHEMES: Final = {"ws": "ws", "wss": "wss"}


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class Metrics(Observer):
    """Count and time requests and WebSockets, for Prometheus: by method, route, status, and what went wrong.

    Every request is counted once, however it ends: also those that are cancelled, that the client leaves, or that
    nobody answers. Times end with the last byte and sizes are of the bytes that really moved. No client can make the
    number of series grow: what is not known has one name, and there is an upper limit.

    What is counted stands in a registry of prometheus_client, so that it shares the page with whatever else the
    application counts. Several instances on one registry count together.

    Order: outside whatever may refuse requests, for these to be counted; inside `ProxyHeaders`.
    Standard: OpenTelemetry semantic conventions 1.44 (HTTP metrics); OpenMetrics 1.0; Prometheus text format 0.0.4.
    """

    app: ASGIApp = field(kw_only=False)
    path: str | None = None
    """Where to tell what was counted, such as ``/metrics``; nowhere unless given. See ``allow``."""
    allow: Collection[str] = ()
    """Networks that may ask for it, such as ``10.0.0.0/8``; anybody if empty."""
    names: Names = "semantic-conventions"
    """Whose names and labels the metrics have: ``semantic-conventions``, ``prometheus-fastapi-instrumentator`` or
    ``starlette-exporter``."""
    prefix: str = ""
    """Put before the names of the metrics of requests, such as ``shop_``."""
    buckets: Collection[float] | None = None
    """Upper bounds of durations, in seconds; those that belong to the names unless given."""
    size_buckets: Collection[float] = SIZES
    """Upper bounds of sizes, in bytes."""
    slo: Collection[float] = ()
    """Durations in seconds that have to be among the bounds, as an objective speaks of them."""
    labels: Mapping[str, str | Callable[..., Any] | Mapping[str, Any]] = field(default_factory=dict)
    """Further labels, by name: a fixed value; ``{ header = "x-plan", values = ["free", "pro"] }`` or the same with
    ``response_header``; or a function that is given the ``HTTPConnection``."""
    protocol_version: bool = False
    """Whether to tell versions of HTTP apart, by the label ``network_protocol_version``."""
    exclude_paths: Collection[str] = MONITORING_PATHS
    """Path patterns that are not counted; health checks and metrics unless given."""
    max_series: int = 2000
    """The most series of one kind; what comes later has the label ``otel_metric_overflow`` and no other."""
    exemplars: bool = True
    """Whether to keep the ids of a sampled trace for each bucket."""
    registry: CollectorRegistry | None = None
    """Where the metrics are found; the default registry of prometheus_client unless given."""

    _plan: Plan = field(init=False, repr=False)
    _book: Book = field(init=False, repr=False)
    _common: Book = field(init=False, repr=False)
    _excluded: Callable[[str], object] = field(init=False, repr=False)
    _endpoint: MetricsEndpoint | None = field(init=False, repr=False)
    _pages: frozenset[str] = field(init=False, repr=False)
    _methods: dict[str, str] = field(init=False, repr=False)
    _labels: Labels | None = field(init=False, repr=False)
    _constant: tuple[tuple[str, str], ...] = field(init=False, repr=False)
    _is_manifold: bool = field(init=False, repr=False)
    _tallies: Tallies = field(init=False, repr=False)
    _first_under: list[ref[Observer]] = field(init=False, repr=False)
    _offsets: tuple[Any, ...] = field(init=False, repr=False)
    _offsets_apart: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_options(self)
        pages = frozenset(() if self.path is None else (self.path.rstrip("/") or "/", self.path.rstrip("/") + "/"))
        registry = REGISTRY if self.registry is None else self.registry
        endpoint = None if self.path is None else MetricsEndpoint(registry=registry, allow=self.allow)
        labels = dict(self.labels)
        if self.names == "starlette-exporter":
            labels = {"app_name": "starlette", **labels}
        given = Labels(labels)
        freeze(
            self,
            _excluded=compile_paths((*self.exclude_paths, *pages)),
            _endpoint=endpoint,
            _pages=pages,
            _methods={method: method for method in known_methods()},
            _labels=given if given.is_asked else None,
            _constant=given.constant,
            _is_manifold=given.is_asked or self.protocol_version,
            _first_under=[ref(self)],
        )
        self._open(None if self.app is placeholder else registry)
        freeze(self, _plan=observe(self))

    def _open(self, registry: CollectorRegistry | None) -> None:
        """Find where to count. What only checks its options leaves no trace in the registry."""
        book, common = open_books(self, registry)
        duration, first_byte, received, sent = book.layout[:4]
        sizes = tuple(int(size) if size.is_integer() else size for size in sent.bounds)  # compared with integers sooner
        freeze(
            self,
            _book=book,
            _common=common,
            _tallies=Tallies(book.home, self._methods, self._constant),
            _offsets=(
                *(duration.bounds, duration.bounds[0], duration.sum_at, first_byte.sum_at),
                *(sent.at, sent.sum_at, sizes),
            ),
            _offsets_apart=(duration.at, first_byte.at, first_byte.sum_at, received.at, received.sum_at),
        )

    def begin(self, call: ObservedCall) -> Any:
        """Count a request as active; return where, or the open WebSocket."""
        scope = call.scope
        is_mounted = "root_path" in scope and scope["root_path"]  # `get` costs more than both
        path = route_path(scope) if is_mounted else scope["path"]
        if self._excluded(path):
            if path in self._pages and self._endpoint is not None:
                call.target = self._endpoint
            return None
        is_socket = scope["type"] == "websocket"
        # Another instance may stand further out, in the same application or in one around it.
        is_first = self._first_under[0]() is call.observer or self._is_first(call)
        has_others = not is_first or len(call.exchange.layers or ()) > 1
        if has_others and self._is_counted_outside(call, self._common if is_socket else self._book):
            return None
        if is_socket:
            return OpenSocket(self._common, call, _SOCKET_SCHEMES.get(scope.get("scheme", "ws"), OTHER))
        try:
            tally = self._tallies.by_scheme[scope["scheme"]][scope["method"]]
        except KeyError:
            tally = self._tallies.of(scope)
        tally.active[0] += 1
        return tally

    def finish(self, call: ObservedCall, state: Any) -> None:
        """Note what became of it."""
        facts = call.exchange.facts
        if type(state) is OpenSocket:
            state.finish()
            return self._finish_rest(call, facts or {}, None, 0)
        state.active[0] -= 1
        try:
            series = state.series[call.route][call.status] if call.is_fine and not self._is_manifold else None
        except (KeyError, TypeError):  # one that is new, or what an application invents: no list is a status
            series = None
        cells, has_body, key = series or self._series(call, state)
        bounds, least, sum_at, first_sum, out_at, out_sum, sizes = self._offsets
        began = call.began
        duration = (call.ended or began) - began
        bucket = bisect_left(bounds, duration) if duration > least else 0
        first = call.first_byte
        if first is None or call.received or (bucket and first - began <= bounds[bucket - 1]):
            self._count_apart(call, cells, bucket)
        else:  # most responses leave at once, so that both times are in one bucket
            cells[bucket] += 1
            cells[first_sum] += first - began
        cells[sum_at] += duration
        sent = call.sent if facts is None or "codings" not in facts else wire_size(call, facts["codings"])
        if sent and has_body:
            cells[out_at + bisect_left(sizes, sent)] += 1
            cells[out_sum] += sent
        else:
            cells[out_at] += 1
        # All is counted by now, whatever others have put into the exchange.
        if facts is not None:
            is_plain = "refusals" not in facts and "quotas" not in facts and "is_sampled" not in facts
            if not is_plain or ("span" in facts and facts["span"].trace_flags & 1):
                self._finish_rest(call, facts, key, duration)
        if INTERNAL_ERRORS and self._common.home.ledger is not None:
            note_failures(self._common.home)

    def _series(self, call: ObservedCall, tally: Tally) -> Series:
        """Return where to count what became of a request."""
        is_fine = call.is_fine
        status, error = (call.status, None) if is_fine else (call.final_status, call.error_type)
        route = call.route
        version = call.scope.get("http_version", "1.1") if self.protocol_version else None
        labels = self._labels
        custom = self._constant if labels is None else labels.of(call, lambda failure: _note(call, self, failure))
        told = (tally.method, tally.scheme, status, route, error, version, custom)
        key = tame(told)
        home = self._book.home
        table = home.local.shard.http
        cells = table.get(key)
        if cells is None:
            cells = home.cells("http", key)
        series = cells, not tally.is_head and key[2] not in _BODILESS, key
        if is_fine and not self._is_manifold and key == told and key in table:
            tally.series.setdefault(route, {})[call.status] = series
        return series

    def _count_apart(self, call: ObservedCall, cells: Cells, bucket: int) -> None:
        """Count the duration of a request that is not usual, by its bucket; its first byte, and what it brought."""
        duration_at, first_at, first_sum, size_at, size_sum = self._offsets_apart
        bounds, *_, sizes = self._offsets
        cells[duration_at + bucket] += 1
        if call.first_byte is not None:
            first = call.first_byte - call.began
            cells[first_at + bisect_left(bounds, first)] += 1
            cells[first_sum] += first
        received = call.received
        cells[size_at + bisect_left(sizes, received)] += 1
        cells[size_sum] += received

    def _finish_rest(self, call: ObservedCall, facts: Mapping[str, Any], key: Key | None, duration: float) -> None:
        """Note what few requests have."""
        if key is not None and self.exemplars and call.exchange.is_sampled:
            bucket = bisect_left(self._offsets[0], duration)
            note_exemplar(self._book.home, key, bucket, duration, call.exchange)
        if ("refusals" in facts or "quotas" in facts) and not self._is_counted_outside(call, self._common):
            note_decisions(self._common.home, facts)

    def counts_in(self, book: Book) -> bool:
        """Return whether this instance counts in a book."""
        return book is self._book or book is self._common

    def _is_first(self, call: ObservedCall) -> bool:
        """Return whether, of those who watch this call together, this is the outermost that counts."""
        for observer in call.observers:
            if observer is self:
                break
            if isinstance(observer, Metrics):
                return False
        # They are the same each time that the outermost is: it is known by now for the next call.
        self._first_under[0] = ref(call.observer)
        return True

    def _is_counted_outside(self, call: ObservedCall, book: Book) -> bool:
        for layer in call.exchange.layers or ():
            for observer in layer._plan.observers if isinstance(layer, Observer) else ():  # noqa: SLF001 - of our own
                if observer is self:
                    return False
                if isinstance(observer, Metrics) and observer.counts_in(book):
                    return True
        return False


def _note(call: ObservedCall, layer: Metrics, failure: Exception) -> None:
    call.plan.failed(call.observers.index(layer), failure)
