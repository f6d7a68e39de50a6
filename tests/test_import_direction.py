"""Imports point one way, and no middleware knows another: read from the sources, so a late import counts too."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import middlewares

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(middlewares.__file__).parent
BASE = {"asgi", "errors"}
MIDDLEWARE = BASE | {"core", "stores"}
"""What a middleware may import besides its own package: every part that is not listed below is one."""

MAY_IMPORT = {
    "asgi": set[str](),
    "errors": set[str](),
    "registry": set[str](),
    "core": BASE,
    "stores": BASE | {"core"},
    "adapt": BASE,
    "record": BASE | {"core", "registry"},
    "stack": BASE | {"adapt", "record", "order", "observability"},  # when it is asked for
    "observability": BASE | {"order", "record", "registry"},
    "order": BASE | {"core", "record", "registry", "stack", "when"},
    "when": BASE | {"core", "record"},
    "config": BASE | {"registry", "record", "stack", "when"},
    "serve": BASE | {"config", "reload", "middlewares"},
    "reload": BASE | {"adapt", "core", "record", "stack", "when"},
    "cli": BASE | {"config", "serve", "testing", "middlewares", "sessions", "stores"},
    "__main__": {"cli"},
    "testing": BASE | {"core"},
}
FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def imported(tree: ast.AST, package: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield every module or name that a source imports, as absolute parts."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = node.module.split(".") if node.module else ()
            yield from ((*base, *module, alias.name) for alias in node.names)


def part_of(name: tuple[str, ...]) -> str:
    """Return which part of the package a name belongs to: a module or package at its top, or the package itself."""
    top, *rest = name
    is_part = bool(rest) and ((ROOT / rest[0]).is_dir() or (ROOT / f"{rest[0]}.py").exists())
    return rest[0] if is_part else top


def place(path: Path) -> tuple[str, tuple[str, ...]]:
    """Return the part that a file belongs to, and the package it stands in."""
    relative = path.relative_to(ROOT)
    return relative.parts[0].removesuffix(".py"), ("middlewares", *relative.parts[:-1])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_part_imports_only_what_stands_below_it(path: Path) -> None:
    part, package = place(path)
    names = imported(ast.parse(path.read_text()), package)
    parts = {part_of(name) for name in names if name[0] == "middlewares"}
    assert parts - {part} <= MAY_IMPORT.get(part, MIDDLEWARE)


@pytest.mark.parametrize("path", sorted((ROOT / "core").glob("*.py")), ids=lambda path: path.name)
def test_core_needs_only_the_standard_library(path: Path) -> None:
    tops = {name[0] for name in imported(ast.parse(path.read_text()), place(path)[1])}
    assert tops - {"middlewares"} <= sys.stdlib_module_names


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from .policy import Policy", "cors"),
        ("from ..core.memo import Memo", "core"),
        ("from . import check", "cors"),
        ("def f():\n    from middlewares.compression import GZip", "compression"),
        ("import middlewares.stack", "stack"),
        ("from middlewares import config", "config"),
        ("from middlewares import GZip", "middlewares"),
    ],
)
def test_every_way_to_import_is_understood(source: str, expected: str) -> None:
    [name] = imported(ast.parse(source), ("middlewares", "cors"))
    assert part_of(name) == expected
