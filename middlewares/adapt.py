"""Make any application an ASGI 3 application that every server recognises: done once, when a stack is built."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from middlewares.errors import MissingExtra, OptionErrors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from middlewares.asgi import ASGIApp, Receive, Scope, Send

__all__ = ("Interface", "adapt", "interface_of", "recognisable")

Interface = Literal["asgi3", "asgi2", "wsgi"]

_ASGI3_PARAMETERS = ("scope", "receive", "send")
_PARAMETERS: dict[int, Interface] = {1: "asgi2", 2: "wsgi", 3: "asgi3"}


def adapt(app: Any, interface: Interface | None = None) -> ASGIApp:
    """Return ``app`` as something that is called with ``scope, receive, send`` and awaited.

    ``interface`` says what it is where that cannot be told from its parameters. Raises `OptionError` if ``app`` is
    not callable or a class of applications, and `MissingExtra` for a WSGI application without ``a2wsgi``.
    """
    problems = OptionErrors("Stack")
    problems.check(callable(app), "app", "must be an ASGI or WSGI application", app)
    problems.check(not _is_class_of_applications(app), "app", "must be an application, not its class", app)
    known = interface in (None, *_PARAMETERS.values())
    problems.check(known, "interface", "must be one of 'asgi3', 'asgi2', 'wsgi'", interface)
    problems.raise_if_any()
    interface = interface or interface_of(app)
    if interface == "wsgi":
        return _from_wsgi(app)
    if interface == "asgi2":
        return _ASGI2(app)
    asgi3: ASGIApp = app
    return asgi3


def interface_of(app: Any) -> Interface:
    """Tell by the parameters what kind of application ``app`` is; in doubt it is ASGI 3.

    An ASGI 2 application takes ``scope`` and returns a callable, a WSGI application takes ``environ`` and
    ``start_response``.
    """
    if _is_coroutine_function(app):
        return "asgi3"
    try:
        parameters = inspect.signature(app).parameters.values()
    except (TypeError, ValueError):
        return "asgi3"
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return "asgi3"
    required = [parameter for parameter in parameters if _is_required(parameter)]
    return _PARAMETERS.get(len(required), "asgi3")


def recognisable(app: ASGIApp) -> ASGIApp:
    """Return ``app`` if servers take it for ASGI 3 as it is, else a plain instance that calls it.

    uvicorn and hypercorn look for a coroutine function or an instance with an honest ``async def __call__``: a
    ``functools.partial``, a bound method or a plain function that returns a coroutine is taken for ASGI 2 or WSGI.
    What can be called without arguments is taken for a factory by uvicorn, which calls it to find out.
    """
    is_function = inspect.isfunction(app)
    call = app if is_function else _method_of(type(app))
    is_honest = is_function or not (inspect.isroutine(app) or isinstance(app, partial))
    if is_honest and inspect.iscoroutinefunction(call) and _needs_arguments(app):
        return app
    return _ASGI3(app)


class _ASGI3:
    """Call an application that servers would not recognise."""

    __slots__ = ("app",)

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class _ASGI2:
    """Call an ASGI 2 application, which takes the scope first and the channels after."""

    __slots__ = ("app",)

    def __init__(self, app: Callable[[Scope], Callable[[Receive, Send], Awaitable[None]]]) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope)(receive, send)


def _from_wsgi(app: Any) -> ASGIApp:
    try:
        from a2wsgi import WSGIMiddleware
    except ImportError:
        raise MissingExtra("a WSGI application inside a stack", "wsgi") from None
    wrapped: Any = WSGIMiddleware(app)
    return _WSGI(wrapped)


class _WSGI:
    """Call a WSGI application, which knows HTTP alone."""

    __slots__ = ("app",)

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            # ASGI, "Applications": an application raises on a scope that it does not know.
            raise RuntimeError(f"a WSGI application cannot answer a {scope['type']!r} scope")
        await self.app(scope, receive, send)


def _is_coroutine_function(app: Any) -> bool:
    return inspect.iscoroutinefunction(app) or (
        not inspect.isclass(app) and inspect.iscoroutinefunction(_method_of(type(app)))
    )


def _is_class_of_applications(app: Any) -> bool:
    """Return whether ``app`` is a class whose instances are called as ASGI 3, such as ``Starlette`` itself.

    Called with a request it would build an instance of that, or fail, and answer nothing. The class of an ASGI 2
    application is itself one: its instances take only the channels.
    """
    call = _method_of(app) if inspect.isclass(app) else None
    if call is None or not inspect.iscoroutinefunction(call):
        return False
    return sum(map(_is_required, inspect.signature(call).parameters.values())) == len(("self", *_ASGI3_PARAMETERS))


def _method_of(cls: type) -> object:
    """Return the method by which instances of ``cls`` are called."""
    return getattr(cls, "__call__", None)  # noqa: B004 - the method itself is asked for, not whether there is one


def _needs_arguments(app: ASGIApp) -> bool:
    try:
        inspect.signature(app).bind()
    except (TypeError, ValueError):
        return True
    return False


def _is_required(parameter: inspect.Parameter) -> bool:
    positional = parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    return positional and parameter.default is parameter.empty
