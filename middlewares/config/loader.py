"""Build a `Stack` from a configuration file, or report everything that is wrong with the file at once.

The constructor of each middleware is the only declaration of its options: a problem that it finds is reported here
at the place in the file where the option stands.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from middlewares.errors import OptionError, OptionErrors, Problem, did_you_mean
from middlewares.record import CLASS, REQUIRED, UNKNOWN, Middleware
from middlewares.stack import Stack
from middlewares.when import When

from .document import Document, read_document
from .report import Report, TableReport
from .resolve import Unresolved, describe_error, resolve_middleware

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from middlewares.asgi import ASGIApp

__all__ = ("from_config",)

_SECTION = "middleware"
_OWN_KEYS = ("use", "enabled", "when")
_MATCHERS = ("paths", "exclude_paths", "methods", "hosts")
_NOT_OPTIONS = ("app", "cls", "self")
"""Names that a Python call takes for something else, so that they cannot be handed on as options."""


def from_config(path: str | os.PathLike[str]) -> Stack:
    """Return the stack that a TOML file describes: its ``[[middleware]]`` tables in order, the first is outermost.

    ::

        [[middleware]]
        use = "gzip"                       # a built-in name, or "package.module:Class"
        enabled = true                     # false: checked, but left out; optional
        when = { paths = ["/api/*"] }      # the matchers of `When`; optional
        minimum_size = 1000                # all other keys are options of the middleware

    Raises `ConfigError` with every problem of the file, one per line, as ``file:line:column: what is wrong``.
    Entries are counted from 1: ``middleware[2]`` is the second table.
    """
    document = read_document(path)
    report = Report(document)
    records = [_record(report, index, table) for index, table in enumerate(_tables(document, report))]
    report.raise_if_any()
    return Stack(*(record for record in records if record is not None))


def _tables(document: Document, report: Report) -> list[dict[str, Any]]:
    """Return the tables of the entries, after a look at the top level of the file."""
    problems = TableReport(report, ())
    for key in document.data.keys() - {_SECTION}:
        problems.add(Problem(key, UNKNOWN, hint=did_you_mean(key, [_SECTION])))
    if _SECTION not in document.data:
        # The file may have been cut short, and a stack without its guards must not start as if all were well.
        problems.say(_SECTION, f"there is no [[{_SECTION}]] table; write {_SECTION} = [] if none is meant")
        return []
    tables = document.data[_SECTION]
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        problems.say(_SECTION, f"{_SECTION} must be an array of tables: write [[{_SECTION}]]")
        return []
    return tables


def _record(report: Report, index: int, table: dict[str, Any]) -> Middleware | None:
    """Return the record of an entry; ``None`` if it is not enabled or not right."""
    problems = TableReport(report, (_SECTION, index), f"{_SECTION}[{index + 1}]")
    layer = _layer(problems, table)
    matchers = _matchers(problems, table)
    enabled = _get(problems, table, "enabled", bool, "true or false", default=True)
    if layer is not None and matchers is not None:
        unconditional = layer
        layer = _attempt(problems, lambda: When(unconditional, **matchers))
    return layer if enabled and problems.is_clean else None


def _layer(problems: TableReport, table: dict[str, Any]) -> Middleware | None:
    """Return the record of the middleware that an entry names, with its options; ``None`` if it is not right."""
    if "use" not in table:
        problems.add(Problem("use", REQUIRED))
    use = _get(problems, table, "use", str, "a string", default=None)
    if use is None:
        return None
    try:
        cls = resolve_middleware(use)
    except Unresolved as error:
        problems.say("use", str(error))
        return None
    problems.owner += f" ({use})"
    options = {name: value for name, value in table.items() if name not in _OWN_KEYS}
    for name in options.keys() & _NOT_OPTIONS:
        problems.add(Problem(name, UNKNOWN))
        del options[name]
    return _attempt(problems, lambda: Middleware(cls, **options))


def _matchers(problems: TableReport, table: dict[str, Any]) -> dict[str, Any] | None:
    """Return the matchers of an entry; ``None`` if it has none, or if they are not right."""
    matchers = _get(problems, table, "when", dict, f"a table of {', '.join(_MATCHERS)}", default=None)
    if matchers is None:
        return None
    if not matchers:
        problems.add(Problem("when", f"must hold at least one of {', '.join(_MATCHERS)}"))
        return None
    known = {name: value for name, value in matchers.items() if name in _MATCHERS}
    for name in matchers.keys() - known:
        problems.add(Problem(f"when.{name}", UNKNOWN, hint=did_you_mean(name, _MATCHERS)))
    if not known:
        return None
    # On a layer that does nothing, since the matchers are to be checked even where the middleware is not right.
    checked = _attempt(problems, lambda: When(_unchanged, **known), prefix="when.")
    return None if checked is None else known


def _get(problems: TableReport, table: dict[str, Any], key: str, kind: type, words: str, *, default: Any) -> Any:
    """Return the value of one of the keys that every entry knows, or the default if it is of the wrong type."""
    if key not in table:
        return default
    checked = OptionErrors(problems.owner)
    if checked.check(isinstance(table[key], kind), key, f"must be {words}", table[key]):
        return table[key]
    problems.add(*checked.found)
    return default


def _attempt(problems: TableReport, build: Callable[[], Middleware], prefix: str = "") -> Middleware | None:
    """Return the record that ``build`` makes, or note why it cannot be made."""
    try:
        return build()
    except OptionError as error:
        for problem in error.problems:
            if problem.option == CLASS and problem.rule != UNKNOWN:
                problems.say("use", str(problem))
            else:
                problems.add(replace(problem, option=prefix + problem.option))
    except Exception as error:  # noqa: BLE001 - constructors that are not ours may raise anything
        problems.say("use", f"cannot be built: {describe_error(error)}")
    return None


def _unchanged(app: ASGIApp) -> ASGIApp:
    return app
