"""Let a response start go that was kept back for its first body message, once the event loop has turned.

A body that comes right after its start, in the same turn, is met before that; a stream whose first chunk is long in
coming is not, and its start must not wait for it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from anyio import CancelScope

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ("Release",)


class Release:
    """The sending of a start, in a task of its own, because nobody waits for it.

    It is a task that may be cancelled before it begins, so ``send`` is called in it. Its error is kept for whoever
    takes it.
    """

    __slots__ = ("_task", "error")

    def __init__(self, loop: asyncio.AbstractEventLoop, send: Callable[[], Coroutine[object, object, None]]) -> None:
        self.error: BaseException | None = None
        self._task: asyncio.Task[None] | None = loop.create_task(self._run(send))

    def take_error(self) -> BaseException | None:
        """Return the error, and forget it: its traceback refers back to this, and so would never be freed."""
        error, self.error = self.error, None
        return error

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
        if self._task is not None:
            self._task.cancel()
            with CancelScope(shield=True):
                await asyncio.wait((self._task,))

    async def _run(self, send: Callable[[], Coroutine[object, object, None]]) -> None:
        try:
            await send()
        except BaseException as error:
            self.error = error
            if not isinstance(error, Exception):
                raise
        finally:
            self._task = None
