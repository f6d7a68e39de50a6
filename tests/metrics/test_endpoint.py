"""A scraper gets what it understands, and nobody waits for it."""

from __future__ import annotations

import asyncio
import gzip
import runpy
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client import parser as text_parser
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.openmetrics import parser as open_parser

from middlewares import Metrics, MetricsEndpoint, OptionError
from middlewares.core.observer import INTERNAL_ERRORS
from middlewares.metrics import endpoint as endpoint_module
from middlewares.metrics import foreign, packing
from middlewares.metrics.formats import choose_format
from middlewares.testing import Driver, Response, http_scope, lifespan, request, websocket_scope

from .test_middleware import END, START, sending

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    import backports
    from backports import zstd

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp

parse_open: Any = open_parser.text_string_to_metric_families
parse_text: Any = text_parser.text_string_to_metric_families
OPEN = "application/openmetrics-text"
PROTOBUF = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
BINARY = PROTOBUF.replace(";", "; ")


async def scrape(registry: CollectorRegistry, accept: str = "*/*", query: str = "", **headers: str) -> Response:
    sent = {"accept": accept, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return await request(MetricsEndpoint(registry=registry), path="/metrics", query=query, headers=sent)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        ("image/png", "text/plain; version=0.0.4; charset=utf-8"),
        (f"{OPEN};version=1.0.0,text/plain;version=0.0.4;q=0.5", f"{OPEN}; version=1.0.0; charset=utf-8"),
        (f"{OPEN};version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.5", "text/plain; version=0.0.4; charset=utf-8"),
        (f"{OPEN};q=0,text/plain;q=0.1", "text/plain; version=0.0.4; charset=utf-8"),
        (OPEN, f"{OPEN}; version=1.0.0; charset=utf-8"),
        (f"{OPEN};version=0.0.1,*/*;q=0.2", "text/plain; version=0.0.4; charset=utf-8"),
        (f"{OPEN};version=1.0.0;escaping=allow-utf-8", f"{OPEN}; version=1.0.0; charset=utf-8; escaping=allow-utf-8"),
        ("text/plain;version=1.0.0;escaping=dots", "text/plain; version=1.0.0; charset=utf-8; escaping=dots"),
        ("text/plain;version=1.0.0", "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"),
        (PROTOBUF, BINARY),
        (f"{PROTOBUF};escaping=allow-utf-8;q=0.6,{OPEN};version=1.0.0;q=0.5", f"{BINARY}; escaping=allow-utf-8"),
        (f"{PROTOBUF};q=0.4,{OPEN};version=1.0.0;q=0.5", f"{OPEN}; version=1.0.0; charset=utf-8"),
        (f"{PROTOBUF};q=0,*/*;q=0.1", "text/plain; version=0.0.4; charset=utf-8"),
        (PROTOBUF.replace("delimited", "text"), "text/plain; version=0.0.4; charset=utf-8"),
        (PROTOBUF.replace("MetricFamily", "Metric"), "text/plain; version=0.0.4; charset=utf-8"),
        ("application/vnd.google.protobuf", "text/plain; version=0.0.4; charset=utf-8"),
        (f"{PROTOBUF},{OPEN};version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", BINARY),
    ],
)
def test_the_format_that_a_scraper_prefers_is_chosen(accept: str | None, content_type: str) -> None:
    assert choose_format(None if accept is None else accept.encode()).content_type == content_type


async def test_both_formats_say_the_same_and_are_read_by_the_parsers(busy: CollectorRegistry) -> None:
    text, opened = await scrape(busy), await scrape(busy, OPEN)
    assert opened.text.endswith("# EOF\n")
    assert "http_server_request_duration_seconds_created" not in text.text
    wanted = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for metric in busy.collect()
        for sample in metric.samples
        if not sample.name.endswith("_created")
    }
    for response, parse in ((text, parse_text), (opened, parse_open)):
        found = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for metric in parse(response.text)
            for sample in metric.samples
            if not sample.name.endswith("_created")
        }
        assert found == wanted
    shown = [sample.exemplar for metric in parse_open(opened.text) for sample in metric.samples if sample.exemplar]
    assert [exemplar.labels for exemplar in shown] == [{"trace_id": "ab" * 16, "span_id": "cd" * 8}]


@pytest.mark.needs("prometheus")
@pytest.mark.parametrize("names", ["semantic-conventions", "prometheus-fastapi-instrumentator", "starlette-exporter"])
async def test_promtool_has_nothing_to_say(names: Any, registry: CollectorRegistry) -> None:
    for status in (200, 500):
        app = Metrics(sending({**START, "status": status}, END), registry=registry, names=names)
        await request(app)
    page = (await scrape(registry)).body
    checked = await anyio.to_thread.run_sync(
        lambda: subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, check=False)  # noqa: S607
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(route=st.text(max_size=20))
async def test_any_text_is_escaped(route: str) -> None:
    registry = CollectorRegistry()
    await request(Metrics(sending(START, END, route=route), registry=registry))
    for accept, parse in (("*/*", parse_text), (OPEN, parse_open)):
        page = (await scrape(registry, accept)).text
        labels = [
            sample.labels.get("http_route", "")
            for metric in parse(page)
            for sample in metric.samples
            if sample.name == "http_server_request_duration_seconds_count"
        ]
        assert labels == [route]


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip", "gzip"),
        ("gzip;q=0", None),
        ("br", None),
        ("identity;q=1, gzip;q=0.5", None),
        ("gzip, zstd", "zstd"),
        ("zstd;q=0.5, gzip", "gzip"),
        ("zstd;q=0, *", "gzip"),
        ("zstd;q=0, gzip;q=0", None),
        ("*;q=0", None),
    ],
)
@pytest.mark.parametrize("accept", ["*/*", OPEN, PROTOBUF])
async def test_a_page_is_packed_for_who_takes_it(
    accepted: str, coding: str | None, accept: str, busy: CollectorRegistry
) -> None:
    response = await scrape(busy, accept, accept_encoding=accepted)
    assert response.header("content-encoding") == coding
    unpack: Any = {"gzip": gzip.decompress, "zstd": zstd.decompress, None: bytes}[coding]
    assert b"http_server_active_requests" in unpack(response.body)
    assert response.header("vary") == "Accept, Accept-Encoding"
    assert int(str(response.header("content-length"))) == len(response.body)


async def test_without_the_extra_a_page_is_packed_with_gzip(
    busy: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "backports.zstd" if sys.version_info < (3, 14) else "compression.zstd", None)
        if sys.version_info < (3, 14):
            patch.delattr(backports, "zstd")
        codings = runpy.run_path(str(packing.__file__))["CODINGS"]
    assert codings == (b"gzip",)
    monkeypatch.setattr(endpoint_module, "CODINGS", codings)
    assert (await scrape(busy, accept_encoding="zstd, gzip;q=0.1")).header("content-encoding") == "gzip"
    assert (await scrape(busy, accept_encoding="zstd")).header("content-encoding") is None


class Broken:
    """Collectors that fail before, while and after they have something."""

    def __init__(self, *steps: Any) -> None:
        self.steps = steps

    def collect(self) -> Any:
        for step in self.steps:
            if isinstance(step, Exception):
                raise step
            yield step


def gauge(name: str, label: Any = "x") -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, "A gauge.", labels=["a"])
    family.add_metric([label], 1)
    return family


@pytest.mark.parametrize("accept", ["*/*", OPEN, PROTOBUF])
async def test_a_collector_that_fails_costs_its_own_metrics_alone(
    accept: str, busy: CollectorRegistry, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign, "_told", set())
    Gauge("broken", "Fails.", registry=busy).set_function(lambda: 1 // 0)
    busy.register(Broken(gauge("before"), RuntimeError("no database"), gauge("after")))
    busy.register(Broken(gauge("nested", label=7), gauge("beside"), "no metric"))  # which is no text
    Gauge("last", "Works.", registry=busy).set(1)
    before = INTERNAL_ERRORS["MetricsEndpoint"]
    for number in (1, 2):
        caplog.clear()
        response = await scrape(busy, accept)
        assert response.status == 200
        for name in (b"before", b"beside", b"last", b"mine_total", b"http_server_active_requests"):
            assert name in response.body
        for name in (b"after", b"broken 0"):
            assert name not in response.body
        assert INTERNAL_ERRORS["MetricsEndpoint"] == before + 4 * number
        errors = [record for record in caplog.records if record.levelname == "ERROR"]
        # Of a class that names nothing in advance, the first stands for all.
        assert [record.args for record in errors] == [("MetricsEndpoint", name) for name in ("broken", "Broken")][
            : 2 * (2 - number)
        ]
    page = (await scrape(busy)).text
    [told] = [line for line in page.splitlines() if line.startswith('middlewares_internal_errors_total{layer="Me')]
    assert told.split()[0] == 'middlewares_internal_errors_total{layer="MetricsEndpoint"}'
    assert int(told.split()[1]) >= before + 8


async def test_a_registry_that_collects_in_its_own_way_is_asked_as_a_whole() -> None:
    class Filtered(CollectorRegistry):
        def collect(self) -> Any:
            return (metric for metric in super().collect() if metric.name != "hidden")

    registry = Filtered()
    for name in ("hidden", "shown"):
        Gauge(name, "A gauge.", registry=registry).set(1)
    page = (await scrape(registry)).text
    assert ("shown 1.0" in page, "hidden" in page) == (True, False)


async def test_names_choose_what_does_not_say_its_names(registry: CollectorRegistry) -> None:
    asked: list[str] = []

    class Costly:
        def describe(self) -> Any:
            return [gauge("costly")]

        def collect(self) -> Any:
            asked.append("costly")
            return [gauge("costly")]

    registry.register(Costly())
    registry.register(Broken(gauge("mine"), gauge("other")))
    registry.set_target_info({"env": "test"})
    page = (await scrape(registry, query="name[]=mine&name[]=target_info")).text
    names = {sample.name for metric in parse_text(page) for sample in metric.samples}
    assert (names, asked) == ({"mine", "target_info"}, [])


async def test_names_choose_metrics(busy: CollectorRegistry) -> None:
    query = "name[]=http_server_request_duration_seconds_count&name[]=mine_total&name[]=http_server_active_requests"
    page = (await scrape(busy, query=query)).text
    names = {sample.name for metric in parse_text(page) for sample in metric.samples}
    assert names == {"http_server_request_duration_seconds_count", "mine_total", "http_server_active_requests"}


async def test_methods_and_other_types(registry: CollectorRegistry) -> None:
    endpoint = MetricsEndpoint(registry=registry)
    for accept, coding in (("*/*", "identity"), (PROTOBUF, "zstd"), (OPEN, "gzip")):
        headers = {"accept": accept, "accept-encoding": coding}
        head, full = await request(endpoint, "HEAD", headers=headers), await request(endpoint, headers=headers)
        assert (head.status, head.body, head.headers) == (200, b"", full.headers)
    refused = await request(endpoint, "POST")
    assert (refused.status, refused.header("allow")) == (405, "GET, HEAD")
    async with lifespan(endpoint):
        pass
    async with Driver(endpoint, websocket_scope()) as call:
        call.feed({"type": "websocket.connect"})
        assert (await call.receive())["type"] in ("websocket.close", "websocket.http.response.start")


@pytest.mark.parametrize(
    ("path", "status"), [("/metrics", 200), ("/metrics/", 200), ("/metricsx", 404), ("/metrics/x", 404)]
)
async def test_the_layer_answers_its_path(path: str, status: int, registry: CollectorRegistry) -> None:
    app = Metrics(sending({**START, "status": 404}, END), registry=registry, path="/metrics")
    assert (await request(app, path=path)).status == status


@pytest.mark.parametrize(
    ("client", "status"), [(("10.1.2.3", 1), 200), (("192.0.2.1", 1), 403), (None, 403), (("unix", 0), 403)]
)
async def test_only_allowed_networks_get_the_page(client: Any, status: int, registry: CollectorRegistry) -> None:
    app = Metrics(sending(), registry=registry, path="/metrics", allow=["10.0.0.0/8"])
    async with Driver(app, {**http_scope(path="/metrics"), "client": client}) as call:
        assert (await call.receive())["status"] == status
        await call.finish()


@pytest.mark.parametrize("accept", ["*/*", PROTOBUF])
async def test_scrapes_at_once_share_a_page_and_are_bounded(accept: str, registry: CollectorRegistry) -> None:
    all_have_asked = threading.Event()

    class Slow:
        collected = 0

        def collect(self) -> list[Any]:
            Slow.collected += 1
            assert all_have_asked.wait(10)
            return []

    registry.register(Slow())
    endpoint = MetricsEndpoint(registry=registry, max_scrapes=5)
    statuses: list[int | None] = []

    async def ask() -> None:
        statuses.append((await request(endpoint, headers={"accept": accept})).status)
        if statuses == [503] * 3:
            all_have_asked.set()  # the other five wait by now

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(ask)
    assert statuses == [503] * 3 + [200] * 5
    assert Slow.collected == 1


async def test_another_makes_the_page_if_the_first_leaves(registry: CollectorRegistry) -> None:
    class Slow:
        def collect(self) -> list[Any]:
            time.sleep(0.02)
            return []

    registry.register(Slow())
    endpoint = MetricsEndpoint(registry=registry)
    async with Driver(endpoint, http_scope()) as first, Driver(endpoint, http_scope()) as second:
        await first.cancel()
        assert (await second.receive())["status"] == 200
        await second.finish()


@pytest.mark.parametrize("accept", ["*/*", PROTOBUF])
async def test_a_scrape_of_a_thousand_routes_stalls_nobody(accept: str, registry: CollectorRegistry) -> None:
    def routed(number: int) -> ASGIApp:
        return sending(START, END, route=f"/api/v1/things/{number}/{{id}}")

    for number in range(1000):
        await request(Metrics(routed(number), registry=registry))
    endpoint = MetricsEndpoint(registry=registry)
    stalls: list[float] = []

    async def watch() -> None:
        while True:
            begin = time.thread_time()  # of this thread, as the machine has other things to do too
            await asyncio.sleep(0)
            stalls.append(time.thread_time() - begin)

    quietest: list[float] = []
    for _ in range(3):
        stalls.clear()
        watcher = asyncio.ensure_future(watch())
        await asyncio.sleep(0)
        page = await request(endpoint, headers={"accept": accept})
        assert page.body.count(b"/api/v1/things/999/{id}") >= 4
        watcher.cancel()
        quietest.append(max(stalls))
    assert min(quietest) < 0.005


@pytest.mark.parametrize("options", [{"max_scrapes": "x"}, {"max_scrapes": 0}, {"allow": 3}, {"allow": ["x"]}])
def test_options_of_the_endpoint_that_cannot_be_right_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        MetricsEndpoint(**options)
