"""Every kind of application is called as it expects, and the result is ASGI 3 to servers and adapters."""

from __future__ import annotations

import builtins
import functools
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from asgiref.compatibility import is_double_callable
from fastapi import FastAPI
from hypercorn.utils import is_asgi
from starlette.applications import Starlette

from middlewares import CORS, GZip, MissingExtra, OptionError, Stack
from middlewares.adapt import adapt, interface_of, recognisable
from middlewares.testing import Driver, lifespan_scope, request, websocket_scope

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from middlewares.asgi import ASGIApp, Receive, Scope, Send


async def answer(send: Send, text: str) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": text.encode()})


async def function(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, scope["path"])


async def with_prefix(prefix: str, scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, prefix + scope["path"])


class Application:
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, scope["path"])

    async def method(self, scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, scope["path"])

    def plain_method(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return self(scope, receive, send)

    @staticmethod
    async def static(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, scope["path"])


class WithStaticCall:
    @staticmethod
    async def __call__(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, scope["path"])


class PlainCall:
    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return function(scope, receive, send)


class Variadic:
    async def __call__(self, *args: Any) -> None:
        await answer(args[2], args[0]["path"])


class Defaults:
    async def __call__(self, scope: Any = None, receive: Any = None, send: Any = None) -> None:
        await answer(send, scope["path"])


class Endpoint:
    """An application that is a class: an instance answers one request when it is awaited."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self.send = scope, send

    def __await__(self) -> Any:
        return answer(self.send, self.scope["path"]).__await__()


def plain(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
    return function(scope, receive, send)


def with_extra(scope: Scope, receive: Receive, send: Send, extra: int = 1, **more: Any) -> Awaitable[None]:
    return function(scope, receive, send)


@functools.wraps(function)
def wrapped(*args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)


async def variadic(*args: Any) -> None:
    await answer(args[2], args[0]["path"])


def plain_variadic(*args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)


async def all_defaults(scope: Any = None, receive: Any = None, send: Any = None) -> None:
    await answer(send, scope["path"])


class ASGI2:
    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def __call__(self, receive: Receive, send: Send) -> None:
        await answer(send, self.scope["path"])


def asgi2_function(scope: Scope) -> Any:
    async def call(receive: Receive, send: Send) -> None:
        await answer(send, scope["path"])

    return call


class ASGI2Factory:
    """An instance that makes ASGI 2 instances, as routers of that time did."""

    def __call__(self, scope: Scope) -> Any:
        return ASGI2(scope)


def wsgi_function(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [("content-type", "text/plain")])
    return [environ["PATH_INFO"].encode()]


class Flasklike:
    """Flask's and Django's shape."""

    def wsgi_app(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        return wsgi_function(environ, start_response)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        return self.wsgi_app(environ, start_response)


ASGI3: dict[str, Any] = {
    "async function": function,
    "instance": Application(),
    "bound async method": Application().method,
    "bound plain method": Application().plain_method,
    "static method": Application.static,
    "instance with a static call": WithStaticCall(),
    "instance with a plain call": PlainCall(),
    "instance that takes anything": Variadic(),
    "instance that needs nothing": Defaults(),
    "partial of an async function": functools.partial(with_prefix, ""),
    "partial of an instance": functools.partial(Application()),
    "partial of an instance that takes anything": functools.partial(Variadic()),
    "partial of a partial": functools.partial(functools.partial(with_prefix), ""),
    "partial of a method": functools.partial(Application().plain_method),
    "plain function": plain,
    "plain function with options": with_extra,
    "wrapped function": wrapped,
    "lambda": lambda scope, receive, send: function(scope, receive, send),
    "function that takes anything": variadic,
    "plain function that takes anything": plain_variadic,
    "function that needs nothing": all_defaults,
    "class to be awaited": Endpoint,
    "a layer": GZip(function),
    "an empty stack": Stack()(plain),
}
ASGI2_APPS: dict[str, Any] = {
    "class": ASGI2,
    "function": asgi2_function,
    "lambda": lambda scope: ASGI2(scope),
    "instance": ASGI2Factory(),
    "partial": functools.partial(asgi2_function),
}
WSGI: dict[str, Any] = {
    "WSGI function": wsgi_function,
    "WSGI instance": Flasklike(),
    "WSGI method": Flasklike().wsgi_app,
    "WSGI partial": functools.partial(wsgi_function),
}
ALL = ASGI3 | {f"ASGI 2 {name}": app for name, app in ASGI2_APPS.items()} | WSGI

every_app = pytest.mark.parametrize("app", ALL.values(), ids=ALL)


@pytest.mark.parametrize(
    ("app", "interface"),
    [
        *((app, "asgi3") for app in ASGI3.values()),
        *((app, "asgi2") for app in ASGI2_APPS.values()),
        *((app, "wsgi") for app in WSGI.values()),
        # What cannot be asked, or fits nothing, is taken for ASGI 3.
        (dict, "asgi3"),
        (lambda: None, "asgi3"),
        (lambda a, b, c, d: None, "asgi3"),
    ],
    ids=[*ALL, "unknown signature", "no parameters", "four parameters"],
)
def test_the_parameters_tell_the_interface(app: Any, interface: str):
    assert interface_of(app) == interface


@every_app
async def test_every_application_answers_through_a_stack(app: Any):
    """Alone, and inside layers."""
    for stack in (Stack(), Stack(GZip, CORS)):
        response = await request(stack(app), path="/hello")
        assert response.text == "/hello"


def is_single_callable(app: Any) -> bool:
    return not is_double_callable(app)  # type: ignore[no-untyped-call]  # asgiref leaves it untyped


def loaded(app: Any) -> uvicorn.Config:
    config = uvicorn.Config(app, log_config=None, proxy_headers=False, ws="none", http="h11")
    config.load()
    return config


@every_app
@pytest.mark.parametrize("layers", [(), (GZip,)], ids=["empty stack", "stack"])
def test_servers_take_the_result_for_asgi_3(app: Any, layers: tuple[Any, ...], caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.WARNING)
    result = Stack(*layers)(app)
    uvicorn_config = loaded(result)
    assert uvicorn_config.interface == "asgi3"
    assert uvicorn_config.loaded_app is result  # and was not taken for a factory
    assert is_asgi(result)
    assert is_single_callable(result)
    assert caplog.messages == []


@pytest.mark.parametrize(
    "app", [function, Application(), WithStaticCall(), GZip(function)], ids=["function", "instance", "static", "layer"]
)
def test_what_servers_recognise_stays_the_object_it_is(app: ASGIApp):
    """So attributes such as ``app.state`` stay within reach."""
    assert recognisable(app) is app
    assert Stack()(app) is app


def test_servers_would_not_have_recognised_the_others():
    """Or the tests above would show nothing."""
    lost = [name for name, app in ASGI3.items() if not (is_asgi(app) and is_single_callable(app))]
    assert {"lambda", "plain function", "partial of an instance", "bound plain method"} <= set(lost)


@pytest.mark.parametrize("app", [None, 1, "shop:app", [function]])
def test_what_cannot_be_called_is_refused(app: Any):
    with pytest.raises(OptionError, match="Stack: app must be an ASGI or WSGI application; got"):
        Stack()(app)


@pytest.mark.parametrize("cls", [Starlette, FastAPI, GZip])
def test_the_class_of_an_application_is_refused(cls: type):
    """It would be served, and answer every request with an error."""
    with pytest.raises(OptionError, match="Stack: app must be an application, not its class; got <class "):
        Stack()(cls)


def test_an_unknown_interface_is_refused_together_with_the_application():
    with pytest.raises(OptionError) as caught:
        adapt(None, "asgi4")  # type: ignore[arg-type]  # what is tested
    assert str(caught.value).splitlines() == [
        "Stack: app must be an ASGI or WSGI application; got None",
        "Stack: interface must be one of 'asgi3', 'asgi2', 'wsgi'; got 'asgi4'",
    ]


@pytest.mark.parametrize(
    ("app", "interface"),
    [
        (lambda *args: ASGI2(*args), "asgi2"),
        (lambda *args: wsgi_function(*args), "wsgi"),
        (lambda scope, *channels: function(scope, *channels), "asgi3"),
    ],
)
async def test_the_interface_can_be_said_where_it_does_not_show(app: Any, interface: Any):
    assert (await request(Stack(GZip)(app, interface=interface), path="/hello")).text == "/hello"


@pytest.mark.parametrize(
    "scope", [lifespan_scope(), websocket_scope(), {"type": "later"}], ids=lambda scope: scope["type"]
)
async def test_a_wsgi_application_refuses_what_it_does_not_know(scope: Scope):
    """By raising, as ASGI asks: servers then go on without lifespan."""
    async with Driver(adapt(wsgi_function), scope) as call:
        with pytest.raises(RuntimeError, match=f"a WSGI application cannot answer a '{scope['type']}' scope"):
            await call.finish()


async def test_a_wsgi_application_runs_outside_the_event_loop():
    threads: list[int] = []

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        threads.append(threading.get_ident())
        return wsgi_function(environ, start_response)

    await request(adapt(app))
    assert threads
    assert threading.get_ident() not in threads


def test_without_a2wsgi_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "a2wsgi":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"pip install 'middlewares\[wsgi\]'"):
        adapt(wsgi_function)


async def test_an_asgi_2_application_is_made_for_each_request():
    made: list[Scope] = []

    class Noted(ASGI2):
        def __init__(self, scope: Scope) -> None:
            super().__init__(scope)
            made.append(scope)

    app = adapt(Noted)
    assert made == []
    await request(app, path="/a")
    await request(app, path="/b")
    assert [scope["path"] for scope in made] == ["/a", "/b"]


async def test_what_an_application_raises_is_the_same_object_outside():
    error = LookupError("x")

    def app(scope: Scope) -> Any:
        raise error

    with pytest.raises(LookupError) as caught:
        await request(Stack(GZip)(app))
    assert caught.value is error
