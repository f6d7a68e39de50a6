"""The command line, ``middlewares``: `main` is its console script.

Exit status: 0 when all went well, 2 when what was asked for cannot be done as written; then the reason is on the
standard error stream, without a traceback. What a server returns goes through.
"""

from __future__ import annotations

import sys

from middlewares.errors import MissingExtra

__all__ = ("main",)


def main() -> None:
    """Run the command that ``sys.argv`` holds, and exit."""
    try:
        import click  # noqa: F401 - an optional dependency, and all commands are written with it
    except ImportError:
        sys.stderr.write(f"{MissingExtra('the command line', 'cli')}\n")
        sys.exit(2)
    from .commands import cli  # which needs click

    cli.main(prog_name="middlewares")
