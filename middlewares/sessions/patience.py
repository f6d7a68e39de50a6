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

    __slots__ = ("_left", "_seconds")

    def __init__(self, seconds: float) -> None:
        self._seconds = self._left = seconds

    async def wait_for(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Return ``await work``, if that takes no more than what is left. Raises `StoreUnavailable`."""
        started = current_time()
        try:
            with move_on_after(self._left + _GRACE):
                return await work
        finally:
            self._left = max(0.0, self._left - (current_time() - started))
        raise StoreUnavailable(f"sessions: the store took more than {self._seconds:g} s of one request")


async def waited(work: Coroutine[Any, Any, _T], patience: Patience | None) -> _T:
    """Return ``await work``, with a bound where there is one."""
    return await (work if patience is None else patience.wait_for(work))
