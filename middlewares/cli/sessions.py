"""``middlewares sessions``: list and end sessions in a store, and clear away those that are over."""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import click

from middlewares.errors import MiddlewaresError

from .common import Refused, aligned, find_modules_here

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable
    from typing import NoReturn

    from middlewares import Middleware, Sessions
    from middlewares.sessions.overview import ListedSession, Overview

__all__ = ("sessions",)

_SHORT = 12
_DEADLINE = 10.0


@click.group(short_help="List, end and clear away sessions.")
def sessions() -> None:
    """List and end the sessions in a store, and clear away those that are over.

    Which store it is says the entry `sessions` of a configuration file, or --store. What sessions hold is never
    shown, but for who their user is.
    """


def _command(work: Callable[..., Coroutine[Any, Any, None]]) -> click.Command:
    """Return the command that does some work on an overview, which the options of all commands select."""

    def run(*, config: str | None, store: str | None, cookie: str | None, **options: Any) -> None:
        async def all_of_it() -> None:
            from middlewares.sessions.overview import Overview  # imported here, since other commands do not need it

            async with Overview(_layer(config, store, cookie)) as overview:
                await work(overview, **options)

        try:
            asyncio.run(all_of_it())
        except MiddlewaresError as error:
            raise Refused(str(error)) from None

    run.__doc__ = work.__doc__
    run.__click_params__ = getattr(work, "__click_params__", [])  # type: ignore[attr-defined]  # where click looks
    for add in (
        click.option("--json", "as_json", is_flag=True, help="Answer in JSON."),
        click.option("--cookie", metavar="NAME", help="The cookie of the sessions, where that is not clear."),
        click.option("--store", metavar="URL", help="The store, instead of a configuration file."),
        click.option("--config", metavar="FILE", help="The configuration file.  [default: middlewares.toml]"),
    ):
        run = add(run)
    return sessions.command(work.__name__.strip("_"))(run)


@_command
@click.option("--user", help="Only the sessions of this user.")
async def _list(overview: Overview, user: str | None, as_json: bool) -> None:
    """List the sessions of everybody, or of one user; those used last come first.

    Times are in UTC. Keys are shortened; with --json they are whole.
    """
    found = await overview.sessions(user)
    if as_json:
        _answer([asdict(one) for one in found])
        return
    rows = [("USER", "KEY", "BEGAN", "LAST USED", "ENDS"), *map(_row, found)]
    click.echo("\n".join(aligned(rows)) if found else "no sessions")


@_command
@click.argument("user")
@click.option("--session", "key", metavar="KEY", help="End this one; as many characters as make it unmistakable.")
@click.option("--all", "all_", is_flag=True, help="End all of them.")
async def _revoke(overview: Overview, user: str, key: str | None, all_: bool, as_json: bool) -> None:
    """End one session of USER, or all of them: for every worker and at once, whoever has copies of the cookie."""
    if all_ == (key is not None):
        raise click.UsageError("give either --session KEY or --all")
    if key is None:
        count = await overview.revoke_all(user)
        text = "all sessions in cookies from before now" if count is None else _plural(count, "session")
    else:
        whole = _only_one(key, await overview.sessions(user), user)
        count, text = int(await overview.revoke(user, whole)), "1 session"
    _answer({"user": user, "ended": count}, None if as_json else f"ended {text} of {user}")


@_command
async def _gc(overview: Overview, as_json: bool) -> None:
    """Remove what is over from the store. Stores do so by and by without being told; Redis and Valkey at once."""
    count = await overview.collect()
    _answer({"removed": count}, None if as_json else f"removed {_plural(count, 'record')}")


def _layer(config: str | None, store: str | None, cookie: str | None) -> Sessions:
    """Return the layer whose sessions are meant; raises `Refused` and others of our errors."""
    from middlewares import Sessions

    if store is None:
        layer = _configured(config, cookie)
    elif config is not None:
        raise Refused("--config and --store: give one of them")
    else:
        # When its sessions end is written in the store; a key is needed for cookies alone.
        options: dict[str, Any] = {"store": store, "max_age": None, "absolute_max_age": None}
        key = secrets.token_urlsafe(32)
        layer = Sessions(_nobody, secret_key=key, session_cookie=cookie, store_deadline=_DEADLINE, **options)
    for url in (layer.store, layer.revocations):
        if isinstance(url, str):
            _check_reachable(url)
    return layer


def _configured(config: str | None, cookie: str | None) -> Sessions:
    from middlewares import from_config
    from middlewares.serve import DEFAULT_CONFIG
    from middlewares.sessions.overview import Overview

    file = config or DEFAULT_CONFIG
    find_modules_here()
    layers = {Overview(layer).cookie: layer for layer in _built(from_config(file))}
    if not layers:
        raise Refused(f"{file}: has no entry 'sessions'; name the store with --store")
    names = ", ".join(sorted(layers))
    if cookie is None and len(layers) > 1:
        raise Refused(f"{file}: has several entries 'sessions'; choose one with --cookie: {names}")
    if cookie is not None and cookie not in layers:
        raise Refused(f"--cookie: no entry 'sessions' of {file} has the cookie {cookie!r}; there is: {names}")
    return layers[cookie or names]


def _built(entries: Iterable[Middleware]) -> list[Sessions]:
    """Return the layers of sessions in a stack, also those for some requests only."""
    from middlewares import Sessions

    inner: list[Any] = [entry.kwargs.get("layer", entry) for entry in entries]
    found = [entry for entry in inner if isinstance(entry.cls, type) and issubclass(entry.cls, Sessions)]
    return [entry.cls(_nobody, *entry.args, **entry.kwargs) for entry in found]


def _check_reachable(url: str) -> None:
    """Refuse a store in which this process cannot find the sessions of another."""
    parts = urlsplit(url)
    if parts.scheme == "memory":
        raise Refused("store: 'memory://' is in the memory of the server alone; nobody else can look into it")
    if parts.scheme == "sqlite" and not Path(unquote(parts.path[1:])).is_file():
        raise Refused(f"store: there is no file {unquote(parts.path[1:])!r}")


def _only_one(key: str, found: list[ListedSession], user: str) -> str:
    matching = [one.key for one in found if one.key == key or _short(one.key, None).startswith(key)]
    if not key or not matching:
        raise Refused(f"--session: {user} has no session {key!r}")
    if len(matching) > 1:
        raise Refused(f"--session: {len(matching)} sessions of {user} begin with {key!r}")
    return matching[0]


def _row(one: ListedSession) -> tuple[str, ...]:
    user = "-" if one.user is None else str(one.user)
    # Whatever the application keeps as a user must neither break the table nor reach the terminal as a command.
    shown = user if user.isprintable() else ascii(user)
    return shown, _short(one.key, _SHORT), *map(_time, (one.created, one.renewed, one.ends))


def _short(key: str, length: int | None) -> str:
    return key.removeprefix("s:")[:length]


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _answer(value: Any, text: str | None = None) -> None:
    click.echo(json.dumps(value, indent=2) if text is None else text)


async def _nobody(scope: Any, receive: Any, send: Any) -> NoReturn:
    """Stand in for the application: no request is made."""
    raise RuntimeError("no application")
