"""What stand-ins are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send, mark_coroutine_function
from middlewares.core.cross_origin import InnerPolicy
from middlewares.core.headers import with_headers
from middlewares.core.layer import Layer, freeze

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ("StandIn", "changing_start")


@dataclass(frozen=True, eq=False, kw_only=True)
class StandIn(Layer):
    """Hands on what is none of its ``types``, and serves the rest."""

    types: ClassVar[tuple[str, ...]] = ("http",)

    app: ASGIApp = field(kw_only=False)
    cors: InnerPolicy = field(init=False, repr=False)
    """The CORS policy inside, for what the layer answers by itself."""

    def __post_init__(self) -> None:
        freeze(self, cors=InnerPolicy(self.app))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in self.types:
            return await self.app(scope, receive, send)
        await self.serve(scope, receive, send)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call of the types that it is for."""
        raise NotImplementedError


def changing_start(send: Send, change: Callable[[Any], Any]) -> Send:
    """Return a ``send`` that changes the header list of the response start."""

    @mark_coroutine_function
    def send_changed(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            message = with_headers(message, change(message.get("headers", ())))
        return send(message)

    return send_changed
