"""A page in protobuf says what the text says, read by a library that is not ours."""

from __future__ import annotations

import sys
from math import inf, nan
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram, Info, Summary
from prometheus_client import metrics_core as core
from prometheus_client.openmetrics import exposition as open_exposition
from prometheus_client.samples import Exemplar, NativeHistogram, Sample, Timestamp

from middlewares import Metrics
from middlewares.core.observer import INTERNAL_ERRORS
from middlewares.metrics.escaping import escaped
from middlewares.testing import request

from .client_model import decode, series_of
from .test_endpoint import PROTOBUF, parse_text, scrape
from .test_middleware import END, START, sending

if TYPE_CHECKING:
    from pathlib import Path

    from .client_model import Series

FLOATS = st.floats()
NAMES = st.text(min_size=1, max_size=8)


class Given:
    """A collector of metrics that are there."""

    def __init__(self, *metrics: core.Metric) -> None:
        self.metrics = metrics

    def collect(self) -> list[core.Metric]:
        return list(self.metrics)


def registry_of(*metrics: core.Metric) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(Given(*metrics))
    return registry


async def decoded(registry: CollectorRegistry, accept: str = PROTOBUF, query: str = "") -> list[Any]:
    response = await scrape(registry, accept, query)
    assert str(response.header("content-type")).startswith("application/vnd.google.protobuf;")
    return decode(response.body)


async def told_as_text(registry: CollectorRegistry) -> Series:
    page = (await scrape(registry)).text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): repr(float(sample.value))
        for metric in parse_text(page)
        for sample in metric.samples
        if not sample.name.endswith("_created")
    }


async def test_ours_and_those_of_users_are_the_same_in_protobuf_and_text(busy: CollectorRegistry) -> None:
    Gauge("depth", "A gauge.", registry=busy).set(-1.5)
    Gauge("ünïcode", "Of Prometheus 3.", ["a.b"], registry=busy).labels("x").set(1)
    Summary("took", "A summary.", ["kind"], registry=busy).labels("a").observe(2.5)
    Histogram("size", "A histogram.", unit="bytes", registry=busy).observe(3)
    Info("build", "An info.", registry=busy).info({"version": "1.2\n"})
    Enum("state", "A state set.", states=["on", "off"], registry=busy).state("off")
    Gauge("never", "With labels, and nothing yet.", ["kind"], registry=busy)
    busy.register(Given(core.UnknownMetricFamily("odd", "Unknown.", value=7)))
    busy.set_target_info({"env": "test"})
    await request(Metrics(sending(START, {**END, "body": bytes(2000)}), registry=busy))
    families = await decoded(busy)
    text = await told_as_text(busy)
    assert series_of(families) == text
    assert ("took_count", (("kind", "a"),)) in text
    kinds = {family.name: family.type for family in families}
    wanted = {"mine_total": 0, "depth": 1, "build_info": 1, "state": 1, "took": 2, "odd": 3, "size_bytes": 4}
    assert wanted.items() <= kinds.items()
    assert kinds["http_server_request_duration_seconds"] == 4
    assert "never" not in kinds
    assert all(family.metric for family in families)
    units = {family.name: family.unit for family in families if family.unit}
    assert units["size_bytes"] == "bytes"
    assert units["http_server_request_duration_seconds"] == "seconds"
    assert next(family.help for family in families if family.name == "mine_total") == "A metric of the user."


@pytest.mark.parametrize("names", ["prometheus-fastapi-instrumentator", "starlette-exporter"])
async def test_other_names_are_the_same_in_protobuf_and_text(names: Any, registry: CollectorRegistry) -> None:
    for status in (200, 500):
        await request(Metrics(sending({**START, "status": status}, END), registry=registry, names=names))
    assert series_of(await decoded(registry)) == await told_as_text(registry)


async def test_exemplars_stand_with_their_buckets(busy: CollectorRegistry) -> None:
    shown = [
        part.exemplar
        for family in await decoded(busy)
        if family.name == "http_server_request_duration_seconds"
        for metric in family.metric
        for part in metric.histogram.bucket
        if part.HasField("exemplar")
    ]
    [exemplar] = shown
    assert {pair.name: pair.value for pair in exemplar.label} == {"trace_id": "ab" * 16, "span_id": "cd" * 8}
    assert 0 <= exemplar.value < 5
    assert exemplar.timestamp.seconds > 1_700_000_000


async def test_exemplars_and_begins_of_users_are_told(registry: CollectorRegistry) -> None:
    counter = Counter("hits", "Hits.", registry=registry)
    counter.inc(2, {"trace": "é"})
    histogram = Histogram("took", "Took.", buckets=[1, 2], registry=registry)
    histogram.observe(1.5, {"trace": "b"})
    summary = Summary("summed", "Summed.", registry=registry)
    summary.observe(1)
    found = {family.name: family.metric[0] for family in await decoded(registry)}
    hits, took = found["hits_total"].counter, found["took"].histogram
    assert (hits.exemplar.value, hits.exemplar.label[0].value) == (2, "é")
    assert [part.HasField("exemplar") for part in took.bucket] == [False, True, False]
    assert took.bucket[1].exemplar.label[0].value == "b"
    for point in (hits, took, found["summed"].summary):
        assert point.created_timestamp.ToNanoseconds() / 1e9 == pytest.approx(hits.created_timestamp.seconds, abs=60)


COUNTING = """
from prometheus_client import Counter, Gauge, Histogram, Summary
Counter("hits", "Hits.", ["who"]).labels("é").inc(2.5)
Gauge("depth", "A gauge.", multiprocess_mode="sum").set(3)
Gauge("level", "A gauge of each process.").set(3)
Histogram("took", "A histogram.", buckets=[1, 2]).observe(1.5)
Summary("summed", "A summary.").observe(4)
"""


async def test_what_other_processes_count_is_the_same_in_protobuf_and_text(
    registry: CollectorRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    for _ in range(2):
        await anyio.run_process([sys.executable, "-c", COUNTING])
    found = series_of(await decoded(registry))
    assert found == await told_as_text(registry)
    assert (found["hits_total", (("who", "é"),)], found["depth", ()], found["took_count", ()]) == ("5.0", "6.0", "2.0")
    before = INTERNAL_ERRORS["MetricsEndpoint"]
    (tmp_path / "counter_1.db").write_bytes(b"\x40" + bytes(63))  # entries that are none
    assert await decoded(registry) == []
    assert INTERNAL_ERRORS["MetricsEndpoint"] == before + 1


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(label=st.text(max_size=20), value=FLOATS, count=st.integers(0, 2**64 - 1), text=st.text(max_size=20))
@example(label="", value=nan, count=127, text="\n")
@example(label="\ud800", value=-inf, count=128, text="\ud800")
@example(label="", value=0.0, count=2**64 - 1024, text="")
@example(label="é" * 70, value=-0.0, count=16384, text="")
async def test_any_label_and_value_is_what_the_text_says(label: str, value: float, count: int, text: str) -> None:
    gauge = core.GaugeMetricFamily("gauge", text, labels=["a"])
    counter = core.CounterMetricFamily("hits", text, labels=["a"])
    summary = core.SummaryMetricFamily("summed", text, labels=["a"])
    histogram = core.HistogramMetricFamily("took", text, labels=["a"])
    gauge.add_metric([label], value)
    counter.add_metric([label], value)
    summary.add_metric([label], count, value)
    histogram.add_metric([label], [("1.0", 0), ("+Inf", count)], value)
    registry = registry_of(gauge, counter, summary, histogram)
    await request(Metrics(sending(START, END, route=label), registry=registry))
    shown = label.encode("utf-8", "replace").decode()
    found = series_of(await decoded(registry))
    assert found["gauge", (("a", shown),)] == found["hits_total", (("a", shown),)] == repr(value)
    assert found["summed_sum", (("a", shown),)] == found["took_sum", (("a", shown),)] == repr(value)
    assert found["took_bucket", (("a", shown), ("le", "+Inf"))] == repr(float(count))
    assert {dict(labels).get("http_route", "") for name, labels in found if name.startswith("http_")} == {shown, ""}
    if label == shown and text.isprintable():
        assert found.items() >= (await told_as_text(registry)).items()


@given(milliseconds=st.integers(-(2**53), 2**53))
@settings(max_examples=40, deadline=None)
async def test_times_of_samples_are_kept(milliseconds: int) -> None:
    gauge = core.GaugeMetricFamily("gauge", "A gauge.", labels=["a"])
    gauge.add_metric([""], 1, timestamp=milliseconds / 1000)
    [family] = await decoded(registry_of(gauge))
    assert family.metric[0].timestamp_ms == pytest.approx(milliseconds, abs=1)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(1.5, (1, 500_000_000)), (-0.25, (-1, 750_000_000)), (Timestamp(7, 250_000_000), (7, 250_000_000)), (0.0, (0, 0))],
)
async def test_times_of_exemplars_are_kept(seconds: Any, expected: tuple[int, int]) -> None:
    counter = core.CounterMetricFamily("hits", "Hits.", value=1, exemplar=Exemplar({"a": "b"}, 1, seconds))
    [family] = await decoded(registry_of(counter))
    assert family.metric[0].counter.exemplar.HasField("timestamp")
    noted = family.metric[0].counter.exemplar.timestamp
    assert (noted.seconds, noted.nanos) == expected


def histogram(kind: str, *samples: tuple[str, dict[str, str], float]) -> core.Metric:
    metric = core.Metric("took", "Took.", kind)
    for name, labels, value in samples:
        metric.add_sample(name, labels, value)
    return metric


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        pytest.param(
            histogram("histogram", ("took_bucket", {"le": "+Inf"}, 2.5), ("took_bucket", {"le": "1"}, 0.5)),
            {("took_bucket", "1.0"): 0.5, ("took_bucket", "+Inf"): 2.5, ("took_count", None): 2.5},
            id="counts that are not whole, in no order",
        ),
        pytest.param(
            histogram("summary", ("took_count", {}, inf), ("took_sum", {}, 1)),
            {("took_count", None): 0, ("took_sum", None): 1},
            id="a count that is none",
        ),
        pytest.param(
            histogram("gaugehistogram", ("took_bucket", {"le": "1"}, 3), ("took_gcount", {}, 4)),
            {("took_bucket", "1.0"): 3, ("took_count", None): 4},
            id="a gauge histogram",
        ),
        pytest.param(
            histogram("summary", ("took", {"quantile": "0.5"}, 4), ("took_count", {}, 3), ("took_sum", {}, 9)),
            {("took", "0.5"): 4, ("took_count", None): 3, ("took_sum", None): 9},
            id="quantiles",
        ),
        pytest.param(
            histogram("histogram", ("took_bucket", {}, 1), ("took_other", {"le": "1"}, 2), ("_count", {}, 3)),
            {("took_bucket", None): 1, ("took_other", "1"): 2, ("_count", None): 3},
            id="samples that do not belong to it",
        ),
        pytest.param(
            histogram("gauge", ("took", {}, 1), ("took_total", {}, 2)),
            {("took", None): 1, ("took_total", None): 2},
            id="a gauge with another sample",
        ),
        pytest.param(histogram("histogram", ("took_created", {}, 1)), {}, id="a begin alone"),
    ],
)
async def test_unusual_metrics_are_told(metric: core.Metric, expected: dict[tuple[str, str | None], float]) -> None:
    found = {
        (name, labels[0][1] if labels else None): float(value)
        for (name, labels), value in series_of(await decoded(registry_of(metric))).items()
        if value != "nan"
    }
    assert found == expected


async def test_a_unit_that_is_not_the_last_word_is_left_out() -> None:
    """Prometheus refuses a page where it is not."""
    metric = core.Metric("took", "Took.", "gauge")
    metric.unit = "seconds"
    metric.add_sample("took", {}, 1)
    [family] = await decoded(registry_of(metric))
    assert not family.HasField("unit")


async def test_native_histograms_are_left_out() -> None:
    metric = core.Metric("took", "Took.", "histogram")
    metric.samples.append(Sample("took", {}, None, native_histogram=NativeHistogram(1, 1, 0, 0, 1)))  # type: ignore[arg-type] # as the parser makes them
    metric.add_sample("took_count", {}, 3)
    [family] = await decoded(registry_of(metric))
    assert family.metric[0].histogram.sample_count == 3
    assert "took_count 3.0" in (await scrape(registry_of(metric))).text


@pytest.mark.parametrize("name", ["took_sum", "took"])
async def test_names_choose_whole_families(name: str, busy: CollectorRegistry) -> None:
    Summary("took", "A summary.", registry=busy).observe(2.5)
    query = f"name[]=http_server_request_duration_seconds_count&name[]=mine_total&name[]={name}"
    families = await decoded(busy, query=query)
    assert {family.name for family in families} == {"mine_total", "took", "http_server_request_duration_seconds"}
    found = series_of(families)
    assert (found["took_count", ()], found["took_sum", ()]) == ("1.0", "2.5")


@pytest.mark.parametrize("scheme", ["allow-utf-8", "underscores", "dots", "values"])
async def test_names_are_escaped_as_the_scraper_asks(scheme: str) -> None:
    metric = core.GaugeMetricFamily("ü.b_c:d", "A gauge.", labels=["1:é"])
    metric.add_metric(["x"], 1)
    [family] = await decoded(registry_of(metric), f"{PROTOBUF};escaping={scheme}")
    found = (family.name, family.metric[0].label[0].name)
    assert found == (escaped("ü.b_c:d", scheme), escaped("1:é", scheme, is_label=True))


@pytest.mark.parametrize("scheme", ["underscores", "dots", "values"])
@given(name=st.text(st.sampled_from(["a", "Z", "0", "_", ":", ".", "é", "\ud800", "😀", "-"]), min_size=1, max_size=6))
def test_names_are_escaped_as_prometheus_client_does(name: str, scheme: str) -> None:
    assert escaped(name, scheme) == open_exposition.escape_metric_name(name, scheme)
    is_reserved = name.startswith("__")  # where it differs, for names that nobody may have
    if not is_reserved:
        assert escaped(name, scheme, is_label=True) == open_exposition.escape_label_name(name, scheme)
