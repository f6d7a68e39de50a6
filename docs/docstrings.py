"""A griffe extension: docstrings mark an example with ``::``, which Markdown would show as it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import griffe

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("Examples", "as_markdown")

_EXAMPLE = re.compile(r"(?m)^(?P<indent>[ ]*)(?P<words>.*?)::\n\n(?P<block>(?:(?P=indent)[ ]{4}.*\n?|[ ]*\n)+)")


class Examples(griffe.Extension):
    """Turn the examples of every docstring into fenced blocks of Python, or of what they are."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite one docstring; called by griffe."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)


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
