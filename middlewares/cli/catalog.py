"""``middlewares list`` and ``show``: what there is to turn on, and the options of each."""

from __future__ import annotations

from dataclasses import MISSING
from typing import TYPE_CHECKING, Any

import click

from .common import Refused, aligned, answer, find_modules_here, json_option

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from middlewares.core.option_docs import OptionDoc

__all__ = ("list_", "show")


@click.command("list", short_help="List all middlewares.")
@click.option("--options", "with_options", is_flag=True, help="With the names of their options.")
@json_option
def list_(with_options: bool, as_json: bool) -> None:
    """List the middlewares that a file can use by name, those of installed packages too, in one line each."""
    from middlewares.config.declared import options_of, summary_of

    found = _known()
    if as_json:
        answer(
            [
                {"use": name, "summary": summary_of(cls), "options": [doc.name for doc in options_of(cls)]}
                for name, cls in found.items()
            ]
        )
        return
    for (name, cls), line in zip(
        found.items(), aligned([(name, summary_of(cls)) for name, cls in found.items()]), strict=True
    ):
        click.echo(line.replace(name, click.style(name, bold=True), 1))
        if with_options:
            click.echo(f"    {', '.join(doc.name for doc in options_of(cls))}")


def _complete(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem | str]:
    from middlewares.registry import BUILTIN

    return [name for name in sorted(BUILTIN) if name.startswith(incomplete)]


@click.command(short_help="Show a middleware and its options.")
@click.argument("name", shell_complete=_complete)
@json_option
def show(name: str, as_json: bool) -> None:
    """Show what NAME does, and each of its options: a name of `middlewares list`, or package.module:Class."""
    from middlewares.config.declared import options_of, summary_of
    from middlewares.config.resolve import Unresolved, resolve_middleware

    find_modules_here()
    try:
        cls: Any = resolve_middleware(name)
    except Unresolved as error:
        raise Refused(str(error)) from None
    options = options_of(cls)
    if as_json:
        answer({"use": name, "summary": summary_of(cls), "options": [_told(doc) for doc in options]})
        return
    click.echo(f"{click.style(name, bold=True)}: {summary_of(cls)}\n")
    for doc in options:
        click.echo(f"  {click.style(doc.name, bold=True)} = {_default(doc)}  ({doc.type})")
        if doc.doc:
            text = doc.doc.replace("``", "`")
            click.echo(click.wrap_text(text, width=100, initial_indent="      ", subsequent_indent="      "))


def _known() -> dict[str, Any]:
    """Return the middlewares that have a name; a plugin that cannot be imported is left out."""
    from middlewares.config.resolve import plugins
    from middlewares.registry import BUILTIN, load_builtin

    found: dict[str, Any] = {name: load_builtin(name) for name in sorted(BUILTIN)}
    for name, plugin in sorted(plugins().items()):
        try:
            found[name] = plugin.load()
        except Exception as error:  # noqa: BLE001 - what is not ours may fail in any way
            click.echo(f"note: {name!r} cannot be imported: {type(error).__name__}: {error}", err=True)
    return found


def _default(doc: OptionDoc) -> str:
    from middlewares.config.notation import notation

    if doc.default is MISSING:
        return "required"
    return "none" if doc.default is None else notation(doc.default)


def _told(doc: OptionDoc) -> dict[str, Any]:
    told = {"name": doc.name, "type": doc.type, "required": doc.is_required, "doc": doc.doc}
    return told if doc.is_required else {**told, "default": _default(doc)}
