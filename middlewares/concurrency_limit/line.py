"""The waiting line: bounded, in order of priority, and from either end."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares.asgi import Message, Receive

__all__ = ("Line", "Waiter")


class Waiter:
    """One request that waits, and listens meanwhile whether its client leaves.

    To hear that, events have to be received; they are kept for the application. That is at most one part of a body:
    while more of it is to come, nothing more is received.
    """

    __slots__ = ("_events", "_failure", "_receive", "_wake", "is_admitted", "is_gone", "is_refused", "priority")

    def __init__(self, priority: int, receive: Receive) -> None:
        self.priority = priority
        self.is_admitted = False
        self.is_refused = False
        """Whether another request has taken its place in the line."""
        self.is_gone = False
        """Whether the client has left."""
        self._receive = receive
        self._events: deque[Message] = deque()
        self._failure: Exception | None = None
        self._wake: Callable[[], object] = _nothing

    def admit(self) -> None:
        """Let it go on."""
        self.is_admitted = True
        self._wake()

    def refuse(self) -> None:
        """Send it away."""
        self.is_refused = True
        self._wake()

    async def wait(self, seconds: float) -> None:
        """Return once it is admitted, refused or left by its client, or when the time is up."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return await self._wait_anywhere(seconds)
        # What follows does the same as the other: at a tenth of the cost, and under load all requests come here.
        woken = loop.create_future()
        self._wake = partial(_settle, woken)
        timer = loop.call_later(seconds, self._wake)
        listener = loop.create_task(self._listen())
        try:
            await woken
        finally:
            timer.cancel()
            if not listener.done():
                ended = loop.create_future()
                listener.add_done_callback(partial(_settle, ended))
                listener.cancel()
                await ended

    async def _wait_anywhere(self, seconds: float) -> None:
        woken = anyio.Event()
        self._wake = woken.set
        async with anyio.create_task_group() as group:
            group.start_soon(self._listen)
            with anyio.move_on_after(seconds):
                await woken.wait()
            group.cancel_scope.cancel()

    async def receive(self) -> Message:
        """Return the next event: first those that were received while waiting."""
        if self._events:
            return self._events.popleft()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        return await self._receive()

    async def _listen(self) -> None:
        more = False
        while not more:
            try:
                event = await self._receive()
            except Exception as error:  # noqa: BLE001 - raised again where the application receives
                self._failure = error
                return
            if event["type"].endswith(".disconnect"):
                self.is_gone = True
                self._wake()
                return
            self._events.append(event)
            more = event.get("more_body", False)


class Line:
    """Those who wait, by priority; each may leave from any place, at no more cost."""

    __slots__ = ("_by_priority", "count")

    def __init__(self) -> None:
        self._by_priority: dict[int, OrderedDict[Waiter, None]] = {}
        self.count = 0

    def join(self, waiter: Waiter) -> None:
        """Put one at the end."""
        self._by_priority.setdefault(waiter.priority, OrderedDict())[waiter] = None
        self.count += 1

    def leave(self, waiter: Waiter) -> bool:
        """Take one out; return whether it was in the line."""
        waiters = self._by_priority.get(waiter.priority)
        if waiters is None or waiter not in waiters:
            return False
        del waiters[waiter]
        self._taken(waiter.priority, waiters)
        return True

    def next(self, *, newest: bool) -> Waiter:
        """Take out the newest or the oldest of those with the highest priority."""
        return self._take(max(self._by_priority), newest=newest)

    def least(self) -> Waiter:
        """Take out the oldest of those with the lowest priority."""
        return self._take(min(self._by_priority), newest=False)

    @property
    def lowest_priority(self) -> int:
        """The priority of `least`."""
        return min(self._by_priority)

    def _take(self, priority: int, *, newest: bool) -> Waiter:
        waiters = self._by_priority[priority]
        waiter, _ = waiters.popitem(last=newest)
        self._taken(priority, waiters)
        return waiter

    def _taken(self, priority: int, waiters: OrderedDict[Waiter, None]) -> None:
        self.count -= 1
        if not waiters:
            del self._by_priority[priority]


def _settle(future: asyncio.Future[None], *_: Any) -> None:
    if not future.done():
        future.set_result(None)


def _nothing() -> None:
    """Wake nobody: it has not begun to wait."""
