"""Read what a middleware says of its own options: name, type in words, default, and the docstring under each field.

The class is the only declaration of its options. What documents or describes them (the pages, a schema of the
configuration file, the command line) reads them here, so that nothing can differ from what the constructor takes.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
from dataclasses import MISSING, dataclass
from itertools import pairwise
from textwrap import dedent
from typing import Any

from .options import describe, option_fields, option_types

__all__ = ("OptionDoc", "option_docs")


@dataclass(frozen=True, slots=True)
class OptionDoc:
    """One option of a middleware, as its class declares it."""

    name: str
    type: str
    """What the option accepts, in words: ``an integer``, ``a list of strings``."""
    default: Any
    """The value it has when it is left out; `dataclasses.MISSING` for an option that must be given."""
    doc: str
    """The docstring under the field, in one line; empty without one."""

    @property
    def is_required(self) -> bool:
        """Whether the option must be given."""
        return self.default is MISSING


def option_docs(cls: type) -> tuple[OptionDoc, ...]:
    """Return the options of a middleware class in the order of its fields; `TypeError` if it is no dataclass."""
    types = option_types(cls)
    docs = _docstrings(cls)
    return tuple(
        OptionDoc(field.name, describe(types[field.name]), _default(field), docs.get(field.name, ""))
        for field in option_fields(cls)
    )


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _docstrings(cls: type) -> dict[str, str]:
    """Return the docstrings under the fields of a class and of its bases; those of the class itself win."""
    found: dict[str, str] = {}
    for owner in reversed(cls.__mro__):
        if dataclasses.is_dataclass(owner):
            found |= _own_docstrings(owner)
    return found


def _own_docstrings(cls: type) -> dict[str, str]:
    try:
        [definition] = ast.parse(dedent(inspect.getsource(cls))).body
    except (OSError, TypeError, SyntaxError):
        return {}  # made at run time, or installed without its source: the options are there, their texts are not
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    found: dict[str, str] = {}
    for statement, follower in pairwise(body):
        doc = _text(follower)
        if doc is not None and isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            found[statement.target.id] = doc
    return found


def _text(statement: ast.stmt) -> str | None:
    """Return the text of a statement that is nothing but a string, in one line."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        value = statement.value.value
        return " ".join(value.split()) if isinstance(value, str) else None
    return None
