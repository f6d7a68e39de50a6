"""What others make of a page in protobuf: the messages of io.prometheus.client, as the library of Google reads them.

The numbers are those of metrics.proto in prometheus/client_model, taken down field by field.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

from google.protobuf import (  # type: ignore[import-untyped] # it has no annotations
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    proto,
    timestamp_pb2,
    unknown_fields,
)
from prometheus_client.utils import floatToGoString

__all__ = ("Series", "decode", "series_of")

Series = dict[tuple[str, tuple[tuple[str, str], ...]], str]
"""By name and labels, the value as text: one that is not a number equals itself then."""

_PACKAGE = "io.prometheus.client"
_ENUM = ("COUNTER", "GAUGE", "SUMMARY", "UNTYPED", "HISTOGRAM", "GAUGE_HISTOGRAM")
_TIME = "google.protobuf.Timestamp"
_MESSAGES = {
    "LabelPair": {1: "string name", 2: "string value"},
    "Gauge": {1: "double value"},
    "Counter": {1: "double value", 2: "Exemplar exemplar", 3: f"{_TIME} created_timestamp"},
    "Quantile": {1: "double quantile", 2: "double value"},
    "Summary": {
        1: "uint64 sample_count",
        2: "double sample_sum",
        3: "Quantile* quantile",
        4: f"{_TIME} created_timestamp",
    },
    "Untyped": {1: "double value"},
    "Histogram": {
        1: "uint64 sample_count",
        2: "double sample_sum",
        3: "Bucket* bucket",
        4: "double sample_count_float",
        15: f"{_TIME} created_timestamp",
    },
    "Bucket": {
        1: "uint64 cumulative_count",
        2: "double upper_bound",
        3: "Exemplar exemplar",
        4: "double cumulative_count_float",
    },
    "Exemplar": {1: "LabelPair* label", 2: "double value", 3: f"{_TIME} timestamp"},
    "Metric": {
        1: "LabelPair* label",
        2: "Gauge gauge",
        3: "Counter counter",
        4: "Summary summary",
        5: "Untyped untyped",
        6: "int64 timestamp_ms",
        7: "Histogram histogram",
    },
    "MetricFamily": {1: "string name", 2: "string help", 3: "MetricType type", 4: "Metric* metric", 5: "string unit"},
}


def decode(body: bytes) -> list[Any]:
    """Return the families of a page. None holds a field that the messages do not have."""
    source = BytesIO(body)
    families = []
    while (family := proto.parse_length_prefixed(_MetricFamily, source)) is not None:
        _check(family)
        families.append(family)
    return families


def series_of(families: list[Any]) -> Series:
    """Return what Prometheus stores of families."""
    found: Series = {}
    for family in families:
        for metric in family.metric:
            labels = tuple(sorted((pair.name, pair.value) for pair in metric.label))
            for suffix, more, value in _values(metric):
                place = (family.name + suffix, tuple(sorted((*labels, *more))))
                assert place not in found
                found[place] = repr(float(value))
    return found


def _values(metric: Any) -> list[tuple[str, tuple[tuple[str, str], ...], float]]:
    """Return what a metric says: suffix, more labels, value."""
    for kind in ("gauge", "counter", "untyped"):
        if metric.HasField(kind):
            return [("", (), getattr(metric, kind).value)]
    if metric.HasField("summary"):
        told = metric.summary
        parts = [("", (("quantile", _go(part.quantile)),), part.value) for part in told.quantile]
        return [("_count", (), told.sample_count), ("_sum", (), told.sample_sum), *parts]
    told = metric.histogram
    buckets = [
        ("_bucket", (("le", _go(part.upper_bound)),), part.cumulative_count_float or part.cumulative_count)
        for part in told.bucket
    ]
    assert [part.upper_bound for part in told.bucket] == sorted(part.upper_bound for part in told.bucket)
    return [("_count", (), told.sample_count_float or told.sample_count), ("_sum", (), told.sample_sum), *buckets]


def _go(number: float) -> str:
    text: str = floatToGoString(number)  # type: ignore[no-untyped-call] # it has no annotations
    return text


def _check(message: Any) -> None:
    assert len(unknown_fields.UnknownFieldSet(message)) == 0
    for field, value in message.ListFields():
        for part in value if field.is_repeated else [value]:
            if field.message_type is not None:
                _check(part)


def _described() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="metrics.proto", package=_PACKAGE, syntax="proto2")
    file.dependency.append("google/protobuf/timestamp.proto")
    enum = file.enum_type.add(name="MetricType")
    for number, name in enumerate(_ENUM):
        enum.value.add(name=name, number=number)
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, declared in fields.items():
            kind, field_name = declared.split()
            is_many, kind = kind.endswith("*"), kind.rstrip("*")
            field = message.field.add(name=field_name, number=number)
            field.label = kinds.LABEL_REPEATED if is_many else kinds.LABEL_OPTIONAL
            if kind.islower() and "." not in kind:
                field.type = kinds.Type.Value(f"TYPE_{kind.upper()}")
            else:
                field.type = kinds.TYPE_ENUM if kind == "MetricType" else kinds.TYPE_MESSAGE
                field.type_name = f".{kind}" if "." in kind else f".{_PACKAGE}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.MetricFamily"))


_MetricFamily = _described()
