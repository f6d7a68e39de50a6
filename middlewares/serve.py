"""Serve an application inside a configured stack, from any server that takes an application factory.

::

    MIDDLEWARES_APP=shop:app MIDDLEWARES_CONFIG=middlewares.toml uvicorn --factory middlewares.serve:app
"""

from __future__ import annotations

import inspect
import os
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from middlewares.config import from_config
from middlewares.config.resolve import Unresolved, describe_error, import_object, quoted
from middlewares.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from middlewares import Stack
    from middlewares.asgi import ASGIApp

__all__ = (
    "APP_VARIABLE",
    "CONFIG_VARIABLE",
    "DEFAULT_CONFIG",
    "app",
    "build_app",
    "configured_app",
    "counting_together",
    "load_app",
    "load_parts",
)

APP_VARIABLE = "MIDDLEWARES_APP"
"""The environment variable that names the application, as in ``shop:app`` or ``shop:create_app()``."""

CONFIG_VARIABLE = "MIDDLEWARES_CONFIG"
"""The environment variable that holds the path of the configuration file."""

DEFAULT_CONFIG = "middlewares.toml"
"""The file in the current directory that is taken where none is named."""


METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable that names the directory where the processes of a server count together."""


@contextmanager
def counting_together(workers: int) -> Iterator[None]:
    """Give several processes that are started meanwhile a directory for their metrics, unless they have one.

    To be entered before prometheus_client is imported, which looks once.
    """
    if workers == 1 or METRICS_VARIABLE in os.environ:
        yield
        return
    with TemporaryDirectory(prefix="middlewares-metrics-") as directory:
        os.environ[METRICS_VARIABLE] = directory
        try:
            yield
        finally:
            del os.environ[METRICS_VARIABLE]


def app() -> ASGIApp:
    """Return the application that the environment names, inside the stack that its configuration file describes.

    Reads ``MIDDLEWARES_APP`` and ``MIDDLEWARES_CONFIG`` (else ``middlewares.toml`` in the current directory).
    Raises `ConfigError`.
    """
    name = os.environ.get(APP_VARIABLE)
    if not name:
        raise ConfigError(f"{APP_VARIABLE} is not set: it must name the application, as in 'shop:app'")
    return configured_app(name, os.environ.get(CONFIG_VARIABLE) or None)


def configured_app(name: str, config: str | os.PathLike[str] | None = None) -> ASGIApp:
    """Return the application ``name`` (see `load_app`) inside the stack of a configuration file (see `from_config`).

    Raises `ConfigError` with the problems of both.
    """
    return build_app(name, *load_parts(name, lambda: from_config(_existing(config))))


def load_parts(name: str, load_stack: Callable[[], Stack]) -> tuple[Stack, Any]:
    """Return a stack and the application ``name``; raises `ConfigError` with the problems of both."""
    problems: list[str] = []
    stack = inner = None
    try:
        stack = load_stack()
    except ConfigError as error:
        problems += error.problems
    try:
        inner = load_app(name)
    except ConfigError as error:
        problems += error.problems
    if stack is None or problems:
        raise ConfigError(*problems)
    return stack, inner


def build_app(name: str, stack: Stack, inner: Any) -> ASGIApp:
    """Return ``inner``, the application ``name``, inside a stack; raises `ConfigError`."""
    try:
        return stack(inner)
    except Exception as error:  # building runs constructors that are not ours and may raise anything
        reason = describe_error(error)
        raise ConfigError(f"the middlewares cannot be built around {quoted(name)}: {reason}") from error


def load_app(name: str) -> Any:
    """Return the application that ``package.module:attribute`` names; the attribute may be dotted.

    With ``()`` behind it, the attribute is a factory: it is called without arguments and returns the application.
    Raises `ConfigError`.
    """
    owner = f"application {quoted(name)}"
    try:
        found = import_object(name.removesuffix("()"))
    except Unresolved as error:
        raise ConfigError(f"{owner}: {error}") from error
    if name.endswith("()"):
        found = _made_by(found, owner)
    elif _takes_nothing(found):
        raise ConfigError(f"{owner}: takes no arguments; if it returns the application, write {quoted(name + '()')}")
    if not callable(found):
        raise ConfigError(f"{owner}: is not callable, but an object of type {type(found).__name__!r}")
    return found


def _existing(config: str | os.PathLike[str] | None) -> str | os.PathLike[str]:
    if config is None and not Path(DEFAULT_CONFIG).exists():
        try:
            where = str(Path.cwd())
        except OSError:  # it may have been deleted
            where = "the current directory"
        raise ConfigError(f"no configuration file is named, and there is no {DEFAULT_CONFIG} in {where}")
    return config or DEFAULT_CONFIG


def _made_by(factory: Any, owner: str) -> Any:
    if not callable(factory):
        raise ConfigError(f"{owner}: is not callable, but an object of type {type(factory).__name__!r}")
    try:
        made = factory()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the factory is not ours: it may raise anything, and may call `sys.exit`
        raise ConfigError(f"{owner}: the factory failed: {describe_error(error)}") from error
    if inspect.iscoroutine(made):
        made.close()  # so that Python does not warn that nobody awaited it
        raise ConfigError(f"{owner}: the factory must be a plain function, not an async one")
    return made


def _takes_nothing(found: Any) -> bool:
    """Return whether ``found`` is a plain function without parameters: a factory, where an application is expected."""
    return inspect.isfunction(found) and not inspect.signature(found).parameters
