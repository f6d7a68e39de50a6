"""A real Prometheus scrapes an application, and every panel and rule that is shipped finds what it asks for."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import connect

from tests.interop.servers import RunningServer, serve
from tests.observability.dashboards import FOLDER, expressions, rules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.needs("prometheus")

_TRAFFIC = 8.0
"""Seconds of requests: a rate takes two scrapes, and these come each second."""
_WITHIN = 20.0


class Prometheus:
    """A running server."""

    def __init__(self, port: int) -> None:
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=5)

    def get(self, path: str, **parameters: str) -> Any:
        """Return what the API answers."""
        answer = self.client.get(f"/api/v1/{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def query(self, expression: str) -> list[Any]:
        """Return the series of an expression, now."""
        found: list[Any] = self.get("query", query=expression)["result"]
        return found


@contextmanager
def prometheus(folder: Path, target: RunningServer, *features: str) -> Iterator[Prometheus]:
    """Run Prometheus with the rules that are shipped, as it scrapes an application each second."""
    for name in ("rules.yml", "alerts.yml"):
        groups = yaml.safe_load((FOLDER / name).read_text())
        for group in groups["groups"]:
            group["interval"] = "1s"
        (folder / name).write_text(yaml.safe_dump(groups))
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["scrape_configs"][0]["static_configs"] = [{"targets": [f"127.0.0.1:{target.port}"]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    program = shutil.which("prometheus")
    assert program is not None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        f"--enable-feature={','.join(('exemplar-storage', *features))}",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server = Prometheus(port)
    try:
        wait(lambda: server.client.get("/-/ready").status_code == 200)
        yield server
    finally:
        server.client.close()
        process.terminate()
        process.wait(_WITHIN)


def wait(holds: Any) -> None:
    """Wait until something holds."""
    give_up = time.monotonic() + _WITHIN
    while True:
        with suppress(httpx.TransportError):
            if holds():
                return
        assert time.monotonic() < give_up
        time.sleep(0.05)


async def traffic(url: str) -> None:
    """Ask for everything, again and again."""
    end = time.monotonic() + _TRAFFIC
    async with httpx.AsyncClient(base_url=url) as client, connect(f"{url.replace('http', 'ws', 1)}/echo") as held:
        await held.send("hello")
        while time.monotonic() < end:
            for number in range(5):
                await client.get(f"/products/{number}")
            await client.post("/products/1", content=b"x" * 100)
            for path in ("/broken", "/unavailable", "/nowhere", "/products/limited"):
                with suppress(httpx.TransportError):  # after an exception the server closes the connection
                    await client.get(path)
            async with connect(f"{url.replace('http', 'ws', 1)}/echo") as ws:
                await ws.send("hello")
                await ws.recv()
            await asyncio.sleep(0.02)


@pytest.mark.timeout(120)
def test_prometheus_finds_all_that_dashboards_and_rules_ask_for(tmp_path: Path) -> None:
    """The application is up, its metrics are named as they should be, and its traces are found by exemplars."""
    with serve("uvicorn", "tests.observability.watched_app:app") as app, prometheus(tmp_path, app) as server:
        asyncio.run(traffic(app.url))
        assert [row["value"][1] for row in server.query("up")] == ["1"]
        empty = {name: asked for name, asked in expressions(interval="5s").items() if not server.query(asked)}
        assert empty == {}
        recorded = {name: asked for name, asked in rules().items() if ":" in name}
        wait(lambda: all(map(server.query, recorded)))
        failing = [rule for group in server.get("rules")["groups"] for rule in group["rules"] if rule["health"] != "ok"]
        assert failing == []
        now = time.time()
        found = server.get(
            "query_exemplars",
            query="http_server_request_duration_seconds_bucket",
            start=str(now - 60),
            end=str(now + 60),
        )
        labels = [exemplar["labels"] for series in found for exemplar in series["exemplars"]]
        assert labels
        assert all(len(ids["trace_id"]) == 32 and len(ids["span_id"]) == 16 for ids in labels)
        routes = {row["metric"].get("http_route") for row in server.query("http_server_request_duration_seconds_count")}
        assert routes == {None, "/products/{id}", "/broken", "/unavailable"}
        page = httpx.get(f"{app.url}/metrics").content
    promtool = shutil.which("promtool")
    assert promtool is not None
    checked = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr.decode()
    assert checked.stderr == b""


@pytest.mark.timeout(60)
def test_prometheus_finds_in_protobuf_what_the_text_says(tmp_path: Path) -> None:
    """It asks for protobuf first if it may keep native histograms."""
    with serve("uvicorn", "tests.observability.kinds_app:app") as app:
        for number in range(5):
            httpx.get(f"{app.url}/products/{number}")
        with prometheus(tmp_path, app, "native-histograms") as server:
            asked = 'pages_total{format="application/vnd.google.protobuf"}'
            # A page is counted after it was written: the first says nothing of itself.
            wait(lambda: bool(server.query(asked)))
            assert [row["value"][1] for row in server.query("up")] == ["1"]
            assert server.query('pages_total{format!="application/vnd.google.protobuf"}') == []
            assert server.query('middlewares_internal_errors_total{layer="MetricsEndpoint"}')
            stored = server.query('{job="shop",http_route!="/metrics"}')
            now = time.time()
            noted = server.get("query_exemplars", query='{job="shop"}', start=str(now - 60), end=str(now + 60))
        page = httpx.get(f"{app.url}/metrics").text
    parsed: Any = text_string_to_metric_families(page)
    told = {
        _place({"__name__": sample.name.replace("sizes_g", "sizes_"), **sample.labels}): repr(float(sample.value))
        for metric in parsed
        for sample in metric.samples
        # When counting began is a field in protobuf; what changes by asking is left out.
        if not sample.name.endswith("_created") and sample.labels.get("http_route") != "/metrics"
        if sample.name not in ("pages_total", "middlewares_internal_errors_total", "http_server_active_requests")
    }
    found = {_place(row["metric"]): repr(float(row["value"][1])) for row in stored}
    assert found.items() >= told.items()
    assert len(told) > 50
    ids = {exemplar["labels"].get("trace_id") for series in noted for exemplar in series["exemplars"]}
    assert {"é", "t0.1", "t0.7", "t1.5", "t99"} <= ids
    assert any(len(trace_id) == 32 for trace_id in ids)


def _place(labels: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """Return name and labels as Prometheus got them."""
    return tuple(sorted((name, value) for name, value in labels.items() if name not in ("instance", "job")))
