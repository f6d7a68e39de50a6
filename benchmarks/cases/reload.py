"""What it costs a request that its stack can be exchanged while it is served."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.answer import unchanged
from benchmarks.apps import answer_from_pool
from benchmarks.case import Bar, Case, Subject
from benchmarks.pool import browser_head, http_scope
from middlewares import CORS, Middleware, Stack
from middlewares.reload import ReloadingApp
from middlewares.reload.app import Loaded

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp

__all__ = ("CASES",)

_STACK = Stack(Middleware(CORS, allow_origins=("https://shop.example",)))


def _reloading(_app: ASGIApp) -> ASGIApp:
    return ReloadingApp(answer_from_pool, lambda: Loaded(_STACK))


CASES = (
    Case(
        "reload",
        "a stack that can be exchanged, beside the same stack alone",
        _STACK(answer_from_pool),
        lambda index: http_scope(index, browser_head(index), size=1_000),
        (Subject("ours ReloadingApp", _reloading, peer=False),),
        unchanged,
        bars=(Bar(overhead_us=0.25),),
    ),
)
