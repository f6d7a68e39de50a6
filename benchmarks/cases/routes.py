"""Telling the template of a route: beside one route and beside 500, where matching a second time shows what it costs.

The peer does what exporters of metrics do: it goes through the routes of the application once more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.routing import Match, Route, Router

from benchmarks.answer import unchanged
from benchmarks.apps import answer_from_pool
from benchmarks.case import Bar, Case, Subject, ours
from benchmarks.pool import browser_head, http_scope
from middlewares.asgi import ASGIApp
from middlewares.core.layer import freeze
from middlewares.core.observer import Observer, Plan, observe

if TYPE_CHECKING:
    from middlewares.asgi import Receive, Scope, Send
    from middlewares.core.observed import ObservedCall

__all__ = ("CASES",)

_SMALL = 100


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class _Asking(Observer):
    """An observer that asks for the template, and does nothing with it."""

    app: ASGIApp = field(kw_only=False)
    _plan: Plan = field(init=False, repr=False)

    def __post_init__(self) -> None:
        freeze(self, _plan=observe(self))

    def finish(self, call: ObservedCall, state: Any) -> None:
        if call.route is None:
            raise AssertionError("the route is unknown")


def _matching_again(router: Router) -> Any:
    def around(app: ASGIApp) -> ASGIApp:
        async def matching(scope: Scope, receive: Receive, send: Send) -> None:
            copy = {**scope}
            await app(scope, receive, send)
            for route in router.routes:
                if route.matches(copy)[0] is Match.FULL:
                    break

        return matching

    return around


def _case(count: int) -> Case:
    router = Router([Route(f"/{number}/{{id}}", answer_from_pool) for number in range(count)])
    last = router.routes[-1]

    async def routed(scope: Scope, receive: Receive, send: Send) -> None:
        """Leave in the scope what the router would, without the time that it takes."""
        scope.update(router=router, route=last, endpoint=answer_from_pool)
        await answer_from_pool(scope, receive, send)

    def scope(index: int) -> Scope:
        path = f"/{count - 1}/{index}"
        return {**http_scope(index, browser_head(index), size=_SMALL), "path": path, "raw_path": path.encode()}

    subjects = (
        Subject("ours, asked by an observer", _Asking, peer=False),
        Subject("matching again", _matching_again(router), peer=True),
    )
    what = f"the last of {count} routes" if count > 1 else "one route"
    return Case(f"routes-{count}", what, routed, scope, subjects, unchanged, bars=(Bar(overhead_us=5),))


def _download(index: int) -> Scope:
    return http_scope(index, browser_head(index), size=_SMALL)


CASES = (
    Case(
        "publish_route",
        "nobody asks",
        answer_from_pool,
        _download,
        (ours("middlewares:PublishRoute"),),
        unchanged,
        bars=(Bar(overhead_us=0.4),),
    ),
    _case(1),
    _case(500),
)
