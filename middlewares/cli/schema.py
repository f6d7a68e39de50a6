"""``middlewares schema``: the JSON Schema of configuration files, for editors."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .common import Refused, refusing

__all__ = ("schema",)


@click.command(short_help="Write the JSON Schema of configuration files.")
@click.option("--output", metavar="FILE", help="Where to write it, instead of the standard output.")
@click.option("--plugins/--no-plugins", default=True, show_default=True, help="With those of installed packages.")
def schema(output: str | None, plugins: bool) -> None:
    """Write the JSON Schema of configuration files, by which editors complete and check them while they are typed."""
    with refusing():
        from middlewares.config.schema import config_schema  # with pydantic

        text = json.dumps(config_schema(with_plugins=plugins), indent=2, ensure_ascii=False)
    if output is None:
        click.echo(text)
        return
    try:
        Path(output).write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise Refused(f"{output}: cannot be written: {error.strerror}") from None
