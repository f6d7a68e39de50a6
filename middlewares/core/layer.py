"""What makes a class one of our middlewares."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar, NoReturn, Self

from middlewares.asgi import ASGIApp  # noqa: TC001 - annotations of layers are read when one is built

if TYPE_CHECKING:
    from middlewares.asgi import Receive, Scope, Send

    from .cross_origin import CrossOrigin

__all__ = ("Layer", "freeze", "is_foreign", "is_innermost", "is_self_checking", "placeholder")


class Layer:
    """Base of every middleware: a frozen dataclass with ``app`` as its first field, then its options.

    It carries nothing but its identity: layers tell by it whether the application they wrap is one of ours.
    """

    __slots__ = ()

    app: ASGIApp

    publishes_scope: ClassVar[bool] = False
    """Whether it publishes the scope of a request in the exchange, where it is the innermost (`is_innermost`)."""

    kept: ClassVar[tuple[str, ...]] = ()
    """The computed fields that hold state, such as counters, and those computed from them: what passes to a layer that
    takes the place of this one.

    What they hold must know nothing of the application, and be closed by its `Lifetime`."""

    def take_over(self, old: Self) -> None:
        """Go on with the state of a layer that has the same options and stands in a stack that is about to end."""
        freeze(self, **{name: getattr(old, name) for name in self.kept})

    async def inner(self, scope: Scope) -> ASGIApp:
        """Return the application that a request of ``scope`` would be handed to, unless it is answered here."""
        return self.app

    def cross_origin(self) -> CrossOrigin | None:
        """Return the CORS policy that this layer applies, for layers outside it; most have none."""
        return None

    def hands_on_send(self) -> bool:
        """Return whether it may hand the very ``send`` of an HTTP request to an application that is not ours."""
        return False


async def placeholder(scope: Scope, receive: Receive, send: Send) -> NoReturn:
    """Stand in for the application while a middleware's options are checked, before an application is known."""
    raise RuntimeError("this middleware was built to check its options and has no application")


def is_foreign(app: ASGIApp) -> bool:
    """Return whether the ``send`` that ``app`` is handed reaches code that is not ours, and must look conventional.

    This holds for HTTP. Requests of other types pass most layers untouched: mark what they are handed in any case.
    """
    return not isinstance(app, Layer) or app.hands_on_send()


def is_innermost(app: ASGIApp) -> bool:
    """Return whether a layer around ``app`` has to publish the scope (`exchange.publish_scope`): nobody inside does.

    Routers write what they match into the scope. Layers outside one that copies the scope see it in the exchange.
    """
    return not (isinstance(app, Layer) and app.publishes_scope)


def freeze(layer: object, **values: object) -> None:
    """Set computed fields of a frozen dataclass while it is built."""
    for name, value in values.items():
        object.__setattr__(layer, name, value)


def is_self_checking(cls: object) -> bool:
    """Return whether building ``cls`` checks its options and does nothing else: so it is with frozen dataclasses."""
    return isinstance(cls, type) and dataclasses.is_dataclass(cls) and issubclass(cls, Layer)
