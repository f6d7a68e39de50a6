"""Metrics have the names, types, units and labels that dashboards know."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from middlewares import Metrics
from middlewares.testing import request

from .test_middleware import END, START, sending

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_REQUEST = {"http_request_method", "url_scheme", "http_response_status_code", "http_route", "network_protocol_version"}
_EXPORTED = {"method", "path", "status_code", "app_name"}
_DURATIONS = "0.005 0.01 0.025 0.05 0.075 0.1 0.25 0.5 0.75 1.0 2.5 5.0 7.5 10.0 +Inf"
_FINE = "0.01 0.025 0.05 0.075 0.1 0.25 0.5 0.75 1.0 1.5 2.0 2.5 3.0 3.5 4.0 4.5 5.0 7.5 10.0 30.0 60.0 +Inf"

TABLES: dict[str, dict[str, tuple[str, set[str], str | None]]] = {
    "semantic-conventions": {
        "http_server_request_duration_seconds": ("histogram", _REQUEST, _DURATIONS),
        "http_server_time_to_first_byte_seconds": ("histogram", _REQUEST, _DURATIONS),
        "http_server_request_body_size_bytes": ("histogram", _REQUEST, None),
        "http_server_response_body_size_bytes": ("histogram", _REQUEST, None),
        "http_server_active_requests": ("gauge", {"http_request_method", "url_scheme"}, None),
    },
    # prometheus-fastapi-instrumentator 8.1.0
    "prometheus-fastapi-instrumentator": {
        "http_requests": ("counter", {"method", "status", "handler"}, None),
        "http_request_size_bytes": ("summary", {"handler"}, None),
        "http_response_size_bytes": ("summary", {"handler"}, None),
        "http_request_duration_highr_seconds": ("histogram", set(), _FINE),
        "http_request_duration_seconds": ("histogram", {"method", "handler"}, "0.1 0.5 1.0 +Inf"),
        "http_requests_inprogress": ("gauge", set(), None),
    },
    # starlette-exporter 0.24.0
    "starlette-exporter": {
        "starlette_requests": ("counter", _EXPORTED, None),
        "starlette_request_duration_seconds": ("histogram", _EXPORTED, _DURATIONS),
        "starlette_requests_in_progress": ("gauge", {"method", "app_name"}, None),
        "starlette_response_body_bytes": ("counter", _EXPORTED, None),
        "starlette_request_body_bytes": ("counter", _EXPORTED, None),
    },
}


@pytest.mark.parametrize("names", TABLES)
async def test_names_types_labels_and_buckets(names: Any, registry: CollectorRegistry) -> None:
    await request(Metrics(sending(START, END), registry=registry, names=names, protocol_version=True))
    table = TABLES[names]
    found = {
        metric.name: metric
        for metric in registry.collect()
        if not metric.name.startswith(("middlewares_", "websocket_"))
    }
    assert {name: metric.type for name, metric in found.items()} == {name: row[0] for name, row in table.items()}
    for name, (_, labels, bounds) in table.items():
        samples = found[name].samples
        assert {label for sample in samples for label in sample.labels} - {"le"} == labels
        if bounds is not None:
            assert [sample.labels["le"] for sample in samples if "le" in sample.labels] == bounds.split()


@pytest.mark.parametrize(
    ("names", "sample", "labels"),
    [
        ("prometheus-fastapi-instrumentator", "http_requests_total",
         [{"method": "GET", "status": "2xx", "handler": "/a"}, {"method": "GET", "status": "4xx", "handler": "none"}]),
        ("starlette-exporter", "starlette_requests_total",
         [{"method": "GET", "path": "/a", "status_code": "200", "app_name": "starlette"},
          {"method": "GET", "path": "__unknown__", "status_code": "404", "app_name": "starlette"}]),
    ],
)  # fmt: skip
async def test_values_are_those_that_dashboards_know(
    names: Any, sample: str, labels: list[dict[str, str]], registry: CollectorRegistry
) -> None:
    await request(Metrics(sending(START, END, route="/a"), registry=registry, names=names))
    await request(Metrics(sending({**START, "status": 404}, END, route=None), registry=registry, names=names))
    for wanted in labels:
        assert registry.get_sample_value(sample, wanted) == 1


async def test_buckets_can_be_replaced_and_objectives_are_among_them(registry: CollectorRegistry) -> None:
    app = Metrics(sending(START, END), registry=registry, buckets=[5, 0.1, 1], slo=[0.3], prefix="shop_")
    await request(app)
    samples = [sample for metric in registry.collect() for sample in metric.samples]
    name = "shop_http_server_request_duration_seconds_bucket"
    assert [sample.labels["le"] for sample in samples if sample.name == name] == ["0.1", "0.3", "1.0", "5.0", "+Inf"]


_UNITS = {"s": "_seconds", "By": "_bytes", "{request}": ""}


_CONVENTIONS = {
    "http.server.request.duration": ("histogram", "s"),
    "http.server.active_requests": ("updowncounter", "{request}"),
    "http.server.request.body.size": ("histogram", "By"),
    "http.server.response.body.size": ("histogram", "By"),
}
"""Instruments and units of semantic conventions 1.44, ``model/http/metrics.yaml``."""


def test_names_are_those_of_the_semantic_conventions() -> None:
    folder = os.environ.get("TEST_VECTORS")
    if folder:  # the whole file, where it is at hand
        groups = yaml.safe_load((Path(folder) / "semconv" / "http_metrics.yaml").read_text())["groups"]
        published = {group["metric_name"]: (group["instrument"], group["unit"]) for group in groups if "unit" in group}
        assert {name: published[name] for name in _CONVENTIONS} == _CONVENTIONS
    kinds = {"histogram": "histogram", "updowncounter": "gauge"}
    for name, (instrument, unit) in _CONVENTIONS.items():
        assert TABLES["semantic-conventions"][name.replace(".", "_") + _UNITS[unit]][0] == kinds[instrument]
