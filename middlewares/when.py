"""Apply a middleware to some requests only: by path, method, host, or a predicate of your own.

::

    Stack(When(Middleware(GZip), paths=["/api/*", "/reports/{id}"], methods=["GET"]))
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, cast

from middlewares.asgi import ASGIApp, Receive, Scope, Send
from middlewares.core.exchange import EXCHANGE, publish_scope
from middlewares.core.layer import Layer, freeze, is_foreign, is_innermost, placeholder
from middlewares.core.matching import ask, check_matchers, compile_matchers
from middlewares.core.options import check_types
from middlewares.errors import OptionErrors, Problem
from middlewares.record import Entry, Middleware, as_record

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

__all__ = ("Conditional", "Predicate", "When")

Predicate: TypeAlias = "Callable[[HTTPConnection], bool | Awaitable[bool]]"
_Test: TypeAlias = Callable[[Scope], object]


class When(Middleware):
    """An entry of a stack that applies another entry to matching requests only.

    A request matches if it satisfies every matcher that is given. Lifespan events always reach the middleware, so
    that what it opens is opened and closed. Options: those of `Conditional`. Raises `OptionError`.
    """

    def __init__(
        self,
        layer: Entry,
        *,
        paths: Collection[str] = (),
        exclude_paths: Collection[str] = (),
        methods: Collection[str] = (),
        hosts: Collection[str] = (),
        predicate: Predicate | None = None,
    ) -> None:
        given = {"paths": paths, "exclude_paths": exclude_paths, "methods": methods, "hosts": hosts}
        options: dict[str, Any] = {name: value for name, value in given.items() if value != ()}
        if predicate is not None:
            options["predicate"] = predicate
        super().__init__(Conditional, layer=as_record(layer), **options)

    @property
    def layer(self) -> Middleware:
        """The entry that is applied to matching requests."""
        return cast("Middleware", self.kwargs["layer"])

    def tree(self) -> list[str]:
        """Return the lines that draw this entry and, below it, the one it applies."""
        first, *rest = self.layer.tree()
        return [str(self), f"└─ {first}", *(f"   {line}" for line in rest)]

    def contains(self, target: object) -> bool:
        """Return whether this entry, or the one it applies, is what ``target`` means."""
        return target is When or super().contains(target) or self.layer.contains(target)

    def __repr__(self) -> str:
        return f"When({', '.join((repr(self.layer), *self._matchers()))})"

    def __str__(self) -> str:
        return f"When({', '.join(self._matchers())})"

    @property
    def name(self) -> str:
        """The name of this kind of entry."""
        return "When"

    def _matchers(self) -> list[str]:
        return [f"{name}={value!r}" for name, value in self.kwargs.items() if name != "layer"]


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class Conditional(Layer):
    """Pass matching requests through a middleware and all others around it.

    Paths are those that the router at this place sees: inside a mount, without the prefix of the mount. A WebSocket
    handshake is a ``GET`` request (RFC 6455, 4.1).
    """

    publishes_scope: ClassVar[bool] = True

    app: ASGIApp = field(kw_only=False)
    layer: Middleware
    """The middleware to apply."""
    paths: Collection[str] = ()
    """Path patterns, one of which must match: ``/health``, ``/api/*``, ``/users/{id}``; empty: any path."""
    exclude_paths: Collection[str] = ()
    """Path patterns, none of which may match."""
    methods: Collection[str] = ()
    """Request methods, as in ``GET``; empty: any method."""
    hosts: Collection[str] = ()
    """Host names without port, as in ``example.com`` or ``*.example.com``; empty: any host."""
    predicate: Callable[..., Any] | None = None
    """A function, sync or async, that is given the ``HTTPConnection`` and returns whether to apply the middleware."""
    _wrapped: ASGIApp = field(init=False, repr=False)
    _tests: tuple[_Test, ...] = field(init=False, repr=False)
    _innermost: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        problems = OptionErrors("When")
        check_types(problems, self)
        problems.raise_if_any()
        check_matchers(problems, self)
        if not any((self.paths, self.exclude_paths, self.methods, self.hosts, self.predicate is not None)):
            problems.found.append(Problem("paths", "or another matcher must be given"))
        problems.raise_if_any()
        # While options are checked nothing is built: a foreign middleware may open files or register metrics.
        wrapped = placeholder if self.app is placeholder else self.layer(self.app)
        tests = compile_matchers(
            methods=self.methods, paths=self.paths, exclude_paths=self.exclude_paths, hosts=self.hosts
        )
        freeze(self, _wrapped=wrapped, _tests=tests, _innermost=is_innermost(self.app))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self._wrapped(scope, receive, send)
        if self._innermost and EXCHANGE in scope:
            publish_scope(scope)
        for test in self._tests:
            if not test(scope):
                return await self.app(scope, receive, send)
        if self.predicate is not None and not await ask(self.predicate, scope):
            return await self.app(scope, receive, send)
        await self._wrapped(scope, receive, send)

    async def inner(self, scope: Scope) -> ASGIApp:
        """Return the middleware, or the application if the request does not match."""
        matches = all(test(scope) for test in self._tests)
        if matches and (self.predicate is None or await ask(self.predicate, scope)):
            return self._wrapped
        return self.app

    def hands_on_send(self) -> bool:
        """Return whether either branch leads straight to an application that is not ours."""
        return is_foreign(self.app) or is_foreign(self._wrapped)
