# ruff: noqa: INP001 - a file that MkDocs loads by its path, not a package
"""Fill the marks in pages with what the code itself says, each time the documentation is built.

============================================  =====================================================
``<!-- options: gzip -->``                    the table of a middleware's options
``<!-- default: gzip.include_types -->``      the default of one option, where it is too long for a table
``<!-- order rules -->``                      the table of the rules of order
``<!-- order roles -->``                      the table of the roles that they speak of
``<!-- lint: rules -->``                      the rules that the lint checks; ``unobservable``: the others
============================================  =====================================================

A middleware is named as in a configuration file: a built-in name, or ``package.module:Class``.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from middlewares.config.resolve import resolve_middleware
from middlewares.core.option_docs import OptionDoc, option_docs
from middlewares.order import KNOWN, ORDER_RULES, ROLES
from middlewares.order.roles import role_of
from middlewares.registry import BUILTIN, load_builtin
from middlewares.testing.lint import RULES

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("fill", "on_page_markdown")

_MARK = re.compile(r"<!-- (options|default|lint): (\S+) -->")
_TABLE_MARK = re.compile(r"<!-- (order rules|order roles) -->")
_LONGEST_DEFAULT = 60


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill the marks of a page; called by MkDocs."""
    return fill(markdown)


def fill(markdown: str) -> str:
    """Return a page with its marks filled."""
    filled = _MARK.sub(lambda mark: _FILLERS[mark[1]](mark[2]), markdown)
    return _TABLE_MARK.sub(lambda mark: _TABLES[mark[1]](), filled)


def _options(use: str) -> str:
    rows = [(f"`{option.name}`", option.type, _default(option), _doc(option)) for option in _docs(use)]
    return _table(("Option", "Type", "Default", "Meaning"), rows)


def _long_default(name: str) -> str:
    use, _, wanted = name.rpartition(".")
    [default] = [option.default for option in _docs(use) if option.name == wanted]
    return ", ".join(f"`{item}`" for item in default)


def _order_rules() -> str:
    rows = [
        (f"`{rule.outer}`", f"`{rule.inner}`", rule.reason, f"{rule.harm}{'' if rule.among_ours else ' (1)'}")
        for rule in ORDER_RULES
    ]
    return _table(("Outside", "Inside", "Why", "A request through the other order"), rows)


def _order_roles() -> str:
    rows = [(f"`{role}`", text, ", ".join(_layers_with(role))) for role, text in ROLES.items()]
    return _table(("Role", "A layer that", "Known by itself"), rows)


def _layers_with(role: str) -> list[str]:
    """Return the layers that are known to have a role: ours, then those of others with the package they are in."""
    ours = [load_builtin(name) for name in BUILTIN]
    names = [f"`{cls.__name__}`" for cls in ours if role_of(cls, {}, {}) == role]
    for path in (path for path, known in KNOWN.items() if known == role):
        package, _, name = path.replace(":", ".").partition(".")
        names.append(f"`{name.rpartition('.')[2]}` ({package})")
    return names


def _lint(kind: str) -> str:
    """Return a table of the rules that the lint checks, or of those that it cannot check, or not in every way."""
    is_checked = {"rules": True, "unobservable": False}[kind]
    last = "How to mend it" if is_checked else "What cannot be seen, and why"
    rows = []
    for rule in RULES.values():
        said = (None if rule.unobservable else rule.hint) if is_checked else rule.unobservable or rule.unseen
        is_anchor = is_checked or rule.unobservable
        anchor = f'<a id="{rule.id.lower()}"></a>' if is_anchor else ""
        if said:
            rows.append((f"{anchor}{rule.id}", rule.party, rule.statement, rule.source, said))
    return _table(("Rule", "Party", "Statement", "Source", last), rows)


_FILLERS = {"options": _options, "default": _long_default, "lint": _lint}
_TABLES = {"order rules": _order_rules, "order roles": _order_roles}


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows))


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
