"""Write the metrics that others keep in a registry, in a thread; one that fails costs its own metrics, not the page."""

from __future__ import annotations

import copy
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from middlewares.core.observer import INTERNAL_ERRORS

from .exposition import EOF
from .foreign_messages import write_family
from .homes import IS_LEFT_OUT
from .store import DIRECTORY_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .exposition import Names
    from .formats import Format

    Write = Callable[[Metric], bytes]

__all__ = ("write_foreign",)

LOGGER: Final = logging.getLogger("middlewares.metrics")

_OWNER: Final = "MetricsEndpoint"
_MOST_TOLD: Final = 1000
_told: Final[set[str]] = set()


def write_foreign(registry: CollectorRegistry, form: Format, names: Names | None) -> bytes:
    """Return all in a registry that is not ours, without the end of OpenMetrics.

    What a collector raises is logged, the first time as an error, and counted as a failure of the endpoint.
    """
    write = _writer(form)
    is_binary = form.kind == "protobuf"
    token = IS_LEFT_OUT.set(True)
    try:
        pieces = [
            piece
            for name, collector in _collectors(registry, names)
            for piece in _written(name, collector, write, lambda metric: _chosen(metric, names, is_binary=is_binary))
        ]
    finally:
        IS_LEFT_OUT.reset(token)
    return b"".join(pieces)


def _writer(form: Format) -> Write:
    if form.kind == "protobuf":
        escaping = form.escaping or "underscores"
        return lambda metric: write_family(metric, escaping)
    encode, _ = choose_encoder(form.content_type)
    return lambda metric: encode(_Alone(metric)).removesuffix(EOF)


class _Alone:
    """A registry of one metric."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterable[Metric]:
        """Return the metric."""
        return [self._metric]


def _collectors(registry: CollectorRegistry, names: Names | None) -> Iterator[tuple[str, Any]]:
    """Yield the collectors that may have what is wanted, each with a name for it."""
    directory = os.environ.get(DIRECTORY_VARIABLE)
    if directory and Path(directory).is_dir():
        # Each process has its own numbers in the registry; those of all are in files.
        yield (
            DIRECTORY_VARIABLE,
            MultiProcessCollector(None, directory),  # type: ignore[no-untyped-call] # it has no annotations
        )
        return
    # A registry that collects all has no public way to collect from each alone.
    known: dict[Any, list[str]] | None = getattr(registry, "_collector_to_names", None)
    if known is None or type(registry).collect is not CollectorRegistry.collect:
        yield type(registry).__qualname__, registry
        return
    target = registry.get_target_info()
    if target:
        info = Metric("target", "Target metadata", "info")
        info.add_sample("target_info", target, 1)
        yield "target", _Alone(info)
    for collector, described in known.copy().items():
        if names is None or not described or not names.isdisjoint(described):
            yield (described[0] if described else type(collector).__qualname__), collector


def _written(name: str, collector: Any, write: Write, choose: Callable[[Metric], Metric | None]) -> Iterator[bytes]:
    """Yield what a collector has, metric by metric, as far as it can be had."""
    try:
        for metric in collector.collect():
            try:
                chosen = choose(metric)
                piece = b"" if chosen is None else write(chosen)
            except Exception as error:  # noqa: BLE001 - one metric must not cost the others
                _failed(name, error)
            else:
                yield piece
    except Exception as error:  # noqa: BLE001 - one collector must not cost the others
        _failed(name, error)


def _chosen(metric: Metric, names: Names | None, *, is_binary: bool) -> Metric | None:
    """Return a metric with the samples that are wanted; a message of protobuf has all or none."""
    # Native histograms have no place in the formats of text that are offered, nor are they kept by prometheus_client.
    samples = [sample for sample in metric.samples if getattr(sample, "native_histogram", None) is None]
    if names is not None and metric.name not in names:
        wanted = [sample for sample in samples if sample.name in names]
        if not wanted:
            return None
        samples = samples if is_binary else wanted
    if len(samples) == len(metric.samples):
        return metric
    part = copy.copy(metric)
    part.samples = samples
    return part


def _failed(name: str, error: Exception) -> None:
    """Count a failure, and log the first of each name as an error."""
    INTERNAL_ERRORS[_OWNER] += 1
    is_new = name not in _told and len(_told) < _MOST_TOLD
    if is_new:
        _told.add(name)
    LOGGER.log(
        logging.ERROR if is_new else logging.DEBUG,
        "%s: the collector of %r failed; the page goes without what it has",
        _OWNER,
        name,
        exc_info=error,
    )
