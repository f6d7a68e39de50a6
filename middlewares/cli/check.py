"""``middlewares check``: say whether a configuration file is right, and what is unwise in its order."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from middlewares.errors import ConfigError, MiddlewaresError
from middlewares.serve import DEFAULT_CONFIG

from .common import Refused, answer, config_options, configuration_of, json_option

if TYPE_CHECKING:
    from collections.abc import Iterable

    from middlewares.config import Configuration
    from middlewares.order import OrderWarning

__all__ = ("check",)

_PLACED = re.compile(r"(?s)(?P<file>.+?):(?P<line>\d+):(?P<column>\d+): (?P<message>.*)")


@click.command(short_help="Check a configuration file.")
@config_options
@click.argument("file", required=False, metavar="[FILE]")
@click.option("--strict", is_flag=True, help="End with status 1 if there are warnings.")
@json_option
@click.pass_context
def check(
    context: click.Context, file: str | None, config: str | None, profile: str | None, strict: bool, as_json: bool
) -> None:
    """Check a configuration file: every error with its place, and the order of its layers.

    Without --profile the file is checked as it is and with each of its profiles. The exit status is 0 if it is right,
    1 with --strict if there are warnings, 2 if there are errors.
    """
    name = file or config or DEFAULT_CONFIG
    try:
        checked = _checked(name, profile)
    except MiddlewaresError as error:
        problems = error.problems if isinstance(error, ConfigError) else (str(error),)
        if as_json:
            answer({"file": name, "errors": [_placed(problem) for problem in problems], "warnings": []})
            context.exit(2)
        raise Refused(f"{error}\n{_counted(len(problems), 'error')}") from None
    warnings = _warnings(checked)
    if as_json:
        answer({"file": name, "errors": [], "warnings": warnings, "profiles": _summaries(checked)})
    else:
        _tell(name, checked, warnings)
    context.exit(1 if strict and warnings else 0)


def _checked(name: str, profile: str | None) -> list[Configuration]:
    """Return the configuration, and with each of its profiles where none is chosen; raises `ConfigError`."""
    first = configuration_of(name, profile)
    if first.profile is not None:
        return [first]
    found = [first]
    problems: list[str] = []
    for other in first.profiles:
        try:
            found.append(configuration_of(name, other))
        except ConfigError as error:
            problems += (f"{problem} (profile {other})" for problem in error.problems)
    if problems:
        raise ConfigError(*problems)
    return found


def _warnings(checked: Iterable[Configuration]) -> list[dict[str, Any]]:
    """Return the warnings of all configurations; the same one of several profiles counts once."""
    found: dict[str, dict[str, Any]] = {}
    for configuration in checked:
        for warning in configuration.stack.check():
            found.setdefault(str(warning), _told(configuration, warning))
    return list(found.values())


def _told(configuration: Configuration, warning: OrderWarning) -> dict[str, Any]:
    enabled = [entry for entry in configuration.entries if entry.enabled]
    spot = enabled[warning.outer.position[0] - 1].spot
    title, _, rest = str(warning).partition("\n")
    return {
        **_placed(f"{spot}: {title}"),
        "reason": warning.reason,
        "harm": warning.harm,
        "order": [layer.name for layer in warning.order],
        "details": rest,
    }


def _tell(name: str, checked: list[Configuration], warnings: list[dict[str, Any]]) -> None:
    for warning in warnings:
        place = f"{warning['file']}:{warning['line']}:{warning['column']}"
        click.echo(f"{place}: {click.style('warning', fg='yellow')}: {warning['message']}\n{warning['details']}")
    for summary in _summaries(checked):
        profile = f" with profile {summary['profile']}" if summary["profile"] else ""
        of = "" if summary["enabled"] == summary["entries"] else f" of {summary['entries']}"
        layers = _counted(summary["enabled"], "layer", "layers") if not of else f"{summary['enabled']}{of} layers"
        click.echo(f"{name}{profile}: {click.style('right', fg='green')}, {layers}")
    if warnings:
        click.echo(_counted(len(warnings), "warning"))


def _summaries(checked: list[Configuration]) -> list[dict[str, Any]]:
    return [{"profile": one.profile, "entries": len(one.entries), "enabled": len(one.stack)} for one in checked]


def _placed(problem: str) -> dict[str, Any]:
    """Return a problem as its place and its message."""
    match = _PLACED.fullmatch(problem)
    if match is None:
        return {"file": None, "line": None, "column": None, "message": problem}
    return {**match.groupdict(), "line": int(match["line"]), "column": int(match["column"])}


def _counted(number: int, noun: str, plural: str = "") -> str:
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
