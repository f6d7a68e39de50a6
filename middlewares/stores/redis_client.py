"""A connection to Redis or Valkey that every store shares the way of: lazy, under a deadline, renewed by itself."""

from __future__ import annotations

import asyncio
from functools import cache
from hashlib import sha1
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from .base import DEADLINE, StoreUnavailable, running_asyncio
from .redis_url import connect, sentinels_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeVar

    _T = TypeVar("_T")

__all__ = ("RedisClient",)


class _Connected(NamedTuple):
    """What an event loop has of a client."""

    client: Any
    turns: asyncio.Semaphore
    """Who finds all connections taken waits for one."""
    scripts: dict[str, Any]


class RedisClient:
    """redis-py's asyncio client for a URL (`redis_url`), one per event loop, made at the first call."""

    def __init__(self, url: str, *, deadline: float = DEADLINE) -> None:
        self.deadline = deadline
        self._url = url
        self._is_cluster = url.partition("://")[0].endswith("+cluster")
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Connected] = WeakKeyDictionary()

    async def call(self, work: Callable[[Any], Awaitable[_T]], *, again: bool = True) -> _T:
        """Return ``await work(client)``, with everything that can go wrong as `StoreUnavailable`.

        A connection that turns out to be dead is replaced, and the call made once more unless ``again`` is false:
        for what must not happen twice. Raises `RuntimeError` outside of asyncio.
        """
        from redis.exceptions import ConnectionError as Lost
        from redis.exceptions import RedisClusterException, RedisError

        turns = self._connected().turns
        try:
            async with asyncio.timeout(self.deadline), turns:
                try:
                    return await work(self._client())
                except Lost:
                    if not again:
                        raise
                    return await work(self._client())
        except TimeoutError as error:
            raise StoreUnavailable(f"{self}: no answer within {self.deadline:g} s") from error
        except (RedisError, RedisClusterException, OSError) as error:
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
        connected = self._loops.pop(running_asyncio(), None)
        if connected is not None:
            await connected.client.aclose()
            for sentinel in sentinels_of(connected.client):
                await sentinel.aclose()

    def __str__(self) -> str:
        """Return the URL without what may be secret in it."""
        parts = urlsplit(self._url)
        place = parts.netloc + parts.path  # an "@" in the path: a password was not percent-encoded
        return f"{parts.scheme}://{place.rpartition('@')[2]}"

    def _client(self) -> Any:
        return self._connected().client

    def _connected(self) -> _Connected:
        loop = running_asyncio()
        connected = self._loops.get(loop)
        if connected is None:
            client, most = connect(self._url, self.deadline)
            connected = self._loops[loop] = _Connected(client, asyncio.Semaphore(most), {})
        return connected

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
        scripts = self._connected().scripts
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
