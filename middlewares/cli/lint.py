"""``middlewares lint``: run an application through generated requests, and report which rules of ASGI are broken."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from middlewares.errors import MiddlewaresError, did_you_mean

from .common import Refused, find_modules_here

if TYPE_CHECKING:
    from collections.abc import Iterator

    from middlewares.testing.probes import Report

    from .lint_formats import Subject

__all__ = ("lint",)

_OUT, _ERROR = 1, 2
_FORMATS = ("table", "json", "sarif")


@click.command(short_help="Check an application against the rules of ASGI.")
@click.argument("app", metavar="MODULE:APP")
@click.option("--config", metavar="FILE", help="Check the application inside the middlewares of this file.")
@click.option("--path", "paths", metavar="PATH", multiple=True, help="A path to ask for, besides /; may be repeated.")
@click.option("--discover/--no-discover", default=True, show_default=True, help="Ask also for the paths of the routes.")
@click.option("--strict/--no-strict", default=True, show_default=True, help="Ask again with awkward but legal input.")
@click.option(
    "--timeout",
    default=5.0,
    show_default=True,
    type=click.FloatRange(0, 3600, min_open=True),
    help="How many seconds a request may take.",
)
@click.option("--ignore", metavar="RULE", multiple=True, help="A rule to leave out of the report; may be repeated.")
@click.option("--format", "format_", default="table", show_default=True, type=click.Choice(_FORMATS), help="Its form.")
@click.option("--json", "format_", flag_value="json", help="The same as --format json.")
@click.pass_context
def lint(context: click.Context, /, app: str, format_: str, **options: Any) -> None:
    """Run MODULE:APP through generated requests, and report which rules of ASGI are broken, and by whom.

    HTTP requests, WebSockets and a lifespan, without a server or a network: to /, to a path that does not exist, to
    each --path, and to the paths of the routes, where the application has a list of them (Starlette, FastAPI).
    Paths that were only discovered get GET, HEAD and OPTIONS; the others POST and an unknown method too. With a
    configuration file, each of its middlewares is watched from both sides.

    The exit status is 1 if there are errors, 2 if the application cannot be loaded or started, else 0.
    """
    find_modules_here()
    try:
        with _output_to_errors():  # what the application prints is no part of the report
            subject, report = _check(app, **options)
    except MiddlewaresError as error:
        raise Refused(str(error)) from None
    from .lint_formats import render

    click.echo(render(format_, subject, report))
    _tell_notes(report)
    if report.not_started is not None:
        click.echo(f"application {app!r}: {report.not_started}", err=True)
    _leave(context, report)


def _check(
    app: str,
    *,
    config: str | None,
    paths: tuple[str, ...],
    discover: bool,
    strict: bool,
    timeout: float,
    ignore: tuple[str, ...],
) -> tuple[Subject, Report]:
    # Imported here, since the other commands do not need it.
    from middlewares import Stack, from_config
    from middlewares.serve import build_app, load_parts
    from middlewares.testing import probes

    from .lint_formats import Subject

    unknown = [rule for rule in ignore if rule not in probes.ALL_RULES]
    if unknown:
        hint = did_you_mean(unknown[0], probes.ALL_RULES)
        raise Refused(f"--ignore: there is no rule {unknown[0]!r}" + (f"; {hint}" if hint else ""))
    session = probes.Session(timeout=timeout, ignore=ignore)
    stack, inner = load_parts(app, lambda: from_config(config) if config else Stack())
    between = [layer for entry in stack for layer in (entry, session.lint)]
    linted = build_app(app, Stack(session.lint, *between), inner)
    found = probes.discover(inner) if discover else probes.Paths((), ())
    if probes.MOST_PATHS in map(len, found):
        session.report.note("left out", f"of the routes, {probes.MOST_PATHS} paths are asked; name others by --path")
    try:
        plan = probes.plan(paths, found)
    except ValueError as error:
        raise Refused(f"--path: {error}") from None
    return Subject.of(app, inner, config), session.run(linted, plan, strict=strict)


@contextlib.contextmanager
def _output_to_errors() -> Iterator[None]:
    """Send what is printed to the standard error stream, also by programs that are started and by code in C."""
    kept = _swap_output()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        if kept is not None:
            os.dup2(kept, _OUT)
            os.close(kept)


def _swap_output() -> int | None:
    """Put standard error in the place of standard output, and return that; ``None`` if one of them is closed."""
    try:
        sys.stdout.flush()
        kept = os.dup(_OUT)
        os.dup2(_ERROR, _OUT)
    except (AttributeError, OSError):
        return None
    return kept


def _tell_notes(report: Report) -> None:
    for note in report.notes:
        click.echo(f"note: {note}", err=True)
    if report.left_off:
        click.echo(f"note: {report.left_off} more findings were left off", err=True)


def _leave(context: click.Context, report: Report) -> None:
    status = 2 if report.not_started is not None else int(bool(report.errors))
    if report.is_stuck:  # an ordinary end would wait for what does not end
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    context.exit(status)
