"""A connection to Redis or Valkey that every store shares the way of: lazy, under a deadline, renewed by itself."""

from __future__ import annotations

import asyncio
from functools import cache
from hashlib import sha1
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit
from weakref import WeakKeyDictionary

from middlewares.errors import MissingExtra

from .base import DEADLINE, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeVar

    _T = TypeVar("_T")

__all__ = ("REDIS_SCHEMES", "RedisClient")

REDIS_SCHEMES: Final = (
    "redis",
    "rediss",
    "valkey",
    "valkeys",
    "unix",
    "redis+sentinel",
    "redis+cluster",
    "rediss+cluster",
)
_MOST_CONNECTIONS: Final = 50
"""Of one event loop; ``max_connections`` in the URL says otherwise."""
_MOST_OF_SENTINEL: Final = 10_000
"""Its pool cannot wait for one that is free."""
_ALIASES: Final = {"valkey": "redis", "valkeys": "rediss"}


class RedisClient:
    """redis-py's asyncio client for a URL, one per event loop, made at the first call.

    ``redis://host:6379/0``, ``rediss://`` (TLS), ``valkey://``, ``unix:///path.sock``;
    ``redis+sentinel://host:26379,host2:26379/service/0``; ``redis+cluster://host:7000``. Options of redis-py may
    follow as a query.
    """

    def __init__(self, url: str, *, deadline: float = DEADLINE) -> None:
        self.deadline = deadline
        self._url = url
        self._is_cluster = url.partition("://")[0].endswith("+cluster")
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = WeakKeyDictionary()
        self._scripts: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Any]] = WeakKeyDictionary()

    async def call(self, work: Callable[[Any], Awaitable[_T]], *, again: bool = True) -> _T:
        """Return ``await work(client)``, with everything that can go wrong as `StoreUnavailable`.

        A connection that turns out to be dead is replaced, and the call made once more unless ``again`` is false:
        for what must not happen twice.
        """
        from redis.exceptions import ConnectionError as Lost
        from redis.exceptions import RedisError

        try:
            async with asyncio.timeout(self.deadline):
                try:
                    return await work(self._client())
                except Lost:
                    if not again:
                        raise
                    return await work(self._client())
        except TimeoutError as error:
            raise StoreUnavailable(f"{self}: no answer within {self.deadline:g} s") from error
        except (RedisError, OSError) as error:
            raise StoreUnavailable(f"{self}: {error}") from error

    async def script(self, source: str, keys: list[str], arguments: list[Any], *, again: bool = True) -> Any:
        """Run a Lua script by its digest; it is sent in full where the server does not know it (any more)."""
        return await self.call(lambda client: self._script(client, source)(keys, arguments), again=again)

    async def scripts(self, *calls: tuple[str, list[str], list[Any]]) -> Any:
        """Run scripts, each with keys and arguments, in their order; return what the last one answers.

        They go out together, so that this takes no longer than one, but for clusters: their keys may be on different
        servers. All must bear repetition.
        """
        if len(calls) == 1:
            return await self.script(*calls[0])
        return await self.call(lambda client: self._together(client, calls))

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        loop = asyncio.get_running_loop()
        self._scripts.pop(loop, None)
        client = self._clients.pop(loop, None)
        if client is not None:
            await client.aclose()

    def __str__(self) -> str:
        """Return the URL without what may be secret in it."""
        parts = urlsplit(self._url)
        place = parts.netloc + parts.path  # an "@" in the path: a password was not percent-encoded
        return f"{parts.scheme}://{place.rpartition('@')[2]}"

    def _client(self) -> Any:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            client = self._clients[loop] = _connect(self._url, self.deadline)
        return client

    async def _together(self, client: Any, calls: tuple[tuple[str, list[str], list[Any]], ...]) -> Any:
        from redis.exceptions import NoScriptError

        if not self._is_cluster:
            try:
                return await _piped(client, calls)
            except NoScriptError:  # a server that was started anew: in full below, from then on by digest
                pass
        results = [await self._script(client, source)(keys, arguments) for source, keys, arguments in calls]
        return results[-1]

    def _script(self, client: Any, source: str) -> Any:
        scripts = self._scripts.setdefault(asyncio.get_running_loop(), {})
        if source not in scripts:
            scripts[source] = client.register_script(source)
        return scripts[source]


async def _piped(client: Any, calls: tuple[tuple[str, list[str], list[Any]], ...]) -> Any:
    """Return what the last of some scripts answers; raises what any of them fails with."""
    async with client.pipeline(transaction=False) as pipe:
        for source, keys, arguments in calls:
            pipe.evalsha(_digest(source), len(keys), *keys, *arguments)
        return (await pipe.execute())[-1]


@cache
def _digest(source: str) -> str:
    """Return the name by which servers know a script (EVALSHA)."""
    return sha1(source.encode(), usedforsecurity=False).hexdigest()


def _connect(url: str, deadline: float) -> Any:
    try:
        from redis import asyncio as redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError as error:
        raise MissingExtra("a store in Redis or Valkey", "redis") from error
    scheme, _, rest = url.partition("://")
    # The deadline of the call bounds everything; redis-py itself must neither wait longer nor repeat commands.
    options: dict[str, Any] = {"socket_connect_timeout": deadline, "retry": Retry(NoBackoff(), 0)}
    if scheme == "redis+sentinel":
        return _sentinel(url, options)
    if scheme.endswith("+cluster"):
        return redis.RedisCluster.from_url(f"{scheme.partition('+')[0]}://{rest}", **options)
    # What finds all connections taken waits for one, up to the deadline: a plain pool would refuse it at once.
    options |= {"max_connections": _MOST_CONNECTIONS, "timeout": deadline}
    pool = redis.BlockingConnectionPool.from_url(f"{_ALIASES.get(scheme, scheme)}://{rest}", **options)
    pool.connection_kwargs["decode_responses"] = False  # records are bytes, whatever the URL says
    return redis.Redis.from_pool(pool)


def _sentinel(url: str, options: dict[str, Any]) -> Any:
    from redis.asyncio import sentinel as module

    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    nodes = [(host.rpartition(":")[0] or host, int(host.rpartition(":")[2] or 26379)) for host in hosts.split(",")]
    service, _, database = parts.path.strip("/").partition("/")
    if login:
        options |= {"username": unquote(user) or None, "password": unquote(password)}
    make: Any = module.Sentinel  # redis-py does not annotate it
    sentinel = make(nodes, sentinel_kwargs=dict(parse_qsl(parts.query)), max_connections=_MOST_OF_SENTINEL, **options)
    return sentinel.master_for(service or "mymaster", db=int(database or 0))
