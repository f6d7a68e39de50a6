"""Sessions in a store, read and changed: in memory, in SQLite, and in a Valkey that runs for this alone.

starsessions has no store in SQLite: there it is measured with the one in memory.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks.answer import Answer, Verify, expect, unchanged
from benchmarks.apps import answer_from_pool
from benchmarks.case import Bar, Case, Subject
from benchmarks.pool import POOL_SIZE, browser_head, http_scope

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from middlewares.asgi import ASGIApp, Receive, Scope, Send
    from middlewares.stores import Store

__all__ = ("CASES",)

_SECRET = "gv1yXkQYJb4Sg0m5hQ0eD7p2Zr8wLxTn"  # noqa: S105 - signs nothing but the pool
_NAME = "visitor"
_SIZE = 1_000
_LIFE = 14 * 24 * 3600

_opened: list[Any] = []
"""Stores and clients with connections of the event loop that measures."""


async def _read(scope: Scope, receive: Receive, send: Send) -> None:
    await _load(scope)
    if "session" in scope:
        assert "user_id" in scope["session"]
    await answer_from_pool(scope, receive, send)


async def _change(scope: Scope, receive: Receive, send: Send) -> None:
    await _load(scope)
    session = scope.get("session")
    if session is not None:
        session["visits"] = session["visits"] + 1
    await answer_from_pool(scope, receive, send)


async def _load(scope: Scope) -> None:
    """Load the session of starsessions, which does so only when it is told."""
    handler = scope.get("session_handler")
    if handler is not None:
        await handler.load()


def _data(index: int) -> dict[str, Any]:
    return {"user_id": index, "name": f"visitor {index}", "theme": "dark", "visits": index * 7}


@cache
def _ids() -> Any:
    from middlewares.sessions.tokens import Ids

    return Ids([_SECRET], _NAME)


def _random(index: int) -> bytes:
    return index.to_bytes(18)


@cache
def _cookie(index: int) -> bytes:
    """Return what a browser sends that has a session of ours and one of starsessions: the same data in both."""
    return f"cookie: session={index:032x}; {_NAME}={_ids().seal(_random(index))}".encode()


def _scope(index: int) -> Scope:
    lines = browser_head(index).split(b"\n")
    head = b"\n".join(_cookie(index) if line.startswith(b"cookie:") else line for line in lines)
    return http_scope(index, head, size=_SIZE)


@cache
def _url(kind: str) -> str:
    if kind == "memory":
        return "memory://"
    folder = TemporaryDirectory()
    atexit.register(folder.cleanup)
    if kind == "sqlite":
        return f"sqlite:///{folder.name}/sessions.db"
    from tests.stores.valkey import Server

    server = Server(Path(folder.name))
    server.start()
    atexit.register(server.kill)
    return server.url


def _ours(kind: str) -> Subject:
    def build(app: ASGIApp) -> ASGIApp:
        from middlewares import Sessions
        from middlewares.stores import open_store

        store = open_store(_url(kind), namespace="sessions", deadline=10)
        _elsewhere(_fill(store))
        _opened.append(store)
        return Sessions(app, secret_key=_SECRET, secure=False, session_cookie=_NAME, store=store)

    return Subject(f"ours Sessions, {kind}", build, peer=False)


async def _fill(store: Store) -> None:
    from middlewares.sessions.homes import digest
    from middlewares.sessions.records import Record, encode

    now = time.time()
    for index in range(POOL_SIZE):
        record = Record(now, now, now, encode(_data(index)))
        await store.create("s:" + digest("id", _NAME, _random(index)), b"\0" + bytes(8) + record.pack(), _LIFE)
    await store.aclose()  # which a connection of this event loop needs; the next call opens another


def _starsessions(kind: str) -> Subject:
    def build(app: ASGIApp) -> ASGIApp:
        from starsessions import SessionMiddleware

        return SessionMiddleware(app, store=_their_store(kind), lifetime=_LIFE, cookie_https_only=False)

    return Subject(f"starsessions, {kind}", build, peer=True)


def _their_store(kind: str) -> Any:
    """Return a store of starsessions with the same sessions in it."""
    now = time.time()
    about = {"lifetime": _LIFE, "created": now, "last_access": now}
    records = {
        f"{index:032x}": json.dumps({**_data(index), "__metadata__": about}).encode() for index in range(POOL_SIZE)
    }
    if kind == "memory":
        from starsessions import InMemoryStore

        store = InMemoryStore()
        store.data.update(records)
        return store
    from redis import Redis
    from redis.asyncio import Redis as AsyncRedis
    from starsessions.stores.redis import RedisStore

    with Redis.from_url(_url(kind)) as client:
        client.mset({f"starsessions.{name}": value for name, value in records.items()})
    connection = AsyncRedis.from_url(_url(kind))
    _opened.append(connection)
    return RedisStore(connection=connection)


async def _close() -> None:
    while _opened:
        await _opened.pop().aclose()


def _elsewhere(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine to its end from code that is called in a running event loop, and must not wait."""
    with ThreadPoolExecutor(1) as threads:
        threads.submit(asyncio.run, work).result()


def _verify_change(got: Answer, bare: Answer, scope: Scope) -> None:
    unchanged(got, bare, scope)
    expect(b"cookie" in got.members(b"vary") or bool(got.values(b"set-cookie")), "the session was not used")


def _cases(kind: str, theirs: str, *bars: Bar) -> tuple[Case, Case]:
    def case(name: str, what: str, app: ASGIApp, verify: Verify, *bars: Bar) -> Case:
        subjects = (_ours(kind), _starsessions(theirs))
        label, what = f"sessions-store-{kind}-{name}", f"{what}: {kind}"
        return Case(label, what, app, _scope, subjects, verify, bars=bars, after=_close)

    return (
        case("read", "one value is read from a session in a store", _read, unchanged, *bars),
        # What overlapping requests change is all kept here, and the last to write wins there.
        case("change", "a number is read from a session in a store, and another saved", _change, _verify_change),
    )


CASES = (
    *_cases("memory", "memory", Bar(peer="starsessions, memory", ratio=1.0)),
    *_cases("sqlite", "memory"),
    *_cases("valkey", "valkey", Bar(peer="starsessions, valkey", ratio=1.0)),
)
