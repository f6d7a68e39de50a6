"""An application with metrics of every kind, and a page that counts in which format it was asked for."""

from __future__ import annotations

from math import inf, nan
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram, Info, Summary
from prometheus_client import metrics_core as core
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from middlewares import Metrics, MetricsEndpoint, Middleware, Stack, Tracing

if TYPE_CHECKING:
    from starlette.requests import Request

    from middlewares.asgi import Message, Receive, Scope, Send

registry = CollectorRegistry()
Counter("hits", "Hits.", ["who"], registry=registry).labels('Ünïcode "\n\\ 🎈').inc(2.5, {"trace_id": "é"})
Counter("received_bytes", "A counter with a unit.", unit="bytes", registry=registry).inc(2**60)
gauge = Gauge("level", "Values that are hard to write.", ["value"], registry=registry)
for number in (nan, inf, -inf, -0.5, 1e-300, 2**53):
    gauge.labels(str(number)).set(number)
Gauge("names.of_3", "A name that Prometheus 2 does not know.", ["a.b"], registry=registry).labels("c").set(1)
Summary("summed", "A summary.", registry=registry).observe(2.5)
histogram = Histogram("took", "A histogram.", unit="seconds", buckets=[0.5, 1, 2], registry=registry)
for seconds in (0.1, 0.7, 1.5, 99):
    histogram.observe(seconds, {"trace_id": f"t{seconds}"})
Info("build", "An info.", registry=registry).info({"version": "1.2"})
Enum("mood", "A state set.", states=["good", "bad"], registry=registry).state("bad")
Gauge("broken", "A gauge that fails.", registry=registry).set_function(lambda: 1 // 0)
pages = Counter("pages", "Pages by format.", ["format"], registry=registry)


class Odd:
    """What no metric of the client is."""

    def collect(self) -> list[core.Metric]:
        """Return a metric without kind, quantiles, and a histogram that may fall."""
        quantiles = core.SummaryMetricFamily("quantiled", "With quantiles.", count_value=3, sum_value=9)
        quantiles.add_sample("quantiled", {"quantile": "0.5"}, 4)
        return [
            core.UnknownMetricFamily("odd", "Unknown.", value=7),
            quantiles,
            core.GaugeHistogramMetricFamily("sizes", "May fall.", buckets=[("1.0", 1), ("+Inf", 3)], gsum_value=8),
        ]


registry.register(Odd())


async def product(request: Request) -> Response:
    """Answer."""
    return PlainTextResponse("a product")


class CountedPage:
    """The page, which counts how it is asked for."""

    def __init__(self) -> None:
        self.page = MetricsEndpoint(registry=registry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers: Any = dict(message["headers"])
                pages.labels(headers[b"content-type"].decode().partition(";")[0]).inc()
            await send(message)

        await self.page(scope, receive, send_counted)


app = Stack(Middleware(Tracing, tracer_provider=TracerProvider()), Middleware(Metrics, registry=registry))(
    Starlette(routes=[Route("/products/{id}", product), Route("/metrics", CountedPage())])
)
