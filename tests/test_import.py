"""Importing the package is cheap: names are imported when they are first used, and no dependency before that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from time import perf_counter

import pytest

import middlewares
from middlewares.registry import BUILTIN, load_builtin

HEAVY = {
    "asyncio",
    "backports",
    "brotli",
    "click",
    "itsdangerous",
    "opentelemetry",
    "prometheus_client",
    "pydantic",
    "redis",
    "rich",
    "starlette",
    "uvicorn",
    "yaml",
}
ROOT = Path(middlewares.__file__).parent.parent


def run(code: str, *flags: str) -> str:
    """Run code in a fresh interpreter, which finds the package and measures no coverage."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(
        [sys.executable, *flags, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == ""
    return done.stdout


def imported_by(code: str) -> set[str]:
    modules: list[str] = json.loads(run(f"{code}\nimport json, sys\nprint(json.dumps(list(sys.modules)))"))
    return {module.partition(".")[0] for module in modules}


def test_importing_the_package_imports_no_dependency():
    assert imported_by("import middlewares") & HEAVY == set()


def test_the_names_of_the_package_are_known_without_importing_anything():
    assert imported_by("import middlewares; dir(middlewares); middlewares.__version__") & HEAVY == set()


@pytest.mark.parametrize(
    "code",
    [
        "from middlewares import OptionError",
        "from middlewares import Stack, Middleware, When",
        "from middlewares import GZip, CORS",
        "import middlewares.testing",
    ],
)
def test_no_name_imports_more_than_it_needs(code: str):
    needed = {"starlette", "asyncio"}
    assert imported_by(code) & HEAVY <= needed


def test_importing_the_package_adds_under_15_ms_to_the_start_of_python():
    """The best of several runs in turn: what is slower has met something else on the machine."""

    def seconds(code: str) -> float:
        start = perf_counter()
        run(code)
        return perf_counter() - start

    without, with_it = [], []
    for _ in range(12):
        without.append(seconds("pass"))
        with_it.append(seconds("import middlewares"))
    assert min(with_it) - min(without) < 0.015


def test_every_public_name_is_there_and_found_by_dir():
    for name in middlewares.__all__:
        assert getattr(middlewares, name) is not None
    assert set(middlewares.__all__) <= set(dir(middlewares))
    assert list(middlewares.__all__) == sorted(middlewares.__all__)
    assert dir(middlewares) == sorted(dir(middlewares))


def test_each_public_name_is_what_its_module_offers():
    for name, home in middlewares._HOME.items():
        module = import_module(home, "middlewares")
        assert getattr(middlewares, name) is getattr(module, name)
        assert name in module.__all__
    assert {*middlewares._HOME, "__version__"} == set(middlewares.__all__)


def test_a_name_is_looked_up_once():
    code = "import middlewares as m; assert 'GZip' not in vars(m); m.GZip; assert 'GZip' in vars(m); print('ok')"
    assert run(code) == "ok\n"


def test_a_star_import_brings_all_public_names():
    code = "from middlewares import *; import middlewares; print(set(middlewares.__all__) <= set(globals()))"
    assert run(code) == "True\n"


@pytest.mark.parametrize("name", ["Gzip", "nothing", "_HOMES", "__path"])
def test_an_unknown_name_is_an_attribute_error(name: str):
    with pytest.raises(AttributeError, match=f"module 'middlewares' has no attribute '{name}'"):
        getattr(middlewares, name)


def test_every_module_says_what_it_offers():
    missing = []
    for path in sorted((ROOT / "middlewares").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if path.name == "__main__.py" or path.stat().st_size < 200:
            continue  # a program, and packages that are only a folder
        module = import_module(name)
        missing += [f"{name}.{public}" for public in module.__all__ if not hasattr(module, public)]
    assert missing == []


@pytest.mark.parametrize("name", BUILTIN)
def test_every_registered_name_is_a_class(name: str):
    assert isinstance(load_builtin(name), type)


def test_a_name_that_is_not_registered_is_a_key_error():
    with pytest.raises(KeyError):
        load_builtin("nothing")
