"""The way of hits to a Redis or Valkey server: those that come while others are on their way travel together.

Up to 64 travel in one call, and two calls at a time, so that the server counts one while this process writes and reads
the other. A hit that finds nothing on its way goes at once. A call whose answer is lost may have counted, and is not
made again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from hashlib import sha1
from typing import TYPE_CHECKING, Any, Final

from middlewares.stores import StoreUnavailable

from .script import SCRIPT
from .wire import Hit, command, packed, unpacked

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from middlewares.stores.redis_client import RedisClient

    from .decision import Decision
    from .policy import Charge

__all__ = ("Line",)

_MOST_AT_ONCE: Final = 64
_CALLS_AT_ONCE: Final = 2
_FRESH: Final = 1.0
"""Seconds for which a connection that answered is used without a look whether the server has closed it."""
_DIGEST: Final = sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest().encode()


class Line:
    """Hits of one event loop, and of one slot of a cluster, on their way to the server."""

    __slots__ = ("_calls", "_client", "_idle", "_loop", "_prefix", "_sweep", "_tasks", "_waiting", "restarts")

    def __init__(self, client: RedisClient, prefix: str) -> None:
        self.restarts = 0
        """Times that the server did not know the script any more."""
        self._client = client
        self._prefix = prefix
        self._loop = asyncio.get_running_loop()
        self._calls = 0
        self._waiting: deque[Hit] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._idle: list[tuple[Any, float]] = []
        """Connections, and when they were used last."""

    async def send(self, mode: int, charges: Sequence[Charge], mark: int = 0) -> Decision:
        """Return what the server decided. Raises `StoreUnavailable`."""
        loop = self._loop
        hit = Hit(mode, charges, mark, loop.time() + self._client.deadline, loop.create_future())
        if self._calls < _CALLS_AT_ONCE and not self._waiting:
            self._calls += 1
            try:
                (decision,) = await self._call([hit])
            except StoreUnavailable as error:
                self._fail(error)
                raise
            finally:
                self._calls -= 1
                self._go_on()
            return decision
        self._waiting.append(hit)
        if self._sweep is None:
            self._sweep = loop.call_at(hit.until, self._drop)
        return await hit.answer

    async def aclose(self) -> None:
        """Close the connections that are kept at hand."""
        idle, self._idle = self._idle, []
        for connection, _ in idle:
            await connection.disconnect()

    def _go_on(self) -> None:
        if self._waiting and self._calls < _CALLS_AT_ONCE:
            self._calls += 1
            task = self._loop.create_task(self._run())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self) -> None:
        """Send what waits, as much at a time as a call may hold."""
        try:
            while self._waiting:
                hits = [self._waiting.popleft() for _ in range(min(_MOST_AT_ONCE, len(self._waiting)))]
                try:
                    decisions = await self._call(hits)
                except BaseException as error:
                    # Whatever it is, nobody may wait for an answer that never comes.
                    self._waiting.extendleft(reversed(hits))
                    if isinstance(error, StoreUnavailable):
                        return self._fail(error)
                    self._fail(StoreUnavailable(f"the call failed: {error!r}"))
                    raise
                for hit, decision in zip(hits, decisions, strict=True):
                    if not hit.answer.done():
                        hit.answer.set_result(decision)
                # Whoever was answered just now may come again: their hits fill the next call.
                await asyncio.sleep(0)
        finally:
            self._calls -= 1

    def _fail(self, error: StoreUnavailable) -> None:
        """Let nobody wait longer for a server that did not answer another in time."""
        while self._waiting:
            _refuse(self._waiting.popleft(), error)

    def _drop(self) -> None:
        """Let nobody wait longer than its deadline behind others."""
        now = self._loop.time()
        while self._waiting and self._waiting[0].until <= now:
            _refuse(self._waiting.popleft(), StoreUnavailable("too many hits wait for the store"))
        self._sweep = self._loop.call_at(self._waiting[0].until, self._drop) if self._waiting else None

    async def _call(self, hits: Sequence[Hit]) -> list[Decision]:
        keys, numbers = packed(hits, self._prefix)

        async def work(client: Any) -> Any:
            # A call lasts no longer than the first of its hits may wait.
            async with asyncio.timeout_at(hits[0].until):
                pool = getattr(client, "connection_pool", None)
                if pool is None:  # of a cluster, whose keys choose the connection
                    return await self._evaluate(client.execute_command, keys, numbers)
                return await self._on_connection(pool, keys, numbers)

        return unpacked(await self._client.call(work, again=False), hits)

    async def _on_connection(self, pool: Any, keys: list[bytes], numbers: bytes) -> Any:
        """Ask on a connection that is kept at hand: to look for one, and at it, takes as long as all the rest."""
        now = self._loop.time()
        connection, used = self._idle.pop() if self._idle else (None, 0.0)
        if connection is not None and now >= used + _FRESH and await _is_closed(connection):
            await connection.disconnect()
            await pool.release(connection)
            connection = None
        if connection is None:
            connection = await _connection_of(pool)

        async def ask(*arguments: bytes) -> Any:
            await connection.send_packed_command([command(*arguments)])
            return await connection.read_response()

        try:
            reply = await self._evaluate(ask, keys, numbers)
        except BaseException:
            await pool.release(connection)  # which redis-py has closed, unless the server answered with an error
            raise
        self._idle.append((connection, now))
        return reply

    async def _evaluate(self, ask: Callable[..., Awaitable[Any]], keys: list[bytes], numbers: bytes) -> Any:
        from redis.exceptions import NoScriptError

        try:
            return await ask(b"EVALSHA", _DIGEST, b"%d" % len(keys), *keys, numbers)
        except NoScriptError:  # a server that was started anew; nothing was counted
            self.restarts += 1
            return await ask(b"EVAL", SCRIPT.encode(), b"%d" % len(keys), *keys, numbers)


async def _connection_of(pool: Any) -> Any:
    try:
        return await pool.get_connection()
    except TypeError:  # before redis-py 5.3
        return await pool.get_connection("EVALSHA")


async def _is_closed(connection: Any) -> bool:
    """Return whether a connection is of no use any more; pools of redis-py do not look where servers may push."""
    try:
        look = getattr(connection, "can_read", None) or connection.can_read_destructive  # before redis-py 8
        return bool(await look())  # an end can be read too
    except Exception:  # noqa: BLE001 - whatever it is, another connection is better
        return True


def _refuse(hit: Hit, error: StoreUnavailable) -> None:
    if not hit.answer.done():
        refusal = StoreUnavailable(str(error))
        refusal.__cause__ = error
        hit.answer.set_exception(refusal)
