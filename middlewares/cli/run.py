"""``middlewares run``: serve an application inside the stack of a configuration file, with uvicorn."""

from __future__ import annotations

import os
from typing import Any

import click

from middlewares.errors import MiddlewaresError, MissingExtra
from middlewares.serve import APP_VARIABLE, CONFIG_VARIABLE, DEFAULT_CONFIG, configured_app, counting_together

from .common import Refused, find_modules_here

__all__ = ("run",)


@click.command(short_help="Serve an application inside the middlewares of a file.")
@click.argument("app", metavar="MODULE:APP")
@click.option("--config", metavar="FILE", help=f"The configuration file.  [default: {DEFAULT_CONFIG}, if it exists]")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="The port to listen on; 0: any."
)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(min=1), help="How many processes.")
@click.option("--reload", is_flag=True, help="Start anew when a Python or TOML file changes.")
def run(app: str, config: str | None, host: str, port: int, workers: int, reload: bool) -> None:
    """Serve MODULE:APP inside the middlewares of a configuration file, with uvicorn.

    MODULE:APP is an ASGI application, as in shop:app, or a function that makes one, as in 'shop:create_app()'.
    Modules are found in the current directory too. The file and the application are checked first; if anything is
    wrong with them, every problem is listed, nothing is served, and the exit status is 2.
    """
    if reload and workers > 1:
        raise click.UsageError("--reload serves with one process: leave out --workers")
    find_modules_here()
    try:
        # Forwarded headers are for the middlewares to judge: the file says which proxies are trusted.
        options: dict[str, Any] = {"host": host, "port": port, "proxy_headers": False}
        _serve(app, config, workers, reload, options)
    except MiddlewaresError as error:
        raise Refused(str(error)) from None


def _serve(app: str, config: str | None, workers: int, reload: bool, options: dict[str, Any]) -> None:
    try:
        import uvicorn  # an optional dependency
    except ImportError:
        raise MissingExtra("middlewares run", "cli") from None
    with counting_together(workers):
        _serve_with(uvicorn, app, config, workers, reload, options)


def _serve_with(
    uvicorn: Any, app: str, config: str | None, workers: int, reload: bool, options: dict[str, Any]
) -> None:
    configured = configured_app(app, config)
    if workers == 1 and not reload:
        uvicorn.run(configured, workers=1, **options)
        return
    # Each process builds the application again: these find it as this one did.
    os.environ[APP_VARIABLE] = app
    os.environ[CONFIG_VARIABLE] = config or DEFAULT_CONFIG
    os.environ["WEB_CONCURRENCY"] = str(workers)  # for layers that keep to themselves what processes should share
    if reload:
        options |= {"reload": True, "reload_includes": ["*.py", "*.toml"]}
    uvicorn.run("middlewares.serve:app", factory=True, workers=workers, **options)
