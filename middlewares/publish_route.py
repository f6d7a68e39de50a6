"""Let layers outside see which route a request has taken, through layers that copy the scope.

::

    app.add_middleware(PublishRoute)  # before all others, so that it is innermost
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from middlewares.asgi import ASGIApp, Receive, Scope, Send
from middlewares.core.exchange import EXCHANGE, publish_scope
from middlewares.core.layer import Layer, freeze, is_foreign, is_innermost
from middlewares.core.routes import publish_route

__all__ = ("PublishRoute", "publish_route")


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class PublishRoute(Layer):
    """Publish the scope that the router gets, in which it leaves what it matched, to the layers of this package.

    Metrics, traces and access logs name requests by the template of their route. They read it in the scope that they
    hand on; a middleware between them and the router that hands on a copy of the scope hides it from them. Any layer
    of this package inside that middleware makes up for it; this one does nothing else.

    Order: innermost.
    """

    order_role: ClassVar[str] = "anywhere"
    publishes_scope: ClassVar[bool] = True

    app: ASGIApp = field(kw_only=False)
    _innermost: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        freeze(self, _innermost=is_innermost(self.app))

    def hands_on_send(self) -> bool:
        """Return whether the application inside, which is handed the very ``send``, is not ours."""
        return is_foreign(self.app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._innermost and EXCHANGE in scope:
            publish_scope(scope)
        await self.app(scope, receive, send)
