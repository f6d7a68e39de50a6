"""Let a response start go that was kept back for its first body message, once the event loop has turned.

A body that comes right after its start, in the same turn, is met before that; a stream whose first chunk is long in
coming is not, and its start must not wait for it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from anyio import CancelScope

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from middlewares.asgi import Message

__all__ = ("Release",)


class Release:
    """What happens at the next turn of asyncio's event loop, unless it is called off before.

    Nobody waits for it, so it runs in a task of its own. Its error is kept for whoever takes it.
    """

    __slots__ = ("_begin", "_handle", "_send", "_task", "error")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        begin: Callable[[], Message],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Prepare it: ``begin`` is called when the loop turns, and ``send`` is given what it returns."""
        self._begin: Callable[[], Message] | None = begin
        self._send: Callable[[Message], Awaitable[None]] | None = send
        self._task: asyncio.Task[None] | None = None
        self.error: BaseException | None = None
        self._handle: asyncio.Handle | None = loop.call_soon(self._start, loop)

    def take_error(self) -> BaseException | None:
        """Return the error, and forget it: its traceback refers back to this, and so would never be freed."""
        error, self.error = self.error, None
        return error

    def call_off(self) -> None:
        """Do nothing at the next turn."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle = self._begin = self._send = None

    async def join(self) -> None:
        """Wait until it is over; cancelling this cancels it, and still waits."""
        task = self._task
        if task is None or task.done():
            return
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            await self.cancel()
            raise

    async def cancel(self) -> None:
        """Cancel it, and wait until it is over."""
        self.call_off()
        if self._task is not None:
            self._task.cancel()
            with CancelScope(shield=True):
                await asyncio.wait((self._task,))

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        begin, send = self._begin, self._send
        self._handle = self._begin = self._send = None
        if begin is not None and send is not None:
            self._task = loop.create_task(self._run(send, begin()))

    async def _run(self, send: Callable[[Message], Awaitable[None]], start: Message) -> None:
        try:
            await send(start)
        except BaseException as error:
            self.error = error
            if not isinstance(error, Exception):
                raise
        finally:
            self._task = None
