"""How long a request waits for its store: all that the layer asks of it together, not each call anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from anyio import current_time, move_on_after

from middlewares.stores import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

__all__ = ("Patience", "waited")

_T = TypeVar("_T")

_GRACE: Final = 0.005
"""Seconds by which a store may be faster to say that it waits no more: it knows which one it is."""


class Patience:
    """What is left of the time that one request has for its stores."""

    __slots__ = ("_left", "_seconds", "_since", "_waiting")

    def __init__(self, seconds: float) -> None:
        self._seconds = self._left = seconds
        self._since = 0.0
        self._waiting = 0
        """Tasks that wait, since when the first of them does: the time of all is the same."""

    async def wait_for(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Return ``await work``, if that takes no more than what is left. Raises `StoreUnavailable`."""
        now = current_time()
        if not self._waiting:
            self._since = now
        self._waiting += 1
        try:
            with move_on_after(max(0.0, self._left - (now - self._since)) + _GRACE):
                return await work
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._left = max(0.0, self._left - (current_time() - self._since))
        raise StoreUnavailable(f"sessions: the store took more than {self._seconds:g} s of one request")


async def waited(work: Coroutine[Any, Any, _T], patience: Patience | None) -> _T:
    """Return ``await work``, with a bound where there is one."""
    return await (work if patience is None else patience.wait_for(work))
