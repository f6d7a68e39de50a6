"""Metrics of requests: what counting and timing one costs, with one route and with many."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any

from benchmarks.answer import unchanged
from benchmarks.apps import answer_from_pool
from benchmarks.case import Bar, Case, ours, peer
from benchmarks.pool import browser_head, http_scope

if TYPE_CHECKING:
    from middlewares.asgi import Scope

__all__ = ("CASES",)

_EXPORTER = "starlette-exporter"
_INSTRUMENTATOR = "prometheus-fastapi-instrumentator"
_SIZE = 1_000


async def _endpoint(request: Any) -> None:
    """Stand for the handler of a route."""


@cache
def _facts(routes: int) -> dict[str, Any]:
    """Return what Starlette leaves in the scope of a request that the last of so many routes matched."""
    from starlette.applications import Starlette
    from starlette.routing import Route

    others = [Route(f"/other/{number}", _endpoint) for number in range(routes - 1)]
    last = Route("/{rest:path}", _endpoint)
    app = Starlette(routes=[*others, last])
    return {"app": app, "router": app.router, "route": last, "endpoint": _endpoint}


def _scope(routes: int, index: int) -> Scope:
    return {**http_scope(index, browser_head(index), size=_SIZE), **_facts(routes)}


def _case(name: str, what: str, routes: int) -> Case:
    return Case(
        name,
        what,
        answer_from_pool,
        partial(_scope, routes),
        (
            ours("middlewares:Metrics"),
            peer(_EXPORTER, "starlette_exporter:PrometheusMiddleware"),
            peer(
                _INSTRUMENTATOR,
                "prometheus_fastapi_instrumentator.middleware:PrometheusInstrumentatorMiddleware",
            ),
        ),
        unchanged,
        bars=(Bar(peer=_EXPORTER, ratio=1 / 8), Bar(overhead_us=1.8)),
    )


CASES = (
    _case("metrics-request", "a request counted and timed, one route", 1),
    _case("metrics-500_routes", "a request counted and timed, the last of 500 routes", 500),
)
