"""Spans and measurements go where they are wanted, from the moment on that somebody wants them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.metrics import _internal as metrics_internal
from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NoOpTracerProvider

from middlewares import Tracing
from middlewares.testing import Driver, http_scope, request, websocket
from middlewares.tracing.providers import Meters, Tracers
from tests.tracing.collected import Collected, route_app

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def reader() -> Iterator[InMemoryMetricReader]:
    """Measurements, from a provider that keeps an example of each."""
    found = InMemoryMetricReader()
    provider = MeterProvider([found], shutdown_on_exit=False, exemplar_filter=AlwaysOnExemplarFilter())
    found.provider = provider  # type: ignore[attr-defined]  # for tests, which need both
    yield found
    provider.shutdown()


def points(reader: InMemoryMetricReader) -> dict[str, list[Any]]:
    """Return the data points by the name of what was measured."""
    data = reader.get_metrics_data()
    found: dict[str, list[Any]] = {}
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                found[metric.name] = [*metric.data.data_points]
                found[f"{metric.name} unit"] = [metric.unit]
    return found


async def test_a_provider_that_is_set_later_is_noticed(spans: Collected, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = Tracing(route_app)
    await request(layer)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", spans.provider)
    await request(layer)
    await request(layer)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    await request(layer)
    assert len(spans.servers) == 2


def test_providers_that_take_nothing_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Tracers(None).get() is None
    assert Tracers(NoOpTracerProvider()).get() is None
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert Tracers(TracerProvider(shutdown_on_exit=False)).get() is None
    assert Meters(None).get() is None
    assert Meters(metrics.NoOpMeterProvider()).get() is None


def test_an_api_that_keeps_its_provider_elsewhere_is_asked(spans: Collected, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(trace, "_TRACER_PROVIDER")
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: spans.provider)
    assert Tracers(None).get() is not None


async def test_measurements_are_those_of_the_conventions(reader: Any, spans: Collected) -> None:
    layer = Tracing(route_app, metrics=True, tracer_provider=spans.provider, meter_provider=reader.provider)
    await request(layer, "POST", "/users/7", body=b"abc")
    found = points(reader)
    expected = {
        "http.request.method": "POST",
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "http.route": "/users/{id}",
        "http.response.status_code": 200,
    }
    [duration] = found["http.server.request.duration"]
    assert dict(duration.attributes) == expected
    assert (duration.count, duration.explicit_bounds[0], duration.explicit_bounds[-1]) == (1, 0.005, 10)
    span = spans.one
    assert span.start_time is not None
    assert span.end_time is not None
    assert span.end_time - span.start_time == round(duration.sum * 1e9), "the span and the measurement differ"
    assert span.context is not None
    assert [example.span_id for example in duration.exemplars] == [span.context.span_id]
    assert found["http.server.request.duration unit"] == ["s"]
    assert found["http.server.request.body.size unit"] == found["http.server.response.body.size unit"] == ["By"]
    assert found["http.server.response.body.size"][0].sum == 5
    [active] = found["http.server.active_requests"]
    assert (active.value, dict(active.attributes)) == (0, {"http.request.method": "POST", "url.scheme": "http"})


async def test_active_requests_count_and_come_back_to_none(reader: Any) -> None:
    """However requests end."""

    async def waiting(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await receive()

    async def failing(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError

    layer = Tracing(waiting, metrics=True, meter_provider=reader.provider)
    async with Driver(layer, http_scope()) as call:
        await call.assert_silent()
        assert points(reader)["http.server.active_requests"][0].value == 1
    async with Driver(layer, http_scope()) as call:
        call.disconnect()
        await call.finish()
    await request(Tracing(failing, metrics=True, meter_provider=reader.provider), raise_exceptions=False)
    found = points(reader)
    assert [point.value for point in found["http.server.active_requests"]] == [0]
    errors = {point.attributes["error.type"]: point for point in found["http.server.request.duration"]}
    assert errors.keys() == {"cancelled", "client_disconnected", "ValueError"}
    assert "http.response.status_code" not in errors["cancelled"].attributes


async def test_random_methods_paths_and_hosts_make_one_series(reader: Any) -> None:
    layer = Tracing(route_app, metrics=True, meter_provider=reader.provider)
    for number in range(50):
        await request(layer, f"M{number}", f"/{number}", headers={"host": f"h{number}", "user-agent": f"{number}"})
    [point] = points(reader)["http.server.request.duration"]
    assert (point.count, point.attributes["http.request.method"]) == (50, "_OTHER")


async def test_random_schemes_and_versions_make_one_series(reader: Any) -> None:
    layer = Tracing(route_app, metrics=True, meter_provider=reader.provider)
    for number in range(50):
        scope = {**http_scope("GET", "/"), "scheme": f"s{number}", "http_version": f"1.{number}9"}
        async with Driver(layer, scope) as call:
            await call.finish()
    found = points(reader)
    [point] = found["http.server.request.duration"]
    assert (point.count, point.attributes["url.scheme"]) == (50, "_OTHER")
    assert "network.protocol.version" not in point.attributes
    assert len(found["http.server.active_requests"]) == 1


async def test_websockets_are_not_among_them(reader: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close"})

    async with websocket(Tracing(app, metrics=True, meter_provider=reader.provider)):
        pass
    assert points(reader) == {}


async def test_what_fastapi_measures_is_not_measured_again(reader: Any) -> None:
    from fastapi import FastAPI

    app = FastAPI(telemetry={"meter_provider": reader.provider, "tracing": False})
    app.add_middleware(Tracing, metrics=True, meter_provider=reader.provider)
    await request(app, path="/nowhere")
    assert len(points(reader)["http.server.request.duration"]) == 1


async def test_without_a_span_our_layer_twice_measures_once(reader: Any) -> None:
    inner = Tracing(route_app, metrics=True, meter_provider=reader.provider)
    await request(Tracing(inner, metrics=True, meter_provider=reader.provider))
    assert points(reader)["http.server.request.duration"][0].count == 1


async def test_without_a_span_fastapi_inside_does_not_measure_again(
    reader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fastapi import FastAPI

    monkeypatch.setattr(metrics_internal, "_METER_PROVIDER", reader.provider)
    await request(Tracing(FastAPI(), metrics=True), path="/nowhere")
    data = reader.get_metrics_data()
    assert [scope.scope.name for resource in data.resource_metrics for scope in resource.scope_metrics] == [
        "middlewares.tracing"
    ]


async def test_the_provider_of_the_process_measures_once_it_is_set(
    reader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = Tracing(route_app, metrics=True)
    await request(layer)
    monkeypatch.setattr(metrics_internal, "_METER_PROVIDER", reader.provider)
    await request(layer)
    assert points(reader)["http.server.request.duration"][0].count == 1


def test_known_methods_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from middlewares.core.known_methods import KNOWN_METHODS, known_methods

    assert known_methods() == KNOWN_METHODS
    monkeypatch.setenv("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", " GET , PROPFIND,")
    assert known_methods() == {"GET", "PROPFIND"}
    monkeypatch.setenv("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", " , ")
    assert known_methods() == KNOWN_METHODS
