"""A registry of its own for each test, with or without something in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry, Counter

from middlewares import Metrics
from middlewares.core.exchange import EXCHANGE
from middlewares.testing import request

from .test_middleware import END, START, sending

if TYPE_CHECKING:
    from middlewares.asgi import Receive, Scope, Send


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> CollectorRegistry:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    return CollectorRegistry()


@pytest.fixture
async def busy(registry: CollectorRegistry) -> CollectorRegistry:
    """A registry with requests, and with a metric of the user."""
    Counter("mine", "A metric of the user.", ["kind"], registry=registry).labels('é\n"\\').inc()
    for status in (200, 404, 500):
        for route in ("/a", '/"\\\n', None):
            await request(Metrics(sending({**START, "status": status}, END, route=route), registry=registry))

    async def traced(scope: Scope, receive: Receive, send: Send) -> None:
        exchange = scope[EXCHANGE]
        exchange.trace_id, exchange.span_id, exchange.is_sampled = "ab" * 16, "cd" * 8, True
        await send(START)
        await send(END)

    await request(Metrics(traced, registry=registry))
    return registry
