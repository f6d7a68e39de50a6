"""What commands share: how they say that something cannot be done, where they find files and modules, and tables."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from middlewares.errors import MiddlewaresError
from middlewares.serve import DEFAULT_CONFIG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from middlewares.config import Configuration

__all__ = (
    "Refused",
    "aligned",
    "answer",
    "config_options",
    "configuration_of",
    "find_modules_here",
    "json_option",
    "refusing",
)


class Refused(click.ClickException):
    """What was asked for cannot be done; the message is shown as it is, since its lines begin with a place."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the message to the standard error stream."""
        click.echo(self.message, file=file, err=True)


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Turn errors of this package into `Refused`."""
    try:
        yield
    except MiddlewaresError as error:
        raise Refused(str(error)) from None


def config_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options ``--config`` and ``--profile``."""
    profile = click.option(
        "--profile", metavar="NAME", help="The profile of the file to take.  [default: MIDDLEWARES_PROFILE]"
    )
    config = click.option("--config", metavar="FILE", help=f"The configuration file.  [default: {DEFAULT_CONFIG}]")
    return config(profile(command))


json_option = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")


def configuration_of(config: str | None, profile: str | None) -> Configuration:
    """Return the configuration that the options of a command mean; raises `ConfigError`."""
    from middlewares.config import load

    find_modules_here()
    return load(config or DEFAULT_CONFIG, profile=profile)


def find_modules_here() -> None:
    """Let modules be found in the current directory too."""
    with contextlib.suppress(OSError):  # the directory may have been deleted
        sys.path.insert(0, str(Path.cwd()))


def aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the lines of a table."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def answer(value: Any) -> None:
    """Write a value as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))
