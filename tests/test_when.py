"""A condition applies a layer to matching requests, lets others pass around it, and always hands lifespan to it."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute

from middlewares import CORS, GZip, Middleware, OptionError, Stack, When
from middlewares.core.layer import is_foreign
from middlewares.testing import Driver, http_scope, request, websocket, websocket_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.middleware import Middleware as StarletteMiddleware
    from starlette.websockets import WebSocket

    from middlewares.asgi import ASGIApp, Receive, Scope, Send


class Note:
    """A middleware that notes what reaches it."""

    def __init__(self, app: ASGIApp, seen: list[Any]) -> None:
        self.app, self.seen = app, seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.append((scope["type"], scope.get("path")))
        await self.app(scope, receive, send)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await receive()


async def is_applied(matchers: dict[str, Any], *args: Any, **options: Any) -> bool:
    """Tell whether a request reaches the layer; in any case it must reach the application."""
    seen: list[Any] = []
    response = await request(Stack(When(Middleware(Note, seen=seen), **matchers))(app), *args, **options)
    assert response.text == "ok"
    return bool(seen)


# -- matchers


@pytest.mark.parametrize(
    ("matchers", "applied", "passed"),
    [
        ({"paths": ["/health"]}, [("GET", "/health")], [("GET", "/"), ("GET", "/health/")]),
        ({"paths": ["/api/*", "/x"]}, [("GET", "/api"), ("PUT", "/api/a"), ("GET", "/x")], [("GET", "/apis")]),
        ({"paths": ("/users/{id}",)}, [("GET", "/users/1")], [("GET", "/users/"), ("GET", "/users/1/2")]),
        ({"exclude_paths": ["/health"]}, [("GET", "/")], [("GET", "/health")]),
        ({"paths": ["/a/*"], "exclude_paths": ["/a/b/*"]}, [("GET", "/a/c")], [("GET", "/a/b/c"), ("GET", "/")]),
        ({"methods": ["GET", "PURGE"]}, [("GET", "/"), ("PURGE", "/")], [("HEAD", "/"), ("get", "/"), ("POST", "/")]),
        ({"methods": {"GET"}, "paths": {"/a"}}, [("GET", "/a")], [("POST", "/a"), ("GET", "/b")]),
        ({"paths": ["*"]}, [("OPTIONS", "*"), ("GET", "/")], []),
    ],
)  # fmt: skip
async def test_paths_and_methods(matchers: dict[str, Any], applied: list[Any], passed: list[Any]):
    for call in applied:
        assert await is_applied(matchers, *call), call
    for call in passed:
        assert not await is_applied(matchers, *call), call


@pytest.mark.parametrize(
    ("hosts", "header", "applied"),
    [
        (["a.example"], "A.example:8000", True),
        (["a.example"], "b.example", False),
        (["*.example"], "a.b.example", True),
        (["[::1]"], "[::1]:80", True),
        (["a.example"], "", False),
        (["a.example"], None, False),
        (["a.example"], "a.example\xff", False),
    ],
)
async def test_hosts(hosts: list[str], header: str | None, applied: bool):
    headers = {} if header is None else {"Host": header}
    assert await is_applied({"hosts": hosts}, headers=headers) is applied


class Predicate:
    """A predicate that is an object, and an empty one."""

    def __init__(self, verdict: object) -> None:
        self.verdict = verdict

    def __len__(self) -> int:
        return 0

    async def __call__(self, connection: HTTPConnection) -> object:
        return self.verdict


async def async_true(connection: HTTPConnection) -> bool:
    await anyio.lowlevel.checkpoint()
    return True


async def async_false(connection: HTTPConnection) -> bool:
    await anyio.lowlevel.checkpoint()
    return False


@pytest.mark.parametrize(
    ("predicate", "applied"),
    [
        (lambda connection: True, True),
        (lambda connection: False, False),
        (lambda connection: connection.headers.get("x-a"), True),
        (lambda connection: None, False),
        (async_true, True),
        (async_false, False),
        (Predicate("yes"), True),
        (Predicate(""), False),
        (lambda connection: async_false(connection), False),
    ],
)
async def test_predicates_sync_and_async(predicate: Any, applied: bool):
    assert await is_applied({"predicate": predicate}, headers={"x-a": "1"}) is applied


async def test_a_predicate_is_given_the_connection():
    given: list[HTTPConnection] = []

    def note(connection: HTTPConnection) -> bool:
        given.append(connection)
        return True

    await is_applied({"predicate": note}, path="/a", query="b=c", headers={"x-a": "1"})
    (connection,) = given
    assert type(connection) is HTTPConnection
    assert (connection.url.path, connection.query_params["b"], connection.headers["x-a"]) == ("/a", "c", "1")


async def test_what_a_predicate_reads_is_not_kept_in_the_scope():
    """Starlette writes the headers it was asked for into the scope of a connection, which is the server's."""
    scope = http_scope(headers={"x-a": "1"})
    before = {**scope}

    async def empty(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    layers = Stack(When(GZip, predicate=lambda connection: "x-a" in connection.headers))(empty)
    async with Driver(layers, scope) as driver:
        await driver.finish()
    assert scope == before


async def test_a_predicate_is_only_asked_when_all_other_matchers_agree():
    def never(connection: HTTPConnection) -> bool:
        raise AssertionError("asked")

    assert not await is_applied({"methods": ["POST"], "predicate": never})


async def test_an_exception_of_a_predicate_goes_on_as_it_is():
    error = LookupError("x")

    def broken(connection: HTTPConnection) -> bool:
        raise error

    with pytest.raises(LookupError) as caught:
        await is_applied({"predicate": broken})
    assert caught.value is error


# -- other scope types


@pytest.mark.parametrize(
    ("matchers", "applied"),
    [
        ({"paths": ["/ws/*"]}, True),
        ({"paths": ["/api/*"]}, False),
        ({"methods": ["GET"]}, True),
        ({"methods": ["POST"]}, False),
        ({"hosts": ["a.example"]}, True),
        ({"predicate": lambda connection: connection.scope["type"] == "websocket"}, True),
    ],
)
async def test_a_websocket_handshake_is_a_get_request(matchers: dict[str, Any], applied: bool):
    seen: list[Any] = []
    wrapped = Stack(When(Middleware(Note, seen=seen), **matchers))(app)
    async with websocket(wrapped, "/ws/a", headers={"host": "a.example"}):
        pass
    assert seen == [("websocket", "/ws/a")] * applied


@pytest.mark.parametrize("kind", ["lifespan", "later.protocol"])
async def test_what_is_no_request_always_reaches_the_layer(kind: str):
    """So what the layer opens at startup is opened, whichever requests it is for."""
    seen: list[Any] = []

    def never(connection: HTTPConnection) -> bool:
        raise AssertionError("asked")

    wrapped = When(Middleware(Note, seen=seen), paths=["/none"], predicate=never)(app)
    channels: Any = object()
    await wrapped({"type": kind}, channels, channels)
    assert seen == [(kind, None)]


@pytest.mark.parametrize("path", ["/in", "/out"])
async def test_scope_receive_and_send_are_handed_on_as_they_are(path: str):
    reached: list[tuple[Any, ...]] = []

    async def inner(*call: Any) -> None:
        reached.append(call)

    def layer(app: ASGIApp) -> ASGIApp:
        return app

    call: tuple[Any, ...] = (websocket_scope(path), object(), object())
    before = dict(call[0])
    await When(layer, paths=["/in"])(inner)(*call)
    assert [one is other for one, other in zip(reached[0], call, strict=True)] == [True, True, True]
    assert call[0] == before


# -- where it stands


def home(_request: Any) -> PlainTextResponse:
    return PlainTextResponse("x" * 2000)


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.close()


ROUTES = [Route("/api/a", home), Route("/b", home), WebSocketRoute("/api/ws", echo)]


def starlette(record: StarletteMiddleware) -> ASGIApp:
    return Starlette(routes=ROUTES, middleware=[record])


def fastapi(record: StarletteMiddleware) -> ASGIApp:
    return FastAPI(routes=list(ROUTES), middleware=[record])


def added(record: StarletteMiddleware) -> ASGIApp:
    framework = FastAPI(routes=list(ROUTES))
    cls, args, kwargs = record
    framework.add_middleware(cls, *args, **kwargs)
    return framework


@pytest.mark.parametrize("register", [starlette, fastapi, added])
@pytest.mark.parametrize("prefix", ["", "/v1", "/v1/sub"])
async def test_frameworks_take_it_and_in_a_mount_it_sees_what_the_router_sees(
    register: Callable[[StarletteMiddleware], ASGIApp], prefix: str
):
    wrapped = register(When(GZip, paths=["/api/*"]))
    for part in reversed(prefix.split("/")[1:]):
        wrapped = Starlette(routes=[Mount(f"/{part}", wrapped)])
    for path, coding in (("/api/a", "gzip"), ("/b", None)):
        for root_path in ("", "/proxied"):
            response = await request(
                wrapped, path=root_path + prefix + path, root_path=root_path, headers={"accept-encoding": "gzip"}
            )
            assert response.status == 200
            assert response.header("content-encoding") == coding


async def test_conditions_nest():
    layer = When(When(GZip, methods=["GET"]), paths=["/api/*"])
    wrapped = Stack(layer)(Starlette(routes=[Route("/api/a", home, methods=["GET", "POST"]), Route("/b", home)]))
    coded = {}
    for method, path in (("GET", "/api/a"), ("POST", "/api/a"), ("GET", "/b")):
        response = await request(wrapped, method, path, headers={"accept-encoding": "gzip"})
        coded[method, path] = response.header("content-encoding")
    assert coded == {("GET", "/api/a"): "gzip", ("POST", "/api/a"): None, ("GET", "/b"): None}


async def test_a_whole_stack_can_be_conditional():
    seen: list[Any] = []
    note = Middleware(Note, seen=seen)
    wrapped = When(Stack(note, note), paths=["/in"])(app)
    await request(wrapped, path="/in")
    assert len(seen) == 2
    await request(wrapped, path="/out")
    assert len(seen) == 2


def test_nothing_of_others_is_built_before_there_is_an_application():
    class Counting(Note):
        built = 0

        def __init__(self, app: ASGIApp) -> None:
            type(self).built += 1
            super().__init__(app, [])

    stack = Stack(When(When(Counting, methods=["GET"]), paths=["/a"]))
    assert Counting.built == 0
    stack(app)
    assert Counting.built == 1


@pytest.mark.parametrize(
    ("layer", "inner", "foreign"),
    [
        (GZip, app, True),
        (GZipMiddleware, GZip(app), True),
        (GZip, GZip(app), False),
        (When(GZip, paths=["/"]), GZip(app), False),
        (When(GZip, paths=["/"]), app, True),
        (When(GZipMiddleware, paths=["/"]), GZip(app), True),
    ],
)
def test_it_is_foreign_to_layers_outside_if_its_requests_reach_foreign_code(layer: Any, inner: ASGIApp, foreign: bool):
    """Then what they hand it must look conventional, for it goes on as it is."""
    assert is_foreign(When(layer, paths=["/x"])(inner)) is foreign


# -- what is refused

HOST_RULE = "must hold lower-case host names without a port, such as 'example.com' or '*.example.com'"


@pytest.mark.parametrize(
    ("matchers", "problems"),
    [
        ({}, ["paths or another matcher must be given"]),
        ({"paths": [], "methods": ()}, ["paths or another matcher must be given"]),
        (
            {"paths": "/api", "hosts": [1], "predicate": "x"},
            [
                "paths must be a list of strings; got '/api' (write ['/api'])",
                "hosts must be a list of strings; got [1]",
                "predicate must be a callable or None; got 'x'",
            ],
        ),
        (
            {"paths": ["/a", "a"], "exclude_paths": ["/a*"], "methods": ["get", "G T"], "hosts": ["a.example:80", "ü"]},
            [
                "paths must hold patterns that begin with '/'; got 'a'",
                "exclude_paths must hold '*' only as the last segment, as in '/api/*'; got '/a*'",
                f"hosts {HOST_RULE}; got 'a.example:80' (did you mean 'a.example'?)",
                f"hosts {HOST_RULE}; got 'ü'",
                "methods must hold request methods in upper case; got 'get'",
                "methods must hold request methods in upper case; got 'G T'",
            ],
        ),
    ],
)  # fmt: skip
def test_wrong_matchers_are_refused_when_written(matchers: dict[str, Any], problems: list[str]):
    with pytest.raises(OptionError) as caught:
        When(GZip, **matchers)
    assert str(caught.value).splitlines() == [f"When: {problem}" for problem in problems]


def test_a_wrong_layer_is_refused_in_its_own_name():
    with pytest.raises(OptionError, match=r"^SessionMiddleware: secret_key is required$"):
        When(SessionMiddleware, paths=["/"])


# -- how it is shown


@pytest.mark.parametrize(
    ("record", "lines", "shown"),
    [
        (
            When(GZip, paths=["/a"]),
            ["When(paths=['/a'])", "└─ GZip()"],
            "When(Middleware(GZip), paths=['/a'])",
        ),
        (
            When(Middleware(SessionMiddleware, secret_key="hunter2"), methods=("GET",), exclude_paths=("/b",)),  # noqa: S106 - shown as "…"
            ["When(exclude_paths=('/b',), methods=('GET',))", "└─ SessionMiddleware(secret_key=…)"],
            "When(Middleware(SessionMiddleware, secret_key=…), exclude_paths=('/b',), methods=('GET',))",
        ),
        (
            When(Stack(GZip, CORS), hosts=["a.example"]),
            ["When(hosts=['a.example'])", "└─ Stack", "   ├─ GZip()", "   └─ CORS()"],
            "When(Middleware(Stack(Middleware(GZip), Middleware(CORS))), hosts=['a.example'])",
        ),
    ],
)
def test_it_shows_matchers_and_layer(record: When, lines: Sequence[str], shown: str):
    assert record.tree() == lines
    assert str(record) == lines[0]
    assert repr(record) == shown
    assert record.name == "When"


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda record: pickle.loads(pickle.dumps(record))])  # noqa: S301 - our own bytes
def test_it_can_be_copied_and_pickled(copied: Callable[[When], When]):
    record = When(Middleware(GZip, minimum_size=3), paths=["/a"])
    twin = copied(record)
    assert repr(twin) == repr(record)
    assert twin.layer.cls is GZip
    assert callable(twin(app))
