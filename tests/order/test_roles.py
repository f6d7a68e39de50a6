"""A layer is known by its role: by name, by import path, or because its class or the caller says so."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware

from middlewares import CORS, GZip, OptionError, Stack
from middlewares.order import KNOWN, ROLES
from middlewares.order.roles import role_of
from middlewares.registry import BUILTIN, load_builtin

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp


class Other:
    def __init__(self, app: ASGIApp, kind: str = "") -> None: ...


class MyCORS(CORSMiddleware): ...


class MyPlain(BaseHTTPMiddleware): ...


class MyLog(BaseHTTPMiddleware):
    order_role = "access_log"


class ByOption(Other):
    @staticmethod
    def order_role(options: dict[str, Any]) -> str | None:
        return options.get("kind")


def make(name: str, module: str, *bases: type) -> type:
    return type(name, bases, {"__module__": module})


def factory(app: ASGIApp) -> ASGIApp:
    return app


@pytest.mark.parametrize(
    ("cls", "options", "added", "role"),
    [
        (GZip, {}, {}, "compression"),
        (CORS, {}, {}, "cors"),
        (make("MyGZip", "shop", GZip), {}, {}, "compression"),
        (CORSMiddleware, {}, {}, "cors"),
        (MyCORS, {}, {}, "cors"),
        (partial(MyCORS, allow_origins=["*"]), {}, {}, "cors"),
        (MyPlain, {}, {}, "base_http"),
        (MyLog, {}, {}, "access_log"),
        (make("SlowAPIMiddleware", "slowapi.middleware", BaseHTTPMiddleware), {}, {}, "rate_limit"),
        (ByOption, {"kind": "etag"}, {}, "etag"),
        (partial(ByOption, kind="etag"), {}, {}, "etag"),
        (ByOption, {}, {}, None),
        (Other, {}, {}, None),
        (Other, {}, {Other: "etag"}, "etag"),
        (Other, {}, {f"{__name__}:Other": "etag"}, "etag"),
        (MyLog, {}, {MyLog: "metrics"}, "metrics"),
        (MyLog, {}, {BaseHTTPMiddleware: "metrics"}, "metrics"),
        (factory, {}, {factory: "auth"}, "auth"),
        (factory, {}, {}, None),
        (object(), {}, {}, None),
    ],
)
def test_role(cls: Any, options: dict[str, Any], added: dict[Any, str], role: str | None) -> None:
    assert role_of(cls, options, added) == role


def test_a_role_that_does_not_exist_is_an_error_that_names_the_class() -> None:
    class Misspelt(Other):
        order_role = "acess_log"

    message = r"Misspelt: order_role must be a role .* got 'acess_log' \(did you mean 'access_log'\?\)"
    with pytest.raises(OptionError, match=message):
        Stack(Misspelt).check()


def is_installed(path: str) -> bool:
    try:
        return find_spec(path.partition(":")[0]) is not None
    except ModuleNotFoundError:  # not even the package
        return False


@pytest.mark.parametrize("path", [path for path in KNOWN if is_installed(path)])
def test_a_known_path_that_is_installed_leads_to_the_class_itself(path: str) -> None:
    """The path must be where the class is defined, not a name for it elsewhere."""
    module, _, name = path.partition(":")
    cls = getattr(import_module(module), name)
    assert f"{cls.__module__}:{cls.__qualname__}" == path


def test_known_roles_exist() -> None:
    assert {*KNOWN.values()} <= {*ROLES}


@pytest.mark.parametrize("name", BUILTIN)
def test_every_built_in_middleware_is_known(name: str) -> None:
    """One that no rule speaks of says so itself: ``order_role = "anywhere"``, or a role of its own."""
    assert role_of(load_builtin(name), {}, {}) in ROLES


def test_advice_loads_no_module_that_is_not_in_the_stack() -> None:
    code = (
        "import sys; from middlewares import Stack, CORS; Stack(CORS, CORS).check()\n"
        "print(any(name.startswith(('middlewares.compression', 'starlette.middleware.')) for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False\n"
