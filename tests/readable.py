"""A CORS policy that says so to layers outside it: it answers every preflight and lets every page read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from middlewares.asgi import ASGIApp, Receive, Scope, Send
from middlewares.core.layer import Layer

if TYPE_CHECKING:
    from middlewares.core.headers import HeaderList

__all__ = ("PREFLIGHT", "Policy")

PREFLIGHT = {"origin": "https://page.example", "access-control-request-method": "PUT"}


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class Policy(Layer):
    """Hands everything on, but for preflights, which get 204."""

    app: ASGIApp = field(kw_only=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("method") != "OPTIONS":
            return await self.app(scope, receive, send)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def cross_origin(self) -> Policy:
        return self

    async def readable(self, scope: Scope, headers: HeaderList) -> HeaderList:
        return [*headers, (b"access-control-allow-origin", b"*")]

    async def answers(self, scope: Scope) -> bool:
        return True
