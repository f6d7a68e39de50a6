"""Metrics of requests: what counting and timing one costs, with one route and with many."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from benchmarks.answer import unchanged
from benchmarks.apps import answer_from_pool
from benchmarks.case import Bar, Case, Subject, ours
from benchmarks.pool import browser_head, http_scope

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Receive, Scope, Send

__all__ = ("CASES",)

_EXPORTER = "starlette-exporter"
_INSTRUMENTATOR = "prometheus-fastapi-instrumentator"
_SIZE = 1_000


def _scope(index: int) -> Scope:
    return http_scope(index, browser_head(index), size=_SIZE)


def _routed(routes: int, label: str, target: str) -> Subject:
    """Return a peer that finds so many routes, as it does in an application; the last of them matches."""

    def build(app: ASGIApp) -> ASGIApp:
        # By name: type checkers need not have the peers.
        module, _, name = target.partition(":")
        middleware = getattr(import_module(module), name)
        from starlette.applications import Starlette
        from starlette.routing import Route

        async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
            """Stand for the handler of a route."""

        others = [Route(f"/other/{number}", endpoint) for number in range(routes - 1)]
        holder = Starlette(routes=[*others, Route("/{rest:path}", endpoint)])
        # Of its own: the metrics of the peers have fixed names.
        wrapped = middleware(app)

        async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
            await wrapped({**scope, "app": holder}, receive, send)

        return asgi

    return Subject(label, build, peer=True)


def _many(app_routes: int) -> tuple[Subject, ...]:
    return (
        ours("middlewares:Metrics"),
        _routed(app_routes, _EXPORTER, "starlette_exporter:PrometheusMiddleware"),
        _routed(
            app_routes,
            _INSTRUMENTATOR,
            "prometheus_fastapi_instrumentator.middleware:PrometheusInstrumentatorMiddleware",
        ),
    )


CASES = (
    Case(
        "metrics-request",
        "a request counted and timed, one route",
        answer_from_pool,
        _scope,
        _many(1),
        unchanged,
        bars=(Bar(peer=_EXPORTER, ratio=1 / 8), Bar(overhead_us=1.8)),
    ),
    Case(
        "metrics-500_routes",
        "a request counted and timed, the last of 500 routes",
        answer_from_pool,
        _scope,
        _many(500),
        unchanged,
        bars=(Bar(peer=_EXPORTER, ratio=1 / 8), Bar(overhead_us=1.8)),
    ),
)
