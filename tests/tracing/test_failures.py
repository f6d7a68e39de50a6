"""Whatever fails in tracing, the request goes on: nothing is left attached, active, or without an end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.metrics import Histogram, Meter, MeterProvider, NoOpHistogram, NoOpMeter, NoOpUpDownCounter
from opentelemetry.sdk.trace.sampling import Sampler, SamplingResult

from middlewares import Tracing
from middlewares.core.observer import INTERNAL_ERRORS
from middlewares.testing import request
from tests.tracing.collected import PARENT, Collected, attributes_of, route_app

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def failures() -> Iterator[list[int]]:
    """How often the layer is expected to have failed."""
    expected = [1]
    before = INTERNAL_ERRORS["Tracing"]
    yield expected
    assert INTERNAL_ERRORS["Tracing"] - before == expected[0]
    INTERNAL_ERRORS["Tracing"] = before


class Meters(MeterProvider):
    """Fails where it is told to, and keeps the number of active requests."""

    def __init__(self, fails_in: str = "") -> None:
        self.fails_in = fails_in
        self.active = 0

    def get_meter(self, *_: Any, **__: Any) -> Meter:
        provider = self

        class Kept(NoOpUpDownCounter):
            def add(self, amount: Any, *_: Any, **__: Any) -> None:
                if provider.fails_in == "add":
                    raise RuntimeError
                provider.active += amount

        class Failing(NoOpHistogram):
            def record(self, *_: Any, **__: Any) -> None:
                if provider.fails_in == "record":
                    raise RuntimeError

        class Made(NoOpMeter):
            def create_up_down_counter(self, name: str, *_: Any, **__: Any) -> Any:
                return Kept(name)

            def create_histogram(self, name: str, *_: Any, **__: Any) -> Histogram:
                return Failing(name)

        return Made("failing")


class Undecided(Sampler):
    """Cannot decide."""

    def should_sample(self, *_: Any, **__: Any) -> SamplingResult:
        raise RuntimeError

    def get_description(self) -> str:
        return "undecided"


async def test_a_sampler_that_fails(spans: Collected) -> None:
    spans.provider.sampler = Undecided()
    meters = Meters()
    layer = Tracing(route_app, tracer_provider=spans.provider, metrics=True, meter_provider=meters)
    assert (await request(layer, headers=PARENT)).status == 200
    assert meters.active == 0


async def test_an_instrument_that_fails_at_the_beginning(spans: Collected) -> None:
    layer = Tracing(route_app, tracer_provider=spans.provider, metrics=True, meter_provider=Meters("add"))
    assert (await request(layer)).status == 200


async def test_an_instrument_that_fails_at_the_end(spans: Collected) -> None:
    layer = Tracing(route_app, tracer_provider=spans.provider, metrics=True, meter_provider=Meters("record"))
    assert (await request(layer)).status == 200
    assert attributes_of(spans.one)["http.response.status_code"] == 200


async def test_a_span_that_fails_at_the_end_ends_all_the_same(
    spans: Collected, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError

    async def app(scope: Any, receive: Any, send: Any) -> None:
        monkeypatch.setattr(type(trace.get_current_span()), "set_attribute", fail)
        await route_app(scope, receive, send)

    assert (await request(Tracing(app, tracer_provider=spans.provider))).status == 200
    assert spans.one.end_time is not None


async def test_nothing_fails_with_odd_scopes(spans: Collected, failures: list[int]) -> None:
    """Only what ASGI demands is there, and of the rest what servers make of it."""
    failures[0] = 0

    async def receive() -> Any:
        raise AssertionError("nothing is received here")

    async def send(message: Any) -> None:
        pass

    for extra in ({}, {"client": None, "server": None, "query_string": b"", "http_version": "3"}, {"scheme": ""}):
        scope: Any = {"type": "http", "method": "GET", "path": "/", "headers": [], **extra}
        await Tracing(route_app, tracer_provider=spans.provider)(scope, receive, send)
    assert len(spans.servers) == 3
    assert all(attributes_of(span)["url.scheme"] == "http" for span in spans.servers)
