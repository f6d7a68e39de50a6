"""Write the messages in which Prometheus reads metrics, field by field: those of the package io.prometheus.client.

Standard: Protocol Buffers, "Encoding"; prometheus/client_model, metrics.proto, whose numbers of fields stand here.
"""

from __future__ import annotations

from math import floor, inf
from struct import Struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = (
    "COUNTER_CREATED",
    "HISTOGRAM_CREATED",
    "SUMMARY_CREATED",
    "bucket",
    "bucket_bound",
    "count_field",
    "counter",
    "exemplar",
    "family_head",
    "histogram",
    "labels",
    "metric",
    "quantile",
    "simple",
    "summary",
    "timestamp",
)

_VARINT, _DOUBLE, _LENGTH = 0, 1, 2  # types of the wire
_BYTES: Final = [bytes((number,)) for number in range(128)]
_LARGEST: Final = 2**64 - 1
_NANO: Final = 1_000_000_000

_double = Struct("<d").pack


def _varint(number: int) -> bytes:
    """Return a number in groups of 7 bits, the lowest first; a negative one is written as if it had 64 bits."""
    if 0 <= number < 128:
        return _BYTES[number]
    number &= _LARGEST
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _tag(field: int, wire_type: int) -> bytes:
    return _varint(field << 3 | wire_type)


# enum MetricType. Histograms that may fall have a type of their own there, but Prometheus 2.42 drops those with classic
# buckets; the text format calls them histograms as well.
_TYPES: Final = {
    "counter": 0,
    "gauge": 1,
    "info": 1,
    "stateset": 1,
    "summary": 2,
    "unknown": 3,
    "histogram": 4,
    "gaugehistogram": 4,
}

# message MetricFamily
_NAME, _HELP, _METRIC, _UNIT = (_tag(field, _LENGTH) for field in (1, 2, 4, 5))
_TYPE = _tag(3, _VARINT)
# message Metric
_LABEL, _TIMESTAMP_MS = _tag(1, _LENGTH), _tag(6, _VARINT)
_GAUGE, _COUNTER, _SUMMARY, _UNTYPED, _HISTOGRAM = (_tag(field, _LENGTH) for field in (2, 3, 4, 5, 7))
_POINTS: Final = {"gauge": _GAUGE, "info": _GAUGE, "stateset": _GAUGE, "unknown": _UNTYPED}
# messages LabelPair, Gauge, Counter, Untyped, Quantile, Exemplar
_PAIR_NAME, _PAIR_VALUE = _tag(1, _LENGTH), _tag(2, _LENGTH)
_VALUE, _COUNTER_EXEMPLAR = _tag(1, _DOUBLE), _tag(2, _LENGTH)
_QUANTILE, _QUANTILE_VALUE = _tag(1, _DOUBLE), _tag(2, _DOUBLE)
_EXEMPLAR_LABEL, _EXEMPLAR_VALUE, _EXEMPLAR_TIME = _tag(1, _LENGTH), _tag(2, _DOUBLE), _tag(3, _LENGTH)
_SECONDS, _NANOS = _tag(1, _VARINT), _tag(2, _VARINT)  # google.protobuf.Timestamp
# messages Summary and Histogram
_COUNT, _SUM, _PART, _COUNT_FLOAT = _tag(1, _VARINT), _tag(2, _DOUBLE), _tag(3, _LENGTH), _tag(4, _DOUBLE)
# message Bucket, of which the counts have the numbers of those of Histogram
_BOUND, _BUCKET_EXEMPLAR = _tag(2, _DOUBLE), _tag(3, _LENGTH)

COUNTER_CREATED, SUMMARY_CREATED, HISTOGRAM_CREATED = _tag(3, _LENGTH), _tag(4, _LENGTH), _tag(15, _LENGTH)
"""Where the time stands at which counting began."""


def _block(tag: bytes, data: bytes) -> bytes:
    return tag + _varint(len(data)) + data


def _text(tag: bytes, text: str) -> bytes:
    return _block(tag, text.encode("utf-8", "replace"))


def family_head(name: str, text: str, kind: str, unit: str, length: int) -> bytes:
    """Return the beginning of a family with its length in front; ``length`` bytes of metrics are to follow.

    A unit that is not the last word of the name is left out: Prometheus would refuse the whole page.
    """
    head = _text(_NAME, name) + _text(_HELP, text) + _TYPE + _varint(_TYPES[kind])
    if unit and name.removesuffix("_total" if kind == "counter" else "").endswith(f"_{unit}"):
        head += _text(_UNIT, unit)
    return _varint(len(head) + length) + head


def metric(written_labels: bytes, point: bytes, milliseconds: int | None = None) -> bytes:
    """Return one set of labels of a family, with what is counted for it."""
    data = written_labels + point
    if milliseconds is not None:
        data += _TIMESTAMP_MS + _varint(milliseconds)
    return _block(_METRIC, data)


def labels(pairs: Iterable[tuple[str, str]], tag: bytes = _LABEL) -> bytes:
    """Return labels."""
    return b"".join([_block(tag, _text(_PAIR_NAME, name) + _text(_PAIR_VALUE, value)) for name, value in pairs])


def simple(kind: str, value: float) -> bytes:
    """Return the value of a gauge, or of what is told as one, or of something unknown."""
    return _block(_POINTS[kind], _VALUE + _double(value))


def counter(value: float, shown: bytes = b"", created: bytes = b"") -> bytes:
    """Return the value of a counter with an exemplar."""
    return _block(_COUNTER, _VALUE + _double(value) + (_block(_COUNTER_EXEMPLAR, shown) if shown else b"") + created)


def summary(count: bytes, total: float, quantiles: Iterable[bytes] = (), created: bytes = b"") -> bytes:
    """Return count and sum, with quantiles."""
    return _block(_SUMMARY, b"".join((count, _SUM, _double(total), *quantiles, created)))


def quantile(share: float, value: float) -> bytes:
    """Return a quantile of a summary."""
    return _block(_PART, _QUANTILE + _double(share) + _QUANTILE_VALUE + _double(value))


def histogram(count: bytes, total: float, buckets: Iterable[bytes], created: bytes = b"") -> bytes:
    """Return a histogram; its buckets are in rising order."""
    return _block(_HISTOGRAM, b"".join((count, _SUM, _double(total), *buckets, created)))


def bucket(count: bytes, bound: bytes, shown: bytes = b"") -> bytes:
    """Return a bucket of a histogram, which holds those below too."""
    data = count + bound
    if shown:
        data += _block(_BUCKET_EXEMPLAR, shown)
    return _PART + _varint(len(data)) + data


def bucket_bound(bound: float) -> bytes:
    """Return the upper bound of a bucket."""
    return _BOUND + _double(bound)


def count_field(number: float, *, is_summary: bool = False) -> bytes:
    """Return how many there are, in a histogram or a bucket; if that is not whole, in a second field as well.

    A summary has no such field.
    """
    whole = min(int(number), _LARGEST) if 0 <= number < inf else 0
    field = _COUNT + _varint(whole)
    return field if whole == number or is_summary else field + _COUNT_FLOAT + _double(number)


def exemplar(pairs: Iterable[tuple[str, str]], value: float, seconds: float | None) -> bytes:
    """Return what an exemplar says."""
    data = labels(pairs, _EXEMPLAR_LABEL) + _EXEMPLAR_VALUE + _double(value)
    return data if seconds is None else data + timestamp(_EXEMPLAR_TIME, seconds)


def timestamp(tag: bytes, seconds: float) -> bytes:
    """Return a time since 1970."""
    whole = floor(seconds)
    nanos = min(int((seconds - whole) * _NANO), _NANO - 1)
    return _block(tag, _SECONDS + _varint(whole) + _NANOS + _varint(nanos))
