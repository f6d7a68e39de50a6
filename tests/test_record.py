"""A record is checked when it is written: every problem at once, for classes of ours and of others."""

from __future__ import annotations

import copy
import functools
import os
import pickle
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware as StarletteMiddleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from middlewares import CORS, GZip, Middleware, OptionError, Stack
from middlewares.asgi import ASGIApp, Receive, Scope, Send
from middlewares.core.layer import Layer, placeholder
from middlewares.core.options import check_types
from middlewares.errors import OptionErrors, Problem
from middlewares.record import as_record
from middlewares.testing import request

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class Guard(Layer):
    """A layer with a required option and secrets."""

    app: ASGIApp = field(kw_only=False)
    realm: str
    password: str = field(default="", repr=False)
    tries: int = 3

    def __post_init__(self) -> None:
        problems = OptionErrors(self)
        check_types(problems, self)
        problems.raise_if_any()
        problems.check(self.password != "123", "password", "must not be easy", self.password)  # noqa: S105 - a bad one
        problems.check(self.tries > 0, "tries", "must be positive", self.tries)
        problems.raise_if_any()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class TakesAnything:
    """A class of somebody else that hands its options on."""

    def __init__(self, app: ASGIApp, **options: Any) -> None:
        self.app, self.options = app, options

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class Tagged(TakesAnything):
    """A class with options by position and by name."""

    def __init__(self, app: ASGIApp, tag: str, size: int = 1, *, api_key: str = "") -> None:
        super().__init__(app, tag=tag, size=size, api_key=api_key)


def limit(app: ASGIApp, rate: int, burst: int = 5) -> ASGIApp:
    return TakesAnything(app, rate=rate, burst=burst)


def positional_only(app: ASGIApp, rate: int, /) -> ASGIApp:
    return TakesAnything(app, rate=rate)


def by_any_position(app: ASGIApp, *rates: int, unit: str) -> ASGIApp:
    return TakesAnything(app, rates=rates, unit=unit)


async def dispatch(request: Any, call_next: Callable[[Any], Any]) -> Any:
    response = await call_next(request)
    response.headers["x-dispatched"] = "yes"
    return response


def home(_request: Any) -> PlainTextResponse:
    return PlainTextResponse("x" * 2000)


def problems_of(cls: Any, *args: Any, **options: Any) -> list[str]:
    with pytest.raises(OptionError) as caught:
        Middleware(cls, *args, **options)
    return str(caught.value).splitlines()


# -- what is refused


@pytest.mark.parametrize(
    ("cls", "args", "options", "problems"),
    [
        (GZip, (), {"minimum_siz": 3}, ["GZip: minimum_siz is unknown (did you mean 'minimum_size'?)"]),
        (GZip, (), {"colour": 3}, ["GZip: colour is unknown"]),
        (GZip, (), {"app": None}, ["GZip: app is unknown"]),
        (GZip, (), {"_plan": None}, ["GZip: _plan is unknown"]),
        (GZip, (500,), {}, ["GZip: options must be given by name"]),
        (
            GZip,
            (),
            {"colour": 1, "minimum_size": -1, "size": 2, "compresslevel": 10},
            [
                "GZip: colour is unknown",
                "GZip: size is unknown",
                "GZip: minimum_size must not be negative; got -1",
                "GZip: compresslevel must be from 1 to 9; got 10",
            ],
        ),
        (GZip, (), {"minimum_size": True}, ["GZip: minimum_size must be an integer; got True"]),
        (
            CORS,
            (),
            {"allow_origins": "https://a.example"},
            ["CORS: allow_origins must be a list of strings; got 'https://a.example' (write ['https://a.example'])"],
        ),
        (Guard, (), {}, ["Guard: realm is required"]),
        # What cannot be built yet is still checked by type.
        (
            Guard,
            (),
            {"tries": "3", "relm": "x"},
            [
                "Guard: relm is unknown (did you mean 'realm'?)",
                "Guard: realm is required",
                "Guard: tries must be an integer; got '3'",
            ],
        ),
        # Third-party classes, by their signature.
        (
            GZipMiddleware,
            (),
            {"minimum_siz": 3},
            ["GZipMiddleware: minimum_siz is unknown (did you mean 'minimum_size'?)"],
        ),
        (Tagged, ("a", 2, "key"), {}, ["Tagged: options must be given by name but for the first 2"]),
        (GZipMiddleware, (1,), {"minimum_size": 2}, ["GZipMiddleware: minimum_size is given twice"]),
        (
            CORSMiddleware,
            (),
            {"allow_origin": []},
            ["CORSMiddleware: allow_origin is unknown (did you mean 'allow_origins'?)"],
        ),
        (
            BaseHTTPMiddleware,
            (),
            {"dispath": dispatch},
            ["BaseHTTPMiddleware: dispath is unknown (did you mean 'dispatch'?)"],
        ),
        (SessionMiddleware, (), {}, ["SessionMiddleware: secret_key is required"]),
        (Tagged, (), {"siz": 1}, ["Tagged: siz is unknown (did you mean 'size'?)", "Tagged: tag is required"]),
        (limit, (), {}, ["limit: rate is required"]),
        (limit, (), {"app": 1, "rate": 1}, ["limit: app is unknown"]),
        (positional_only, (), {"rate": 1}, ["positional_only: rate is unknown"]),
        (by_any_position, (1, 2), {}, ["by_any_position: unit is required"]),
        (functools.partial(limit, rate=1), (), {"brst": 1}, ["partial: brst is unknown (did you mean 'burst'?)"]),
        (lambda app: app, (), {"x": 1}, ["<lambda>: x is unknown"]),
    ],
)  # fmt: skip
def test_wrong_options_are_refused(cls: Any, args: tuple[Any, ...], options: dict[str, Any], problems: list[str]):
    assert problems_of(cls, *args, **options) == problems


@pytest.mark.parametrize(
    ("cls", "owner", "hint"),
    [
        ("gzip", "str", " (in code, give the class itself)"),
        (None, "NoneType", "; got None"),
        ([GZip], "list", " (give the entries one by one, as in Stack(*entries))"),
        (GZip(placeholder), "GZip", " (an application goes into the stack's call)"),
        (Starlette(), "Starlette", " (an application goes into the stack's call)"),
        (CORSMiddleware(placeholder), "CORSMiddleware", " (an application goes into the stack's call)"),
    ],
    ids=["a string", "None", "a list", "a layer", "an application", "a foreign middleware"],
)
def test_what_is_no_middleware_is_refused(cls: Any, owner: str, hint: str):
    (problem,) = problems_of(cls)
    assert problem.startswith(f"{owner}: class must be a middleware class or factory; got ")
    assert problem.endswith(hint)


class TakesNothing:
    pass


@pytest.mark.parametrize("cls", [os.getcwd, lambda: None, lambda *, app: app, TakesNothing])
def test_what_cannot_take_an_application_is_refused(cls: Any):
    (problem,) = problems_of(cls)
    assert ": class must take an application as its first argument; got " in problem


def test_a_class_that_fails_otherwise_raises_its_own_error():
    @dataclass(frozen=True, eq=False, slots=True, kw_only=True)
    class Broken(Layer):
        app: ASGIApp = field(kw_only=False)

        def __post_init__(self) -> None:
            raise TypeError("mine")

    with pytest.raises(TypeError, match="mine"):
        Middleware(Broken)


# -- what is accepted


@pytest.mark.parametrize(
    ("cls", "args", "options"),
    [
        (GZip, (), {}),
        (GZip, (), {"minimum_size": 0, "compresslevel": 9}),
        (CORS, (), {"allow_origins": {"https://a.example"}}),
        (Guard, (), {"realm": "x"}),
        (GZipMiddleware, (), {"minimum_size": 3, "compresslevel": 2}),
        (GZipMiddleware, (3, 2), {}),
        (CORSMiddleware, (), {"allow_origins": ["*"]}),
        (BaseHTTPMiddleware, (), {"dispatch": dispatch}),
        (BaseHTTPMiddleware, (dispatch,), {}),
        (TakesAnything, (), {"whatever": 1}),
        (Tagged, ("a",), {"size": 2, "api_key": "k"}),
        (Tagged, ("a", 2), {}),
        (limit, (5,), {"burst": 1}),
        (limit, (), {"rate": 5}),
        (positional_only, (1,), {}),
        (by_any_position, (1, 2, 3), {"unit": "s"}),
        (functools.partial(limit, rate=1), (), {"burst": 1}),
        (functools.partial(GZip, minimum_size=3), (), {"compresslevel": 1}),
        (lambda app: app, (), {}),
        (Stack(GZip), (), {"interface": "asgi3"}),
        (Stack(GZip), (), {}),
    ],
)
def test_right_options_are_accepted_and_kept(cls: Any, args: tuple[Any, ...], options: dict[str, Any]):
    record = Middleware(cls, *args, **options)
    assert tuple(record) == (cls, args, options)
    assert callable(record(home))  # type: ignore[arg-type]  # never called


def test_a_class_that_cannot_say_what_it_takes_is_accepted_as_it_is(monkeypatch: pytest.MonkeyPatch):
    class Opaque(TakesAnything):
        __signature__ = "none"

    assert Middleware(Opaque, 1, x=2).args == (1,)


def test_nothing_of_others_is_built_while_a_record_is_written():
    """It may open files, start threads, or register metrics: once for each application, not once more."""

    class Counting(TakesAnything):
        built = 0

        def __init__(self, app: ASGIApp) -> None:
            type(self).built += 1
            super().__init__(app)

    record = Middleware(Counting)
    assert Counting.built == 0
    record(home)  # type: ignore[arg-type]  # never called
    assert Counting.built == 1


# -- how it is shown


@pytest.mark.parametrize(
    ("record", "shown"),
    [
        (Middleware(GZip), "GZip()"),
        (Middleware(GZip, minimum_size=3, compresslevel=1), "GZip(minimum_size=3, compresslevel=1)"),
        (Middleware(limit, 5, burst=2), "limit(5, burst=2)"),
        (Middleware(by_any_position, 1, 2, unit="s"), "by_any_position(1, 2, unit='s')"),
        # Secrets are what a layer of ours says, and by their names in other classes.
        (Middleware(Guard, realm="x", password="hunter2"), "Guard(realm='x', password=…)"),  # noqa: S106 - shown as "…"
        (Middleware(SessionMiddleware, secret_key="hunter2"), "SessionMiddleware(secret_key=…)"),  # noqa: S106 - the same
        (Middleware(SessionMiddleware, "hunter2", "cookie"), "SessionMiddleware(…, 'cookie')"),
        (Middleware(Tagged, "a", api_key="hunter2"), "Tagged('a', api_key=…)"),
        (Middleware(TakesAnything, db_PASSWORD="hunter2", size=1), "TakesAnything(db_PASSWORD=…, size=1)"),  # noqa: S106 - the same
        (Middleware(TakesAnything, passphrase="hunter2"), "TakesAnything(passphrase=…)"),  # noqa: S106 - the same
        (Middleware(TakesAnything, signing_keys=["hunter2"]), "TakesAnything(signing_keys=…)"),
        (Middleware(CORSMiddleware, allow_credentials=True), "CORSMiddleware(allow_credentials=True)"),
    ],
    ids=str,
)  # fmt: skip
def test_a_record_shows_its_options_and_no_secret(record: Middleware, shown: str):
    assert str(record) == shown
    name, _, options = shown.partition("(")
    assert repr(record) == f"Middleware({name}{', ' if options != ')' else ''}{options}"
    assert record.tree() == [shown]
    assert "hunter2" not in repr(Stack(record)) + str(Stack(record))


def test_a_stack_in_a_record_shows_its_entries():
    record = Middleware(Stack(GZip))
    assert repr(record) == "Middleware(Stack(Middleware(GZip)))"
    assert record.tree() == ["Stack", "└─ GZip()"]


@pytest.mark.parametrize(
    "options",
    [
        {"realm": "x", "password": ["hunter2"]},
        {"realm": "x", "password": "123"},
        {"password": ["hunter2"]},
        {"pasword": "hunter2"},
    ],
)
def test_no_error_shows_a_secret(options: dict[str, Any]):
    with pytest.raises(OptionError) as caught:
        Middleware(Guard, **options)
    assert "hunter2" not in str(caught.value)
    assert "123" not in str(caught.value)
    assert "pass" in str(caught.value)


# -- where it is used


def test_records_of_starlette_become_ours_and_are_checked():
    ours = Middleware(GZip)
    assert as_record(ours) is ours
    record = as_record(StarletteMiddleware(GZip, minimum_size=3))
    assert isinstance(record, Middleware)
    assert tuple(record) == (GZip, (), {"minimum_size": 3})
    options: dict[str, Any] = {"minimum_siz": 3}
    with pytest.raises(OptionError, match="minimum_siz is unknown"):
        as_record(StarletteMiddleware(GZip, **options))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda record: pickle.loads(pickle.dumps(record))])  # noqa: S301 - our own bytes
def test_a_record_can_be_copied_and_pickled(copied: Callable[[Middleware], Middleware]):
    twin = copied(Middleware(GZip, minimum_size=3))
    assert type(twin) is Middleware
    assert tuple(twin) == (GZip, (), {"minimum_size": 3})


def _starlette(records: list[Middleware]) -> ASGIApp:
    return Starlette(routes=[Route("/", home)], middleware=records)


def _fastapi(records: list[Middleware]) -> ASGIApp:
    app = FastAPI(middleware=records)
    app.add_route("/", home)
    return app


def _added(records: list[Middleware]) -> ASGIApp:
    app = FastAPI()
    app.add_route("/", home)
    for cls, args, kwargs in reversed(records):
        app.add_middleware(cls, *args, **kwargs)
    return app


@pytest.mark.parametrize("register", [_starlette, _fastapi, _added])
async def test_frameworks_take_our_records(register: Callable[[list[Middleware]], ASGIApp]):
    origin = "https://a.example"
    records = [
        Middleware(CORS, allow_origins=[origin]),
        Middleware(BaseHTTPMiddleware, dispatch=dispatch),
        Middleware(GZip),
    ]
    response = await request(register(records), headers={"origin": origin, "accept-encoding": "gzip"})
    assert response.status == 200
    assert response.header("access-control-allow-origin") == origin
    assert response.header("x-dispatched") == "yes"
    assert response.header("content-encoding") == "gzip"


@pytest.mark.parametrize(
    ("target", "is_meant"),
    [
        (GZip, True),
        ("GZip", True),
        ("gzip", True),
        (CORS, False),
        ("CORS", False),
        ("cors", False),
        ("", False),
        (None, False),
        (0, False),
    ],
)
def test_a_record_knows_what_it_is_called(target: Any, is_meant: bool):
    assert Middleware(GZip).contains(target) is is_meant


def test_a_factory_with_the_name_of_a_builtin_is_found_by_it():
    def gzip(app: ASGIApp) -> ASGIApp:
        return app

    assert Middleware(gzip).contains("gzip")
    assert not Middleware(gzip).contains("GZip")


def test_a_problem_names_option_and_hint():
    with pytest.raises(OptionError) as caught:
        Middleware(GZip, minimum_siz=1)
    assert caught.value.owner == "GZip"
    assert caught.value.problems == (Problem("minimum_siz", "is unknown", hint="did you mean 'minimum_size'?"),)
