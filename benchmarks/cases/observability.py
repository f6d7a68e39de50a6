"""All that watches a request at once: its trace, its id, its line in a log, its metrics; beside four peers that do so.

No span is taken, as for most requests of a service that samples, and lines are written to a descriptor, or by the
peer to a stream. The scope is as Starlette leaves it, from which the route is read.
"""

from __future__ import annotations

import io
import logging
import os
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmarks.answer import Answer, expect, unchanged
from benchmarks.apps import answer_from_pool
from benchmarks.case import Bar, Case, Subject
from benchmarks.pool import ANSWER, browser_head, http_scope

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Scope

__all__ = ("CASES",)

_PEERS = "asgi-correlation-id + opentelemetry-instrumentation-asgi + asgi-logger + starlette-exporter"
_SIZE = 1_000


async def _endpoint(request: Any) -> None:
    """Stand for the handler of a route."""


@cache
def _facts() -> dict[str, Any]:
    """Return what Starlette leaves in the scope of a request that it has matched."""
    from starlette.applications import Starlette
    from starlette.routing import Route

    route = Route("/{rest:path}", _endpoint)
    app = Starlette(routes=[route])
    return {"app": app, "router": app.router, "route": route, "endpoint": _endpoint}


def _scope(index: int) -> Scope:
    scope = http_scope(index, browser_head(index), size=_SIZE)
    headers, body = scope[ANSWER]
    answer = tuple(line for line in headers if line[0] != b"x-request-id"), body
    return {**scope, **_facts(), ANSWER: answer}


def _verify(got: Answer, bare: Answer, scope: Scope) -> None:
    unchanged(got, bare, scope)
    expect(len(got.values(b"x-request-id")) == 1, "there is no request id")


@cache
def _tracer_provider() -> Any:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

    return TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)


def _ours(app: ASGIApp) -> ASGIApp:
    from middlewares import AccessLog, Metrics, Middleware, RequestID, Stack, Tracing

    return Stack(
        Middleware(Tracing, tracer_provider=_tracer_provider()),
        Middleware(RequestID),
        Middleware(AccessLog, output=os.open(os.devnull, os.O_WRONLY)),
        Middleware(Metrics),
    )(app)


def _theirs(app: ASGIApp) -> ASGIApp:
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

    # By their names: the type checkers look at this where peers are not installed.
    exporter: Any = import_module("starlette_exporter")
    ids: Any = import_module("asgi_correlation_id")
    logs: Any = import_module("asgi_logger")
    logger = logging.getLogger("benchmarks.peers")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(logging.StreamHandler(io.TextIOWrapper(io.FileIO(os.open(os.devnull, os.O_WRONLY), "w"))))
    logged = logs.AccessLoggerMiddleware(exporter.PrometheusMiddleware(app), logger=logger)
    provider = _tracer_provider()
    wrapped: Any = ids.CorrelationIdMiddleware(logged)
    return OpenTelemetryMiddleware(wrapped, tracer_provider=provider, exclude_spans=["receive", "send"])


CASES = (
    Case(
        "observability",
        "a request traced but not sampled, named, logged and counted",
        answer_from_pool,
        _scope,
        (Subject("ours, all four", _ours, peer=False), Subject(_PEERS, _theirs, peer=True)),
        _verify,
        bars=(Bar(overhead_us=14), Bar(peer=_PEERS, ratio=1 / 10)),
    ),
)
