"""``middlewares run``: serve an application inside the stack of a configuration file, with uvicorn."""

from __future__ import annotations

import logging
import os
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from middlewares.config import PROFILE_VARIABLE
from middlewares.config.costs import memory_stores
from middlewares.errors import MissingExtra
from middlewares.serve import (
    APP_VARIABLE,
    CONFIG_VARIABLE,
    DEFAULT_CONFIG,
    WATCH_VARIABLE,
    configured_app,
    counting_together,
)

from .common import Refused, config_options, find_modules_here, refusing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from middlewares.config import Configuration
    from middlewares.config.model import Entry

__all__ = ("run",)

_ADDRESS_USERS = ("rate_limit", "access_log", "maintenance")
"""Middlewares that act on, or note, the address of the client."""


@click.command(short_help="Serve an application inside the middlewares of a file.")
@click.argument("app", metavar="MODULE:APP")
@config_options
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="The port to listen on; 0: any."
)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(min=1), help="How many processes.")
@click.option("--watch", is_flag=True, help="Put a changed file into effect, without dropping a request.")
@click.option("--reload", is_flag=True, help="Start anew when a Python or configuration file changes.")
def run(
    app: str,
    config: str | None,
    profile: str | None,
    host: str,
    port: int,
    workers: int,
    watch: bool,
    reload: bool,
) -> None:
    """Serve MODULE:APP inside the middlewares of a configuration file, with uvicorn.

    MODULE:APP is an ASGI application, as in shop:app, or a function that makes one, as in 'shop:create_app()'.
    Modules are found in the current directory too. The file and the application are checked first; if anything is
    wrong with them, every problem is listed, nothing is served, and the exit status is 2.

    With --watch, or at the signal SIGHUP, the file is read anew while requests are served: those under way finish in
    the middlewares that they began with, and a file with mistakes changes nothing and is reported.

    A store in memory is refused for several workers: each would keep its own.
    """
    if reload and workers > 1:
        raise click.UsageError("--reload serves with one process: leave out --workers")
    if reload and watch:
        raise click.UsageError("--reload starts anew when the file changes: leave out --watch")
    find_modules_here()
    with refusing():
        # Forwarded headers are for the middlewares to judge: the file says which proxies are trusted.
        options: dict[str, Any] = {"host": host, "port": port, "proxy_headers": False}
        _serve(_Wanted(app, config, profile, workers, watch, reload), options)


class _Wanted(NamedTuple):
    """What is to be served, and how."""

    app: str
    config: str | None
    profile: str | None
    workers: int
    watch: bool
    reload: bool


def _serve(wanted: _Wanted, options: dict[str, Any]) -> None:
    try:
        import uvicorn  # an optional dependency
    except ImportError:
        raise MissingExtra("middlewares run", "cli") from None
    with counting_together(wanted.workers):
        _serve_with(uvicorn, wanted, options)


def _serve_with(uvicorn: Any, wanted: _Wanted, options: dict[str, Any]) -> None:
    configured = configured_app(wanted.app, wanted.config, profile=wanted.profile, watch=wanted.watch)
    _check_workers(configured.configuration, wanted.workers)
    _check_proxies(configured.configuration, str(options["host"]))
    logs = [entry for entry in configured.configuration.entries if entry.use == "access_log" and entry.enabled]
    if logs:
        options["access_log"] = False  # each request would be logged twice
    options["log_config"] = _log_config(logs)
    if wanted.workers == 1 and not wanted.reload:
        uvicorn.run(configured, workers=1, **options)
        return
    _hand_down(wanted)
    if wanted.reload:
        options |= {"reload": True, "reload_includes": ["*.py", "*.toml", "*.yaml", "*.yml", "*.json"]}
    uvicorn.run("middlewares.serve:app", factory=True, workers=wanted.workers, **options)


def _hand_down(wanted: _Wanted) -> None:
    """Let each process, which builds the application again, find it as this one did."""
    os.environ[APP_VARIABLE] = wanted.app
    os.environ[CONFIG_VARIABLE] = wanted.config or DEFAULT_CONFIG
    os.environ[WATCH_VARIABLE] = "1" if wanted.watch else "0"
    if wanted.profile is not None:
        os.environ[PROFILE_VARIABLE] = wanted.profile
    os.environ["WEB_CONCURRENCY"] = str(wanted.workers)  # for layers that keep to themselves what they should share


def _log_config(logs: Iterable[Entry]) -> dict[str, Any]:
    """Return uvicorn's configuration of its log, with what becomes of changed files in it.

    And with the lines of access logs that go to loggers, as they are: where nobody has set these up, a file that turns
    on the log would else turn it on for nobody.
    """
    from uvicorn.config import LOGGING_CONFIG

    loggers = {"middlewares.reload": {"handlers": ["default"], "level": "INFO", "propagate": False}}
    for entry in logs:
        given = {name: setting.value for name, setting in entry.options.items()}
        name = given.get("logger", "middlewares.access")
        if given.get("output", "logging") == "logging" and not logging.getLogger(name).hasHandlers():
            loggers[name] = {"handlers": ["lines"], "level": "INFO", "propagate": False}
    lines = {"class": "logging.StreamHandler", "formatter": "lines", "stream": "ext://sys.stdout"}
    return {
        **LOGGING_CONFIG,
        "formatters": {**LOGGING_CONFIG["formatters"], "lines": {"format": "%(message)s"}},
        "handlers": {**LOGGING_CONFIG["handlers"], "lines": lines},
        "loggers": {**LOGGING_CONFIG["loggers"], **loggers},
    }


def _check_workers(configuration: Configuration, workers: int) -> None:
    """Refuse what each worker would keep for itself, and so get wrong; raises `Refused`."""
    if workers == 1:
        return
    in_memory = [
        f"{entry.spot}: {entry.label} keeps its {option} in memory, which {workers} workers do not share; "
        f'write {option} = "sqlite:///{entry.use}.db", or a redis:// URL for several machines'
        for entry in configuration.entries
        if entry.enabled
        for option in memory_stores(entry)
    ]
    if in_memory:
        raise Refused("\n".join(in_memory))


def _check_proxies(configuration: Configuration, host: str) -> None:
    """Warn where clients may come through a proxy that nothing in the stack knows of."""
    from middlewares.order.layers import layers_of

    layers = layers_of(configuration.stack, {})
    users = [entry for entry in configuration.entries if entry.enabled and entry.use in _ADDRESS_USERS]
    if _is_loopback(host) or not users or any(layer.role == "proxy_headers" for layer in layers):
        return
    _warn(
        f"{users[0].spot}: {users[0].label} goes by the address of the client; behind a proxy that is the proxy's, "
        "the same for everybody: put a layer in front that reads X-Forwarded-For from proxies you trust"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _warn(words: str) -> None:
    click.echo(f"{click.style('warning', fg='yellow')}: {words}", err=True)
