"""Where checks are registered under the rule that they enforce.

A check is a small function that takes one thing that passed (a scope or an event) and the scope of the call, and
returns what is wrong with it, or nothing. What needs the course of a call is found by methods and tables, which
register the rules that they report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias, TypeVar

from middlewares.asgi import Scope

from .rules import RULES

__all__ = ("CHECKED", "CHECKS", "Check", "Table", "check", "finds", "finds_misplaced")

Check: TypeAlias = Callable[[Any, Scope], str | None]
Table: TypeAlias = dict[str, dict[str, tuple[str, str]]]
"""State, and event that does not belong there: rule and complaint."""

_F = TypeVar("_F", bound=Callable[..., Any])

CHECKS: dict[str, list[tuple[str, Check]]] = {}
"""The checks of each point of the boundary, such as ``scope http`` or ``send http.response.start``."""

CHECKED: dict[str, list[str]] = {}
"""For each rule, the names of the functions and tables that find it broken."""


def check(rule: str, *points: str) -> Callable[[Check], Check]:
    """Register a check for points of the boundary."""

    def register(function: Check) -> Check:
        for point in points:
            CHECKS.setdefault(point, []).append((rule, function))
        _note(rule, function.__name__)
        return function

    return register


def finds(*rules: str) -> Callable[[_F], _F]:
    """Register the rules that a method reports."""

    def register(function: _F) -> _F:
        for rule in rules:
            _note(rule, function.__qualname__)
        return function

    return register


def finds_misplaced(name: str, table: Table) -> Table:
    """Register the rules that a table of misplaced events names, and return the table."""
    rules: Iterable[str] = {rule for row in table.values() for rule, _ in row.values()}
    for rule in rules:
        _note(rule, name)
    return table


def _note(rule: str, where: str) -> None:
    if RULES[rule].unobservable is not None:
        raise ValueError(f"{where}: rule {rule} is declared as unobservable")
    CHECKED.setdefault(rule, []).append(where)
