"""What a layer outside a CORS policy must know of it, so that what it answers itself can be read by permitted pages.

A layer that refuses a request answers in place of everything inside it, a CORS layer too: without the headers of that
policy a browser would keep the answer from the page, which then sees a network error and no status. And a preflight
carries neither credentials nor a key: refused outside, the request that it announces is never made.

The policy is found by walking inwards: our layers, ``.app`` of others, and the layers registered with a Starlette or
FastAPI application. What stands behind a router or in a closure is not found; there only a CORS layer outside helps.

A preflight is answered by the policy on the spot, outside, and not let through to it. A layer on the way may make
something else of a request, another method or another host; let through for the two headers of a preflight it could
then reach the application, unauthenticated and uncounted.

Standard: the Fetch standard, 3.3 (CORS protocol).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from .headers import find
from .layer import Layer

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Receive, Scope, Send

    from .headers import HeaderList, Headers

__all__ = ("CrossOrigin", "InnerPolicy", "is_preflight")

_FURTHEST = 64
"""Steps inwards after which the search is given up: somebody wraps itself."""


class CrossOrigin(Protocol):
    """What a CORS policy tells layers outside it."""

    async def readable(self, scope: Scope, headers: HeaderList) -> HeaderList:
        """Return the headers of a response with those by which a browser shows it to the page that asked for it."""
        ...

    async def answers(self, scope: Scope) -> bool:
        """Return whether this policy answers the request itself, as a preflight."""
        ...

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of which `answers` is true; no application is called."""
        ...


class InnerPolicy:
    """The CORS policy somewhere inside an application, if there is one: looked for at first use.

    ::

        inner = InnerPolicy(app)
        if await inner.answer(scope, receive, send):
            return  # a preflight: it is not counted
        await refuse(scope, receive, send, refusal, inner=inner)

    With ``only_layers`` the search ends at the first application that is not a layer of ours.
    """

    __slots__ = ("_app", "_found", "_is_settled", "_looked_at", "_only_layers", "is_absent")

    def __init__(self, app: ASGIApp, *, only_layers: bool = False) -> None:
        self._app = app
        self._only_layers = only_layers
        self._found: CrossOrigin | None = None
        self._is_settled = False
        self._looked_at: tuple[list[Any], Any] = ([], None)
        """What is registered with a framework that has built nothing yet, and the layers among it, built to be asked.

        Refusing a request must not cost building them each time, and until one is let through the framework waits."""
        self.is_absent = False
        """Whether it is known by now that there is none."""

    @property
    def is_impossible(self) -> bool:
        """Whether it is sure, before any request, that none will ever be found; never so where others are asked."""
        app: Any = self._app
        while self._only_layers and isinstance(app, Layer):
            if app.cross_origin() is not None or not _always_goes_on(app):
                return False
            app = app.app
        return self._only_layers

    async def find(self, scope: Scope) -> CrossOrigin | None:
        """Return the policy that a request meets inside."""
        return self._found if self._is_settled else await self._find(scope)

    async def readable(self, scope: Scope, headers: HeaderList) -> HeaderList:
        """Return the headers of a response made outside the policy with what they lack; as they are without one."""
        policy = await self.find(scope)
        return headers if policy is None else await policy.readable(scope, headers)

    async def answers(self, scope: Scope) -> bool:
        """Return whether a request is a preflight that the policy inside answers itself.

        What only such a request may do should not hang on this alone, but on `answer`.
        """
        return await self._answering(scope) is not None

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Have the policy inside answer a request if it is a preflight; return whether it did.

        So a preflight is not refused, redirected, counted or authenticated, and no other request can get the same.
        """
        policy = await self._answering(scope)
        if policy is None:
            return False
        await policy.answer(scope, receive, send)
        return True

    async def _answering(self, scope: Scope) -> CrossOrigin | None:
        if scope.get("method") != "OPTIONS" or not is_preflight(scope["headers"]):
            return None
        policy = await self.find(scope)
        return policy if policy is not None and await policy.answers(scope) else None

    async def _find(self, scope: Scope) -> CrossOrigin | None:
        app: Any = self._app
        is_settled = True
        for _ in range(_FURTHEST):
            if isinstance(app, Layer):
                policy = app.cross_origin()
                if policy is not None:
                    return self._settle(policy, is_settled)
                # Where a layer does not always go on with the application it wraps, it depends on the request.
                is_settled = is_settled and _always_goes_on(app)
                app = await app.inner(scope)
            elif self._only_layers:
                return self._settle(None, is_settled)
            else:
                is_built = getattr(app, "middleware_stack", app) is not None
                is_settled = is_settled and is_built and not getattr(app, "exchanges_app", False)
                app = self._inside(app)
            if app is None:
                return self._settle(None, is_settled)
        return None

    def _inside(self, app: Any) -> Any:
        """Return what an application that is not ours hands requests to, or ``None`` if that cannot be told."""
        registered = getattr(app, "user_middleware", None)
        if isinstance(registered, list):
            stack = getattr(app, "middleware_stack", None)
            if stack is not None:
                return stack
            if self._looked_at[0] != registered:
                self._looked_at = ([*registered], _registered(registered))
            return self._looked_at[1]
        if isinstance(app, partial):
            return app.func
        inner = getattr(app, "app", None)
        return inner if callable(inner) else None

    def _settle(self, policy: CrossOrigin | None, is_settled: bool) -> CrossOrigin | None:
        if is_settled:
            self._found = policy
            self._is_settled = True
            self._looked_at = ([], None)
            self.is_absent = policy is None
        return policy


def is_preflight(headers: Headers) -> bool:
    """Return whether an ``OPTIONS`` request with these headers is a preflight (Fetch, 3.3.2)."""
    return find(headers, b"origin") is not None and find(headers, b"access-control-request-method") is not None


def _always_goes_on(layer: Layer) -> bool:
    """Return whether a layer hands every request to the application it wraps."""
    return type(layer).inner is Layer.inner


def _registered(records: list[Any]) -> Any:
    """Return the layers of ours among those that a framework will only build with its first request."""
    app: Any = _end
    for record in reversed(records):
        cls, args, kwargs = record
        if isinstance(cls, type) and issubclass(cls, Layer):
            app = cls(app, *args, **kwargs)  # type: ignore[call-arg]  # every layer takes its application first
    return app


async def _end(scope: Scope, receive: Receive, send: Send) -> NoReturn:
    raise RuntimeError("this stack was built to be looked at")
