"""The lint around a plain answer: what checking a request on both sides costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.answer import identical
from benchmarks.apps import answer_from_pool, close_websocket
from benchmarks.case import Bar, Case, Subject
from benchmarks.pool import browser_head, http_scope, websocket_scope
from middlewares.testing import Finding, Lint

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Scope

__all__ = ("CASES",)

_SIZE = 1_000


def _linted(app: ASGIApp) -> ASGIApp:
    def refuse(finding: Finding) -> None:
        raise AssertionError(str(finding))  # a plain request must give no finding, which would cost more

    return Lint(app, report=refuse)


def _scope(index: int) -> Scope:
    return http_scope(index, browser_head(index), size=_SIZE)


CASES = (
    Case(
        "lint-http",
        "the lint in collect mode around a start and a body",
        answer_from_pool,
        _scope,
        (Subject("ours Lint", _linted, peer=False),),
        identical,
        bars=(Bar(overhead_us=8),),
    ),
    Case(
        "lint-websocket",
        "the lint in collect mode around a WebSocket that is accepted and closed",
        close_websocket,
        websocket_scope,
        (Subject("ours Lint", _linted, peer=False),),
        identical,
        receive={"type": "websocket.connect"},
    ),
)
