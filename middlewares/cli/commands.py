"""The commands of ``middlewares``."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

from middlewares import __version__

__all__ = ("cli",)

_COMMANDS: Final = {
    "bench": "bench:bench",
    "check": "check:check",
    "completion": "completion:completion",
    "explain": "explain:explain",
    "init": "init:init",
    "lint": "lint:lint",
    "list": "catalog:list_",
    "run": "run:run",
    "schema": "schema:schema",
    "sessions": "sessions:sessions",
    "show": "catalog:show",
}
"""Where each command is: only the module of the one that is asked for is imported."""


class _Commands(click.Group):
    """The commands of `_COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*_COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        found: click.Command = getattr(import_module(f".{module}", __package__), name)
        return found


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Put middlewares around an ASGI application, as a configuration file says, and check both."""
