"""Start work that no single request owns, on asyncio and on Trio; and be called from a signal handler."""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ("caller_from_anywhere", "spawn")


def spawn(function: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], object]:
    """Run a function in a task of its own, in an empty context; return what cancels it, which must be kept.

    The function must not raise anything but cancellation.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return _spawn_on_trio(function)
    return loop.create_task(function(), context=Context()).cancel


def caller_from_anywhere() -> Callable[[Callable[[], object]], object]:
    """Return what has the running event loop call a function soon; safe in signal handlers and other threads."""
    try:
        return asyncio.get_running_loop().call_soon_threadsafe
    except RuntimeError:
        import trio

        return trio.lowlevel.current_trio_token().run_sync_soon


def _spawn_on_trio(function: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], object]:
    import trio  # it runs already

    scope = trio.CancelScope()

    async def scoped() -> None:
        with scope:
            await function()

    trio.lowlevel.spawn_system_task(scoped)
    return scope.cancel
