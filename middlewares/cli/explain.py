"""``middlewares explain``: show the stack of a file as a tree, and what a request would meet in it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import click

from .common import Refused, aligned, answer, config_options, configuration_of, json_option, refusing

if TYPE_CHECKING:
    from middlewares.config import Configuration
    from middlewares.config.describe import Described

__all__ = ("explain",)

_FORMATS = ("tree", "toml", "json")


@click.command(short_help="Show a stack, the source of every option, and what a request meets.")
@click.argument("method", required=False, metavar="[METHOD]")
@click.argument("path", required=False, metavar="[PATH]")
@config_options
@click.option("-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A header of the request.")
@click.option("--format", "format_", default="tree", show_default=True, type=click.Choice(_FORMATS), help="The form.")
@json_option
def explain(
    method: str | None,
    path: str | None,
    config: str | None,
    profile: str | None,
    headers: tuple[str, ...],
    format_: str,
    as_json: bool,
) -> None:
    """Show the layers of a file, outermost first: each option as it takes effect, where it comes from, what it costs.

    With METHOD and PATH, as in explain GET /api/x -H 'Origin: https://a.example', show instead what such a request
    would meet. It is tried here, without the application, without stores, and without layers of third parties.

    --format toml writes the same stack as one file, with includes, defaults and the profile in their places.
    """
    with refusing():
        configuration = configuration_of(config, profile)
        if method is not None:
            _explain_request(configuration, method, path, headers, as_json=as_json or format_ == "json")
        elif format_ == "toml":
            from middlewares.config.writing import to_toml

            click.echo(to_toml(configuration), nl=False)
        else:
            _explain_stack(configuration, as_json=as_json or format_ == "json")


def _explain_stack(configuration: Configuration, *, as_json: bool) -> None:
    from middlewares.config.describe import describe_configuration

    layers = describe_configuration(configuration)
    if as_json:
        answer({"file": configuration.path, "profile": configuration.profile, "layers": list(map(asdict, layers))})
        return
    profile = f", profile {configuration.profile}" if configuration.profile else ""
    click.echo(f"{configuration.path}{profile}")
    for number, layer in enumerate(layers, 1):
        is_last = number == len(layers)
        first, *rest = _styled(layer)
        click.echo(f"{'└─' if is_last else '├─'} {first}")
        for line in rest:
            click.echo(f"{'  ' if is_last else '│ '} {line}")


def _styled(layer: Described) -> list[str]:
    """Return the lines of a layer, on a terminal with its name in bold and what is only a default dimmed."""
    first, *rest = layer.lines()
    name = click.style(layer.title, bold=layer.is_enabled, dim=not layer.is_enabled)
    lines = [click.style(line, dim=line.endswith("  default")) for line in rest]
    return [first.replace(layer.title, name, 1), *lines]


def _explain_request(
    configuration: Configuration, method: str, path: str | None, headers: tuple[str, ...], *, as_json: bool
) -> None:
    from .meeting import meet  # with the driver, which the other forms do not need

    if path is None or not path.startswith("/"):
        raise click.UsageError("give a method and a path, as in: explain GET /api/x")
    target, _, query = path.partition("?")
    met, response = meet(
        configuration.entries, method.upper(), unquote(target), query.encode(), list(map(_header, headers))
    )
    if as_json:
        layers: list[dict[str, Any]] = [
            {
                "use": one.entry.use,
                "id": one.entry.id,
                "source": str(one.entry.spot),
                "does": one.words,
                "added": one.added,
            }
            for one in met
        ]
        answer({"request": f"{method.upper()} {path}", "layers": layers, "status": response.status})
        return
    rows = [("  ", f"{number}", one.entry.label, one.words, str(one.entry.spot)) for number, one in enumerate(met, 1)]
    click.echo(f"{method.upper()} {path}")
    for line, one in zip(aligned(rows) if rows else [], met, strict=True):
        click.echo(line)
        for added in one.added:
            click.echo(click.style(f"         {added}", fg="cyan"))
    click.echo(f"  → {response.status}")


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name.strip():
        raise Refused(f"-H must be a name and a value, as in 'Origin: https://a.example'; got {line!r}")
    return name.strip().lower(), value.strip()
