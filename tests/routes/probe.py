"""A layer that observes as metrics and traces do, and the ways to stand around an application."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from middlewares import PublishRoute, Timeout
from middlewares.asgi import ASGIApp
from middlewares.core.layer import freeze
from middlewares.core.observer import Observer, Plan, observe
from middlewares.testing import WebSocketRefused, request, websocket

if TYPE_CHECKING:
    from middlewares.asgi import Receive, Scope, Send
    from middlewares.core.observed import ObservedCall

__all__ = ("WAYS", "Ask", "Copying", "Probe", "Way", "around", "templates")

Ask = tuple[str, str]
"""Method, or ``WS``, and path; with a host in front of the path if it does not begin with a slash."""
Way = Callable[[Callable[..., "ASGIApp"], list[str | None]], "ASGIApp"]
"""Stand around what a function makes of the middlewares that are to be added to the application itself."""


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class Probe(Observer):
    """Notes the template of each request as its response ends."""

    app: ASGIApp = field(kw_only=False)
    seen: list[str | None] = field(kw_only=False)
    _plan: Plan = field(init=False, repr=False)

    def __post_init__(self) -> None:
        freeze(self, _plan=observe(self))

    def finish(self, call: ObservedCall, state: Any) -> None:
        self.seen.append(call.route)


class Copying:
    """A layer of somebody else, which hands on a copy of the scope."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app({**scope}, receive, send)


def _probe(seen: list[str | None]) -> Callable[[ASGIApp], Probe]:
    return lambda app: Probe(app, seen)


WAYS: dict[str, Way] = {
    "outside": lambda make, seen: Probe(make(), seen),
    "inside": lambda make, seen: make(_probe(seen)),
    "copy, then a layer of ours": lambda make, seen: Probe(Copying(Timeout(make())), seen),
    "copy, then PublishRoute": lambda make, seen: Probe(Copying(PublishRoute(make())), seen),
    "copy, then PublishRoute, inside": lambda make, seen: make(_probe(seen), Copying, PublishRoute),
    "two copies, layers between": lambda make, seen: Probe(Copying(Timeout(Copying(PublishRoute(make())))), seen),
}


def around(make: Callable[..., ASGIApp], way: str, seen: list[str | None]) -> ASGIApp:
    """Return an application with a probe around it, in one of the `WAYS`."""
    return WAYS[way](make, seen)


async def templates(app: ASGIApp, seen: list[str | None], asks: Iterable[Ask]) -> list[tuple[int | None, str | None]]:
    """Return the status of each request, and the template that the probe noted."""
    results: list[tuple[int | None, str | None]] = []
    for method, path in asks:
        host, slash, rest = path.partition("/")
        seen.clear()
        status = await _status(app, method, slash + rest, {"host": host or "shop.example"})
        assert len(seen) <= 1
        results.append((status, seen[0] if seen else None))
    return results


async def _status(app: ASGIApp, method: str, path: str, headers: dict[str, Any]) -> int | None:
    if method != "WS":
        return (await request(app, method, path, headers=headers, raise_exceptions=False)).status
    try:
        async with websocket(app, path, headers=headers) as client:
            await client.receive("websocket.close")
    except WebSocketRefused as refused:
        return refused.response.status
    return 101
