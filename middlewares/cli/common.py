"""What commands share: how they say that something cannot be done, and where they find modules."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import IO, Any

import click

__all__ = ("Refused", "find_modules_here")


class Refused(click.ClickException):
    """What was asked for cannot be done; the message is shown as it is, since its lines begin with a place."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the message to the standard error stream."""
        click.echo(self.message, file=file, err=True)


def find_modules_here() -> None:
    """Let modules be found in the current directory too."""
    with contextlib.suppress(OSError):  # the directory may have been deleted
        sys.path.insert(0, str(Path.cwd()))
