"""Load control with nothing to control: a free place, time enough, no maintenance, no shutdown.

No peer is known that does this for any ASGI application: each stands beside the bare application alone. As a mark for
what a timeout costs, ``asyncio.timeout`` stands beside ours, which limits the same and tells the client nothing.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from benchmarks.answer import unchanged
from benchmarks.apps import answer_from_pool
from benchmarks.case import Bar, Case, Subject, ours
from benchmarks.pool import browser_head, http_scope

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Receive, Scope, Send

__all__ = ("CASES",)

_SMALL = 100


def _download(index: int) -> Scope:
    return http_scope(index, browser_head(index), size=_SMALL)


def _timed(app: ASGIApp) -> ASGIApp:
    async def timed(scope: Scope, receive: Receive, send: Send) -> None:
        async with asyncio.timeout(30):
            await app(scope, receive, send)

    return timed


def _case(name: str, what: str, bar: float, *subjects: Subject) -> Case:
    return Case(name, what, answer_from_pool, _download, subjects, unchanged, bars=(Bar(overhead_us=bar),))


CASES = (
    _case(
        "concurrency_limit",
        "a place is free, the limit is found",
        1.5,
        ours("middlewares:ConcurrencyLimit"),
    ),
    _case(
        "timeout",
        "an answer in time",
        2.0,
        ours("middlewares:Timeout"),
        Subject("asyncio.timeout", _timed, peer=True),
    ),
    _case(
        "maintenance",
        "the file does not exist",
        0.5,
        ours("middlewares:Maintenance", active="/does/not/exist"),
    ),
    _case(
        "drain",
        "no shutdown",
        0.5,
        ours("middlewares:Drain"),
    ),
)
