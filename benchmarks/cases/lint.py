"""The lint around a plain answer: what checking a request on both sides costs."""

from __future__ import annotations

from random import Random
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
_SYSTEMS = ("X11; Linux x86_64", "Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 14.5", "Android 15; Mobile")


def _linted(app: ASGIApp) -> ASGIApp:
    def refuse(finding: Finding) -> None:
        raise AssertionError(str(finding))  # a plain request must give no finding, which would cost more

    return Lint(app, report=refuse)


def _head(index: int) -> bytes:
    """Return one of 1,000 heads of eight to ten lines: agent, cookie, id, names and their order differ."""
    random = Random(index)  # noqa: S311 - repeatable on purpose
    version = random.randrange(90, 150)
    agent = f"Mozilla/5.0 ({random.choice(_SYSTEMS)}; rv:{version}.0) Gecko/20100101 Firefox/{version}.0".encode()
    lines = [line for line in browser_head(index).split(b"\n") if not line.startswith(b"user-agent: ")]
    lines = random.sample(lines, k=random.randrange(6, 9))
    return b"\n".join([*lines, b"user-agent: " + agent, b"x-request-id: " + random.randbytes(16).hex().encode()])


_HEADS = [_head(index) for index in range(1_000)]


def _scope(index: int) -> Scope:
    return http_scope(index, _HEADS[index], size=_SIZE)


def _same_scope(index: int) -> Scope:
    return http_scope(index, _HEADS[0], size=_SIZE)


_LINT = Subject("ours Lint", _linted, peer=False)

CASES = (
    Case(
        "lint-http",
        "the lint in collect mode around a start and a body, with 1,000 different sets of request headers",
        answer_from_pool,
        _scope,
        (_LINT,),
        identical,
        bars=(Bar(overhead_us=8),),
    ),
    Case(
        "lint-http-same",
        "the same with the same request headers each time: what a memory of values could win at most",
        answer_from_pool,
        _same_scope,
        (_LINT,),
        identical,
        bars=(Bar(overhead_us=8),),
    ),
    Case(
        "lint-websocket",
        "the lint in collect mode around a WebSocket that is accepted and closed",
        close_websocket,
        websocket_scope,
        (_LINT,),
        identical,
        receive={"type": "websocket.connect"},
    ),
)
