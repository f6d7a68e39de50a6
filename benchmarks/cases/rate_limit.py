"""Rate limits in memory by address: a request that is let in, and one that is refused, both told how they stand."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmarks.answer import Answer, expect, unchanged
from benchmarks.apps import answer_from_pool
from benchmarks.case import Bar, Case, Subject, ours
from benchmarks.pool import browser_head, http_scope

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Receive, Scope, Send

__all__ = ("CASES",)

_SLOWAPI = "slowapi SlowAPIASGIMiddleware"
_SIZE = 1_000
_PLENTY = "1000000000/second"
_NOTHING = "1/year"


def _scope(index: int) -> Scope:
    scope = http_scope(index, browser_head(index), size=_SIZE)
    return {**scope, "client": (f"10.0.{index >> 8}.{index & 255}", 50_000)}


def _slowapi(limit: str) -> Subject:
    """Return slowapi's pure ASGI middleware in an app where it finds the route and the limiter."""

    def build(app: ASGIApp) -> ASGIApp:
        # By name: type checkers need not have the peers.
        slowapi, util = import_module("slowapi"), import_module("slowapi.util")
        middleware = import_module("slowapi.middleware")
        from starlette.applications import Starlette
        from starlette.routing import Route

        async def endpoint(request: Any) -> None:
            """Stand for the handler of the route."""

        holder = Starlette(routes=[Route("/{rest:path}", endpoint)])
        # One limit for all paths, as ours has it; by default each path has a quota of its own.
        holder.state.limiter = slowapi.Limiter(
            key_func=util.get_remote_address,
            application_limits=[limit],
            headers_enabled=True,
            key_style="endpoint",
        )
        limited = middleware.SlowAPIASGIMiddleware(app)

        async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
            await limited({**scope, "app": holder}, receive, send)

        return asgi

    return Subject(_SLOWAPI, build, peer=True)


def _verify_allowed(got: Answer, bare: Answer, scope: Scope) -> None:
    unchanged(got, bare, scope)
    told = got.values(b"ratelimit") or got.values(b"x-ratelimit-remaining")
    expect(len(told) == 1, f"the client is not told how it stands: {told}")


def _verify_denied(got: Answer, bare: Answer, scope: Scope) -> None:
    if got.status == bare.status:  # the first request of each client
        return
    expect(got.status == 429, f"status {got.status}")
    expect(got.body != bare.body, "the application was called")


CASES = (
    Case(
        "rate_limit-allowed",
        "a request within its quota, 1,000 addresses",
        answer_from_pool,
        _scope,
        (ours("middlewares:RateLimit", limit=_PLENTY), _slowapi(_PLENTY.replace("second", "minute"))),
        _verify_allowed,
        bars=(Bar(peer=_SLOWAPI, ratio=1 / 15), Bar(overhead_us=2.5)),
    ),
    Case(
        "rate_limit-denied",
        "a request over its quota (the application is not called)",
        answer_from_pool,
        _scope,
        (ours("middlewares:RateLimit", limit=_NOTHING), _slowapi(_NOTHING)),
        _verify_denied,
        bars=(Bar(peer=_SLOWAPI, ratio=1 / 15), Bar(overhead_us=1.5)),
        totals=True,
    ),
)
