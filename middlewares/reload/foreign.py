"""Layers that are not ours: kept as they are from one stack to the next, with another application inside.

Such a layer is built once, around a `Joint`, which hands each request to what stands inside the layer in the stack that
the request began with. Its lifespan is its own: it begins with the first stack that has it and ends with the last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Receive, Scope, Send
    from middlewares.record import Middleware

    from .lifespans import LifespanRun

__all__ = ("STACK", "Foreign", "Joint", "Place")

STACK = "middlewares.stack"
"""The scope key of the stack that a request began with."""


class Joint:
    """What a foreign layer wraps: the application inside it, which differs by stack."""

    __slots__ = ("inside",)

    exchanges_app: ClassVar[bool] = True
    """What stands inside is to be looked for anew."""

    def __init__(self) -> None:
        self.inside: dict[object, ASGIApp] = {}

    @property
    def app(self) -> ASGIApp | None:
        """What stands inside in the newest stack."""
        return next(reversed(self.inside.values()), None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            return await send({"type": "lifespan.shutdown.complete"})
        # A layer may make a request of its own, or a late one: of no stack, or of one that is gone.
        app = self.inside.get(scope.get(STACK)) or self.app
        if app is None:
            raise RuntimeError("this layer stands in no stack any more")
        await app(scope, receive, send)


class Foreign:
    """A foreign layer, and the record that it was built of."""

    __slots__ = ("joint", "layer", "record", "run")

    def __init__(self, record: Middleware) -> None:
        self.record = record
        self.joint = Joint()
        self.layer: ASGIApp = record(self.joint)
        self.run: LifespanRun | None = None
        """Its lifespan, once that has begun."""


class Place:
    """Where a foreign layer stands in one stack: requests go through it, the lifespan of the stack goes by."""

    __slots__ = ("_inside", "app")

    def __init__(self, foreign: Foreign, stack: object, inside: ASGIApp) -> None:
        self.app: Any = foreign.layer
        self._inside = inside
        foreign.joint.inside[stack] = inside

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._inside if scope["type"] == "lifespan" else self.app
        await app(scope, receive, send)
