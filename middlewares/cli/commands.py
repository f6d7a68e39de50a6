"""The commands of ``middlewares``."""

from __future__ import annotations

import click

from middlewares import __version__

from .bench import bench
from .catalog import list_, show
from .check import check
from .completion import completion
from .explain import explain
from .init import init
from .lint import lint
from .run import run
from .schema import schema
from .sessions import sessions

__all__ = ("cli",)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Put middlewares around an ASGI application, as a configuration file says, and check both."""


cli.add_command(run)
cli.add_command(lint)
cli.add_command(sessions)
for _command in (check, explain, init, list_, show, bench, schema, completion):
    cli.add_command(_command)
