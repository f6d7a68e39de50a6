"""``middlewares init``: write a configuration file to begin with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from middlewares.serve import DEFAULT_CONFIG

from .common import Refused, answer, json_option

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ("init",)

_COMMON = ("compress", "cors", "rate_limit", "sessions", "timeout", "drain")
"""What is asked about, in the order in which people think of it."""
_NEW_KEY = "python -c 'import secrets; print(secrets.token_urlsafe(32))'"

_SETTINGS: dict[str, tuple[str, ...]] = {
    "cors": (
        "allow_origins = {origins}  # scheme, host and port, as browsers send them",
        'allow_methods = ["GET", "POST"]',
        'allow_headers = ["content-type"]',
    ),
    "rate_limit": (
        "limit = {limit}  # for each client address",
        'store = "memory://"  # with several workers "sqlite:///limits.db", with several machines "redis://…"',
    ),
    "sessions": (f'secret_key = "${{SECRET_KEY}}"  # make one with: {_NEW_KEY}',),
    "timeout": ("first_byte = 30  # seconds until an answer begins",),
    "drain": ("grace = 20  # seconds that requests may take to finish before the shutdown",),
    "compress": ("minimum_size = 500  # bytes; a shorter body would hardly shrink",),
}

_HEAD = """\
# The layers in front of the application: the first one is outermost.
#
#     middlewares check {file}      # is it right?
#     middlewares explain --config {file}    # what takes effect, and where it comes from
#     middlewares run shop:app --config {file}
#
# `use` names a middleware (`middlewares list`), other keys are its options (`middlewares show NAME`).
# Values may hold ${{VAR}}, ${{VAR:-default}} and ${{file:/run/secrets/name}}.
"""


@click.command(short_help="Write a configuration file to begin with.")
@click.argument("file", default=DEFAULT_CONFIG, metavar="[FILE]")
@click.option("--use", "uses", multiple=True, metavar="NAME", help="A middleware to turn on; may be repeated.")
@click.option("--origin", "origins", multiple=True, metavar="URL", help="An origin whose pages may read answers.")
@click.option("--limit", metavar="QUOTA", help="Requests that a client may make, as in 100/minute.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@json_option
def init(
    file: str, uses: tuple[str, ...], origins: tuple[str, ...], limit: str | None, force: bool, as_json: bool
) -> None:
    """Write a commented configuration file, middlewares.toml unless FILE is named.

    Without options, on a terminal, it asks what to turn on; with --json it answers and never asks.
    """
    if Path(file).exists() and not force:
        raise Refused(f"{file}: is there already; write over it with --force")
    if not file.endswith(".toml"):
        raise Refused(f"{file}: init writes TOML; name a file that ends in .toml")
    chosen = [*uses, *(["cors"] if origins else []), *(["rate_limit"] if limit else [])]
    if not chosen and _is_asked() and not as_json:
        chosen, origins, limit = _asked()
    ordered = _in_order(dict.fromkeys(chosen or ["compress", "timeout", "drain"]))
    text = _text(file, ordered, origins, limit or "100/minute")
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise Refused(f"{file}: cannot be written: {error.strerror}") from None
    if as_json:
        answer({"file": file, "use": ordered})
    else:
        click.echo(f"{file}: written. Next: middlewares check {file}")


def _is_asked() -> bool:
    return sys.stdin.isatty()


def _asked() -> tuple[list[str], tuple[str, ...], str | None]:
    """Return what is to be turned on, as the user answers."""
    from middlewares.config.declared import summary_of
    from middlewares.registry import load_builtin

    chosen: list[str] = []
    origins: tuple[str, ...] = ()
    limit = None
    for name in _COMMON:
        if not click.confirm(
            f"{name}: {summary_of(load_builtin(name))}", default=name in ("compress", "timeout", "drain")
        ):
            continue
        chosen.append(name)
        if name == "cors":
            given = click.prompt("  origins, with spaces between them", default="http://localhost:3000")
            origins = tuple(str(given).split())
        elif name == "rate_limit":
            limit = str(click.prompt("  limit", default="100/minute"))
    return chosen, origins, limit


def _text(file: str, uses: Iterable[str], origins: tuple[str, ...], limit: str) -> str:
    """Return the text of a file with entries for these middlewares, in this order; raises `Refused`."""
    from middlewares.config.notation import notation

    values = {"origins": notation(list(origins) or ["http://localhost:3000"]), "limit": notation(limit)}
    parts = [_HEAD.format(file=file)]
    for name in uses:
        lines = [f"# {_summary(name)}", "[[middleware]]", f"use = {notation(name)}"]
        settings = (*_SETTINGS.get(name, ()), *_required(name))
        lines += (line.replace("{origins}", values["origins"]).replace("{limit}", values["limit"]) for line in settings)
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _required(name: str) -> list[str]:
    """Return lines for the options that must be given, and that nothing above gives: to be set by variables."""
    from middlewares.config.convert import choices
    from middlewares.config.declared import option_hints, options_of
    from middlewares.config.resolve import resolve_middleware
    from middlewares.core.options import is_collection_type

    cls = resolve_middleware(name)
    given = {line.partition(" ")[0] for line in _SETTINGS.get(name, ())}
    lines = []
    for option in options_of(cls):
        if option.is_required and option.name not in given:
            wanted = choices(option_hints(cls)[option.name])
            only_list = any(map(is_collection_type, wanted)) and str not in wanted
            value = f'"${{{option.name.upper()}}}"'
            lines.append(f"{option.name} = {f'[{value}]' if only_list else value}  # required: {option.type}")
    return lines


def _summary(name: str) -> str:
    from middlewares.config.declared import summary_of
    from middlewares.config.resolve import Unresolved, resolve_middleware

    try:
        return summary_of(resolve_middleware(name))
    except Unresolved as error:
        raise Refused(f"--use: {error}") from None


def _in_order(uses: Iterable[str]) -> list[str]:
    """Return names in the order that the rules advise for their layers."""
    from middlewares.config.resolve import Unresolved, resolve_middleware
    from middlewares.order.roles import role_of
    from middlewares.order.rules import ORDER_RULES

    left = list(uses)
    roles: dict[str, str | None] = {}
    for name in left:
        try:
            roles[name] = role_of(resolve_middleware(name), {}, {})
        except Unresolved as error:
            raise Refused(f"--use: {error}") from None
    outside = {(rule.outer, rule.inner) for rule in ORDER_RULES}
    ordered: list[str] = []
    while left:
        free = [name for name in left if not any((roles[other], roles[name]) in outside for other in left)]
        ordered.append((free or left)[0])
        left.remove(ordered[-1])
    return ordered
