"""URLs of stores: each names one, and what names none is refused with a hint."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from middlewares import OptionError, Sessions
from middlewares.errors import MissingExtra
from middlewares.stores import loop_problem, open_store, url_problem
from middlewares.stores.memory import MemoryStore
from middlewares.stores.redis import RedisStore
from middlewares.stores.redis_url import connect, sentinels_of
from middlewares.stores.sqlite import SQLiteStore

KEY = "Zr8wLxTngv1yXkQYJb4Sg0m5hQ0eD7p2"


async def _app(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("nobody is to call it")


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("memory://", MemoryStore),
        ("memory://?max_records=5", MemoryStore),
        ("sqlite:///relative.db", SQLiteStore),
        ("sqlite:////tmp/absolute.db", SQLiteStore),
        ("redis://localhost:6379/0", RedisStore),
        ("rediss://user:secret@cache.example:6380/1", RedisStore),
        ("valkey://localhost", RedisStore),
        ("unix:///run/valkey.sock", RedisStore),
        ("redis+sentinel://a:26379,b:26379/main/0", RedisStore),
        ("redis+cluster://a:7000", RedisStore),
    ],
)
def test_a_url_names_a_store_and_opens_nothing(url: str, kind: type) -> None:
    assert url_problem(url) is None
    assert isinstance(open_store(url), kind)


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("", None),
        ("localhost:6379", None),
        ("reddis://localhost", "did you mean 'redis'?"),
        ("sqlite://file.db", "three slashes for a relative path, four for an absolute one"),
        ("sqlite://", "three slashes for a relative path, four for an absolute one"),
        ("memory://?max_records=-1", "max_records must be a whole number above 0"),
        ("memory://?max_records=many", "max_records must be a whole number above 0"),
        ("redis://localhost:99999", "Port out of range 0-65535"),
        (" redis://localhost", "spaces and control characters are percent-encoded"),
        ("sqlite:///:memory:", "'memory://' keeps records in memory"),
        ("sqlite:///a.db?mode=ro", "'?' and '#' in a path are written as %3F and %23"),
        ("sqlite:///a#1.db", "'?' and '#' in a path are written as %3F and %23"),
        ("sqlite:///a%00.db", "a path holds no zero byte"),
    ],
)
def test_what_names_no_store_is_refused_with_a_hint(url: str, hint: str | None) -> None:
    problem = url_problem(url)
    assert problem is not None
    assert problem[0].startswith("must be the URL of a store")
    assert problem[1] == hint
    with pytest.raises(ValueError, match="must be the URL of a store"):
        open_store(url)


@pytest.mark.parametrize(
    "url",
    [
        "redi://user:secret@cache.example:1",
        "redis://:secret/word@cache.example:1",
        "redis://:secret#word@cache.example:1",
        "redis://:secret?word@cache.example:1",
        "redis://:6379/secret@cache.example:1",
        "redis://:6379#secret@cache.example:1",
    ],
)
def test_a_refusal_repeats_no_password(url: str) -> None:
    problem = url_problem(url)
    assert problem is not None
    assert "secret" not in str(problem)
    with pytest.raises(ValueError, match="store must be") as caught:
        open_store(url)
    assert "secret" not in str(caught.value)


def test_what_is_not_installed_is_said_when_a_store_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by each request."""
    monkeypatch.setattr("middlewares.stores.opening.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"middlewares\[redis\]"):
        open_store("redis://localhost")


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("redis://localhost?clientname=shop", "redis-py has no option 'clientname'"),
        ("unix:///a.sock?path_=b", "redis-py has no option 'path_'"),
        ("rediss://localhost?ssl_cert_reqs=sometimes", "Invalid SSL Certificate Requirements Flag: sometimes"),
        ("redis://localhost?socket_timeout=soon", "Invalid value for 'socket_timeout' in connection URL."),
        ("redis://localhost?protocol=9", "protocol must be either 2 or 3"),
        ("redis+sentinel://a/main?clientname=shop", "redis-py has no option 'clientname'"),
        ("redis+sentinel://a/main/first", "a database has a number"),
        ("redis+cluster://a?clientname=shop", "redis-py has no option 'clientname'"),
        ("redis://localhost?max_connections=0", "max_connections must be at least 1"),
        ("redis+sentinel://a/main?max_connections=0", "max_connections must be at least 1"),
        ("redis+cluster://a?max_connections=-1", "max_connections must be at least 1"),
        ("redis+cluster://a/1", "Argument 'db' must be 0 or None in cluster mode"),
    ],
)
def test_what_redis_py_would_not_take_is_refused_when_it_is_built(url: str, hint: str) -> None:
    """Not by the first request."""
    problem = url_problem(url)
    assert problem is not None
    assert problem[1] == hint
    with pytest.raises(OptionError, match="store must be"):
        Sessions(_app, secret_key=KEY, store=url)


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost?client_name=shop&socket_timeout=1&protocol=3",
        "redis+sentinel://user:password@a:26379,[::1]:26379,c/main/2?sentinel_password=secret&socket_timeout=1",
        "rediss+cluster://a:7000?ssl_cert_reqs=none",
    ],
)
def test_options_of_redis_py_may_follow(url: str) -> None:
    assert url_problem(url) is None


def test_sentinels_are_asked_with_their_own_password_and_each_for_a_share_of_the_deadline() -> None:
    url = "redis+sentinel://user:p%40ss@a:1,[::1]:2,c/main/3?sentinel_password=theirs&socket_timeout=7"
    client, most = connect(url, 0.4)
    servers = client.connection_pool.connection_kwargs
    assert {name: servers[name] for name in ("username", "password", "db", "socket_timeout")} == {
        "username": "user",
        "password": "p@ss",
        "db": 3,
        "socket_timeout": 7.0,
    }
    assert most == 50
    sentinels = [one.connection_pool.connection_kwargs for one in sentinels_of(client)]
    assert [(one["host"], one["port"]) for one in sentinels] == [("a", 1), ("::1", 2), ("c", 26379)]
    assert {(one["username"], one["password"], one["socket_timeout"]) for one in sentinels} == {(None, "theirs", 0.1)}


def test_under_trio_a_store_in_redis_says_that_it_needs_asyncio() -> None:
    store = open_store("redis://127.0.0.1:1")

    async def ask() -> None:
        assert loop_problem(store) is not None
        assert loop_problem(MemoryStore()) is None
        with pytest.raises(RuntimeError, match=r"works under asyncio alone.*sqlite"):
            await store.get("a")

    trio.run(ask)


async def test_under_asyncio_there_is_nothing_to_say() -> None:
    assert loop_problem(open_store("redis://127.0.0.1:1")) is None


def test_under_trio_the_application_does_not_start() -> None:
    """Where servers have a lifespan; elsewhere the first request says it."""

    async def start() -> list[Any]:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "lifespan.startup"}

        async def send(message: Any) -> None:
            sent.append(message)

        layer = Sessions(_app, secret_key=KEY, store="redis://127.0.0.1:1")
        await layer({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
        return sent

    [failed] = trio.run(start)
    assert failed["type"] == "lifespan.startup.failed"
    assert "works under asyncio alone" in failed["message"]


@pytest.mark.parametrize("url", ["redis://a", "unix:///a.sock", "redis+sentinel://a/main", "redis+cluster://a"])
async def test_records_are_bytes_whatever_a_url_says(url: str) -> None:
    client, _ = connect(f"{url}?client_name=shop&decode_responses=1", 1.0)
    options = client.connection_kwargs if "cluster" in url else client.connection_pool.connection_kwargs
    assert not options.get("decode_responses")
    assert options["client_name"] == "shop"
