"""Each way in which a name can mean nothing has its own message, in one line."""

from __future__ import annotations

import sys
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from middlewares import GZip
from middlewares.config import resolve
from middlewares.config.resolve import Unresolved, describe_error, import_object, resolve_middleware
from middlewares.errors import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODULES = {
    "good": """
        import types
        class Layer:
            class Inner: ...
        table = {}
        def __getattr__(name):
            if name == "computed":
                raise KeyError("no such colour")
            raise AttributeError(name)
    """,
    "needs_missing": "import json\nimport missing_dependency",
    "needs_missing_inside_itself": "import package.missing",
    "broken": "def f():\n    raise ValueError('bad\\nvalue')\nf()",
    "not_python": "x = = 1",
    "exits": "import sys\nsys.exit('usage: exits FILE')",
    "silent": "raise KeyError",
    "cancelled": "from asyncio import CancelledError\nraise CancelledError",
    "long_winded": "raise ValueError('x' * 1000)",
    "package/__init__": "",
    "package/inside": "def make(app): return app",
    "bad_package/__init__": "1 / 0",
    "bad_package/inside": "",
}


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Put the modules above where Python finds them, and forget them afterwards."""
    for name, source in MODULES.items():
        file = tmp_path / f"{name}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(dedent(source))
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in {key.partition("/")[0] for key in MODULES}:
            del sys.modules[name]


@pytest.mark.parametrize(
    ("name", "qualified_name"),
    [
        ("good:Layer", "Layer"),
        ("good:Layer.Inner", "Layer.Inner"),
        ("package.inside:make", "make"),
    ],
)
def test_a_module_and_an_attribute_name_an_object(name: str, qualified_name: str) -> None:
    assert import_object(name).__qualname__ == qualified_name
    assert resolve_middleware(name) is import_object(name)


def test_a_built_in_name_needs_no_module() -> None:
    assert resolve_middleware("gzip") is GZip


UNRESOLVED = [
    ("", "'' is not of the form 'package.module:attribute'"),
    ("good", "'good' is not of the form 'package.module:attribute'"),
    ("good:", "'good:' is not of the form 'package.module:attribute'"),
    (":Layer", "':Layer' is not of the form 'package.module:attribute'"),
    (".good:Layer", "'.good:Layer' is not of the form 'package.module:attribute'"),
    ("good:a:b", "'good:a:b' is not of the form 'package.module:attribute'"),
    ("good:Layer()", "'good:Layer()' is not of the form 'package.module:attribute'"),
    ("a b\x1b:c", "'a b\\x1b:c' is not of the form 'package.module:attribute'"),
    ("x" * 500, f"'{'x' * 79}…' is not of the form 'package.module:attribute'"),
    ("goood:Layer", "there is no module 'goood'"),
    ("good.inside:Layer", "there is no module 'good.inside'"),
    ("good.py:Layer", "there is no module 'good.py'; did you mean 'good'?"),
    ("nowhere.at.all:Layer", "there is no module 'nowhere'"),
    ("package.outside:make", "there is no module 'package.outside'"),
    ("good:Leyer", "module 'good' has no attribute 'Leyer'; did you mean 'Layer'?"),
    ("good:Layer.Iner", "'Layer' of module 'good' has no attribute 'Iner'; did you mean 'Inner'?"),
    ("good:zzz", "module 'good' has no attribute 'zzz'"),
    ("good:computed", "reading 'computed' of module 'good' failed: KeyError: 'no such colour' ({dir}/good.py, line 8)"),
    (
        "needs_missing:x",
        (
            "importing 'needs_missing' failed: ModuleNotFoundError: No module named 'missing_dependency'"
            " ({dir}/needs_missing.py, line 2)"
        ),
    ),
    (
        "needs_missing_inside_itself:x",
        (
            "importing 'needs_missing_inside_itself' failed: ModuleNotFoundError: No module named 'package.missing'"
            " ({dir}/needs_missing_inside_itself.py, line 1)"
        ),
    ),
    ("broken:x", "importing 'broken' failed: ValueError: bad value ({dir}/broken.py, line 2)"),
    ("not_python:x", "importing 'not_python' failed: SyntaxError: invalid syntax (not_python.py, line 1)"),
    ("exits:x", "importing 'exits' failed: SystemExit: usage: exits FILE ({dir}/exits.py, line 2)"),
    ("cancelled:x", "importing 'cancelled' failed: CancelledError ({dir}/cancelled.py, line 2)"),
    ("silent:x", "importing 'silent' failed: KeyError ({dir}/silent.py, line 1)"),
    ("long_winded:x", f"importing 'long_winded' failed: ValueError: {'x' * 299}… ({{dir}}/long_winded.py, line 1)"),
    (
        "bad_package.inside:x",
        (
            "importing 'bad_package.inside' failed: ZeroDivisionError: division by zero"
            " ({dir}/bad_package/__init__.py, line 1)"
        ),
    ),
]


@pytest.mark.parametrize(("name", "message"), UNRESOLVED, ids=[repr(name[:30]) for name, _ in UNRESOLVED])
def test_what_a_name_lacks_is_told(name: str, message: str, modules: Path) -> None:
    with pytest.raises(Unresolved) as caught:
        import_object(name)
    assert str(caught.value) == message.format(dir=modules)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        ("gzp", "unknown middleware 'gzp'; did you mean 'gzip'?"),
        ("CORS", "unknown middleware 'CORS'; did you mean 'cors'?"),
        ("package.inside.make", "unknown middleware 'package.inside.make'; did you mean 'package.inside:make'?"),
        ("good:table", "'good:table' is no middleware class but an object of type 'dict'"),
        ("goood:Layer", "there is no module 'goood'"),
    ],
)
def test_what_the_name_of_a_middleware_lacks_is_told(use: str, message: str) -> None:
    with pytest.raises(Unresolved) as caught:
        resolve_middleware(use)
    assert str(caught.value) == message


def test_a_name_that_is_near_to_none_is_answered_with_what_is_known() -> None:
    with pytest.raises(Unresolved, match=r"unknown middleware 'zzz'; known are .*cors.*gzip.*, and any class as "):
        resolve_middleware("zzz")


def test_a_built_in_middleware_that_needs_an_extra_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> type:
        raise MissingExtra(name, "fast")

    monkeypatch.setattr(resolve, "load_builtin", load)
    with pytest.raises(Unresolved) as caught:
        resolve_middleware("gzip")
    assert str(caught.value) == (
        "importing 'gzip' failed: gzip needs an optional dependency: pip install 'middlewares[fast]'"
    )


def test_an_interrupt_is_not_taken_for_a_failed_import(modules: Path) -> None:
    (modules / "silent.py").write_text("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        import_object("silent:x")


def test_an_error_without_a_place_is_described_by_its_words() -> None:
    assert describe_error(ValueError("a\n b")) == "ValueError: a b"
