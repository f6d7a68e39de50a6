# ruff: noqa: INP001 - a file that MkDocs loads by its path, not a package
"""A griffe extension: what it must know of this project's code to show it in the reference as it is.

- Docstrings mark an example with ``::``, which Markdown would show as two colons.
- ``field(kw_only=False)`` in a dataclass of keyword-only fields is not understood by griffe's own extension.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import griffe

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("AsWritten", "as_markdown")

_EXAMPLE = re.compile(r"(?m)^(?P<indent>[ ]*)(?P<words>.*?)::\n\n(?P<block>(?:(?P=indent)[ ]{4}.*\n?|[ ]*\n)+)")


class AsWritten(griffe.Extension):
    """Show docstrings and constructors as they are meant."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite one docstring; called by griffe."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Mend the constructors of a package; called by griffe after its own extension for dataclasses."""
        for cls in _classes(pkg):
            init = cls.members.get("__init__")
            for parameter in init.parameters if isinstance(init, griffe.Function) else ():
                declared = cls.members.get(parameter.name)
                if isinstance(declared, griffe.Attribute) and "kw_only=False" in str(declared.value):
                    parameter.kind = griffe.ParameterKind.positional_or_keyword


def as_markdown(docstring: str) -> str:
    """Return a docstring with its examples as fenced blocks."""
    return _EXAMPLE.sub(lambda example: "\n".join(_fenced(**example.groupdict())), docstring)


def _fenced(indent: str, words: str, block: str) -> Iterator[str]:
    lines = [line.removeprefix(indent + "    ") for line in block.rstrip().splitlines()]
    if words:
        yield f"{indent}{words}:\n"
    yield f"{indent}```{_language(lines)}"
    yield from (f"{indent}{line}".rstrip() for line in lines)
    yield f"{indent}```\n"


def _language(lines: list[str]) -> str:
    if lines[0].startswith("[["):
        return "toml"
    return "text" if "├" in "".join(lines) else "python"


def _classes(owner: griffe.Module | griffe.Class) -> Iterator[griffe.Class]:
    for member in owner.members.values():
        if isinstance(member, griffe.Class):
            yield member
        if isinstance(member, (griffe.Module, griffe.Class)):
            yield from _classes(member)
