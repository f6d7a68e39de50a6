# ruff: noqa: INP001 - a file that MkDocs loads by its path, not a package
"""Fill the marks in pages with what the code itself says, each time the documentation is built.

============================================  =====================================================
``<!-- options: gzip -->``                    the table of a middleware's options
``<!-- default: gzip.include_types -->``      the default of one option, where it is too long for a table
``<!-- lint: rules -->``                      the rules that the lint checks; ``unobservable``: the others
============================================  =====================================================

A middleware is named as in a configuration file: a built-in name, or ``package.module:Class``.
"""

from __future__ import annotations

import json
import re
from typing import Any

from middlewares.config.resolve import resolve_middleware
from middlewares.core.option_docs import OptionDoc, option_docs
from middlewares.testing.lint import RULES

__all__ = ("fill", "on_page_markdown")

_MARK = re.compile(r"<!-- (options|default|lint): (\S+) -->")
_LONGEST_DEFAULT = 60


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill the marks of a page; called by MkDocs."""
    return fill(markdown)


def fill(markdown: str) -> str:
    """Return a page with its marks filled."""
    return _MARK.sub(lambda mark: _FILLERS[mark[1]](mark[2]), markdown)


def _options(use: str) -> str:
    rows = [f"| `{option.name}` | {option.type} | {_default(option)} | {_doc(option)} |" for option in _docs(use)]
    return "\n".join(["| Option | Type | Default | Meaning |", "| --- | --- | --- | --- |", *rows])


def _long_default(name: str) -> str:
    use, _, wanted = name.rpartition(".")
    [default] = [option.default for option in _docs(use) if option.name == wanted]
    return ", ".join(f"`{item}`" for item in default)


def _lint(kind: str) -> str:
    """Return the table of rules that are ``rules`` for the lint to check, or ``unobservable``."""
    is_checked = {"rules": True, "unobservable": False}[kind]
    last = "How to mend it" if is_checked else "Why it cannot be seen"
    rows = [
        f'| <a id="{rule.id.lower()}"></a>{rule.id} | {rule.party} | {rule.statement} | {rule.source} '
        f"| {rule.unobservable or rule.hint} |"
        for rule in RULES.values()
        if (rule.unobservable is None) is is_checked
    ]
    return "\n".join([f"| Rule | Party | Statement | Source | {last} |", "| --- | --- | --- | --- | --- |", *rows])


_FILLERS = {"options": _options, "default": _long_default, "lint": _lint}


def _docs(use: str) -> tuple[OptionDoc, ...]:
    cls: Any = resolve_middleware(use)
    return option_docs(cls)


def _default(option: OptionDoc) -> str:
    if option.is_required:
        return "required"
    # A list is written the same way in Python and in a file.
    shown = json.dumps(list(option.default)) if isinstance(option.default, tuple) else repr(option.default)
    return f"`{shown}`" if len(shown) <= _LONGEST_DEFAULT else "see below"


def _doc(option: OptionDoc) -> str:
    """Return the text of an option as Markdown: its double backticks are those of reStructuredText."""
    return option.doc.replace("``", "`").replace("|", "\\|")
