"""Write a metric of prometheus_client as protobuf: its samples, gathered by their labels, are the fields of messages.

Standard: Prometheus, "Exposition formats", protobuf format; prometheus/client_model, metrics.proto.
"""

from __future__ import annotations

from math import inf, nan
from typing import TYPE_CHECKING, Final, NamedTuple

from . import protobuf
from .escaping import escaped

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client.metrics_core import Metric
    from prometheus_client.samples import Sample

    from .families import Pairs

__all__ = ("write_family",)


class _Shape(NamedTuple):
    """How the samples of a kind of metric are called."""

    suffixes: frozenset[str]
    """What they have behind the name of the metric."""
    point: Callable[[_Series], bytes]
    """What writes one set of labels."""
    part: tuple[str | None, str] = (None, "")
    """Suffix and label of those that come several times for each set of labels."""


class _Series:
    """The samples of one set of labels."""

    __slots__ = ("kind", "parts", "values")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.values: dict[str, Sample] = {}
        """By suffix."""
        self.parts: list[tuple[float, Sample]] = []
        """Quantiles or buckets."""

    def value(self, *suffixes: str, default: float = nan) -> float:
        """Return the value of the sample with the first of these suffixes that there is."""
        for suffix in suffixes:
            if suffix in self.values:
                return float(self.values[suffix].value)
        return default

    def created(self, tag: bytes) -> bytes:
        """Return when counting began, if that is known."""
        return protobuf.timestamp(tag, self.value("_created")) if "_created" in self.values else b""


def write_family(metric: Metric, escaping: str) -> bytes:
    """Return a family as a message, and one more for samples of each name that does not belong to it."""
    series: dict[tuple[Pairs, int | None], _Series] = {}
    others: dict[str, list[Sample]] = {}
    shape = _SHAPES[metric.type]
    for sample in metric.samples:
        if not _gather(series, metric, shape, sample):
            others.setdefault(sample.name, []).append(sample)
    metrics = [
        protobuf.metric(_labels(pairs, escaping), shape.point(one), milliseconds)
        for (pairs, milliseconds), one in series.items()
        if one.parts or one.values.keys() - {"_created"}
    ]
    name = metric.name + _SUFFIX.get(metric.type, "")
    message = _message(name, metric, metric.type, metrics, escaping)
    return message + b"".join(_untyped(other, metric, samples, escaping) for other, samples in others.items())


def _gather(series: dict[tuple[Pairs, int | None], _Series], metric: Metric, shape: _Shape, sample: Sample) -> bool:
    """Put a sample to those with the same labels; tell whether it belongs to the metric at all."""
    if not sample.name.startswith(metric.name):
        return False
    suffix = sample.name.removeprefix(metric.name)
    part_suffix, part_label = shape.part
    is_part = suffix == part_suffix and part_label in sample.labels
    if not is_part and suffix not in shape.suffixes:
        return False
    pairs = sorted(pair for pair in sample.labels.items() if not is_part or pair[0] != part_label)
    place = (tuple(pairs), _milliseconds(sample))
    one = series.get(place)
    if one is None:
        one = series[place] = _Series(metric.type)
    if is_part:
        one.parts.append((float(sample.labels[part_label]), sample))
    else:
        one.values[suffix] = sample
    return True


def _untyped(name: str, metric: Metric, samples: list[Sample], escaping: str) -> bytes:
    metrics = [
        protobuf.metric(
            _labels(tuple(sample.labels.items()), escaping),
            protobuf.simple("unknown", float(sample.value)),
            _milliseconds(sample),
        )
        for sample in samples
    ]
    return _message(name, metric, "unknown", metrics, escaping)


def _message(name: str, metric: Metric, kind: str, metrics: list[bytes], escaping: str) -> bytes:
    if not metrics:
        return b""
    length = sum(map(len, metrics))
    head = protobuf.family_head(escaped(name, escaping), metric.documentation, kind, metric.unit, length)
    return head + b"".join(metrics)


def _labels(pairs: Pairs, escaping: str) -> bytes:
    return protobuf.labels([(escaped(name, escaping, is_label=True), value) for name, value in pairs])


def _milliseconds(sample: Sample) -> int | None:
    return None if sample.timestamp is None else int(float(sample.timestamp) * 1000)


def _exemplar(sample: Sample) -> bytes:
    noted = sample.exemplar
    if not noted:
        return b""
    seconds = None if noted.timestamp is None else float(noted.timestamp)
    return protobuf.exemplar(noted.labels.items(), float(noted.value), seconds)


def _simple(series: _Series) -> bytes:
    return protobuf.simple(series.kind, series.value(*series.values))


def _counter(series: _Series) -> bytes:
    created = series.created(protobuf.COUNTER_CREATED)
    return protobuf.counter(series.value("_total"), _exemplar(series.values["_total"]), created)


def _summary(series: _Series) -> bytes:
    quantiles = [protobuf.quantile(share, float(sample.value)) for share, sample in series.parts]
    count = protobuf.count_field(series.value("_count", default=0), is_summary=True)
    return protobuf.summary(count, series.value("_sum"), quantiles, series.created(protobuf.SUMMARY_CREATED))


def _histogram(series: _Series) -> bytes:
    parts = sorted(series.parts, key=lambda part: part[0])
    buckets = [
        protobuf.bucket(protobuf.count_field(float(sample.value)), protobuf.bucket_bound(bound), _exemplar(sample))
        for bound, sample in parts
    ]
    # One with negative values has neither count nor sum as samples.
    last = float(parts[-1][1].value) if parts and parts[-1][0] == inf else 0.0
    count = protobuf.count_field(series.value("_count", "_gcount", default=last))
    created = series.created(protobuf.HISTOGRAM_CREATED)
    return protobuf.histogram(count, series.value("_sum", "_gsum"), buckets, created)


_SUFFIX: Final = {"counter": "_total", "info": "_info"}
_SHAPES: Final[dict[str, _Shape]] = {
    "counter": _Shape(frozenset({"_total", "_created"}), _counter),
    "gauge": _Shape(frozenset({""}), _simple),
    "info": _Shape(frozenset({"_info"}), _simple),
    "stateset": _Shape(frozenset({""}), _simple),
    "unknown": _Shape(frozenset({""}), _simple),
    "summary": _Shape(frozenset({"_count", "_sum", "_created"}), _summary, ("", "quantile")),
    "histogram": _Shape(frozenset({"_count", "_sum", "_created"}), _histogram, ("_bucket", "le")),
    "gaugehistogram": _Shape(frozenset({"_gcount", "_gsum"}), _histogram, ("_bucket", "le")),
}
