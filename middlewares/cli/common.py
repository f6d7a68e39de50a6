"""What commands share: how they say that something cannot be done, where they find modules, and tables."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("Refused", "aligned", "find_modules_here")


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


def aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the lines of a table."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
