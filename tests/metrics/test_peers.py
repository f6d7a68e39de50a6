"""The packages whose names presets take over, for the same traffic: what their pages say, and what becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_fastapi_instrumentator import Instrumentator
from starlette_exporter import PrometheusMiddleware
from starlette_exporter.optional_metrics import request_body_size, response_body_size

from middlewares import Metrics
from middlewares.testing import http_scope, request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from middlewares.asgi import ASGIApp, Message

Page = dict[str, tuple[str, set[tuple[tuple[str, str], ...]]]]
"""By name of a sample: the type of its metric, and the labels of all its series."""
OURS = ("middlewares_", "websocket_")


@pytest.fixture
def globally() -> Iterator[CollectorRegistry]:
    """Give the registry of the process, without what others leave there; both packages insist on it."""
    before = [*REGISTRY._collector_to_names]
    for collector in before:
        REGISTRY.unregister(collector)
    PrometheusMiddleware._metrics.clear()
    yield REGISTRY
    for collector in [*REGISTRY._collector_to_names]:
        REGISTRY.unregister(collector)
    for collector in before:
        REGISTRY.register(collector)
    PrometheusMiddleware._metrics.clear()


def shop() -> FastAPI:
    app = FastAPI()

    @app.get("/items/{number}")
    async def read(number: int) -> int:
        return number

    @app.post("/items/{number}")
    async def write(number: int) -> int:
        return number

    return app


def instrumented(registry: CollectorRegistry) -> ASGIApp:
    app = shop()
    Instrumentator(should_instrument_requests_inprogress=True).instrument(app)
    return app


def exported(registry: CollectorRegistry) -> ASGIApp:
    app = shop()
    sizes = [request_body_size, response_body_size]
    app.add_middleware(
        PrometheusMiddleware, filter_unhandled_paths=False, group_unhandled_paths=True, optional_metrics=sizes
    )
    return app


PEERS: dict[str, Callable[[CollectorRegistry], ASGIApp]] = {
    "prometheus-fastapi-instrumentator": instrumented,
    "starlette-exporter": exported,
}


async def page_after_traffic(app: ASGIApp, registry: CollectorRegistry, known: frozenset[str] = frozenset()) -> Page:
    for number in range(3):
        await request(app, path=f"/items/{number}")
    await request(app, "POST", "/items/3", body=b"abc", headers={"content-length": "3"})
    await request(app, path="/nowhere")
    await request(app, path="/items/none")
    page: Page = {}
    for metric in registry.collect():
        for sample in metric.samples if not metric.name.startswith(OURS) and metric.name not in known else ():
            if not sample.name.endswith("_created"):
                page.setdefault(sample.name, (metric.type, set()))[1].add(tuple(sorted(sample.labels.items())))
    return page


@pytest.mark.parametrize("names", PEERS)
async def test_series_are_those_of_the_package_itself(
    names: Any, registry: CollectorRegistry, globally: CollectorRegistry
) -> None:
    known = frozenset(metric.name for metric in globally.collect())
    theirs = await page_after_traffic(PEERS[names](globally), globally, known)
    ours = await page_after_traffic(Metrics(shop(), registry=registry, names=names), registry)
    assert len(theirs) > 5
    assert ours == theirs


@pytest.mark.sweep
@pytest.mark.parametrize("names", PEERS)
async def test_random_methods_and_paths_make_the_packages_grow(names: str, globally: CollectorRegistry) -> None:
    """The control of `test_no_client_makes_series_grow`: the attack is one."""
    app = PEERS[names](globally) if names != "starlette-exporter" else _paths_kept()
    for number in range(20_000):
        await app(http_scope(f"M{number}", f"/{number}"), _nothing, _nowhere)
    assert sum(len(metric.samples) for metric in globally.collect()) > 20_000


def _paths_kept() -> ASGIApp:
    app = shop()
    app.add_middleware(PrometheusMiddleware, filter_unhandled_paths=False)
    return app


async def _nothing() -> Message:
    return {"type": "http.request"}


async def _nowhere(message: Message) -> None:
    pass
