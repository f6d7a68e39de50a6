"""Hold back SIGTERM from a server, so that load balancers learn of a shutdown while requests are still served.

Servers stop to listen as soon as they are told to end. Whoever balances load learns of it later, and sends requests
in between to a closed port.
"""

from __future__ import annotations

import logging
import signal
import threading
from typing import TYPE_CHECKING, Any

import anyio

from .spawning import caller_from_anywhere, spawn

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("HeldSigterm",)

_log = logging.getLogger("middlewares")

_ELSEWHERE = ("asyncio", "uvloop")
"""Modules whose handlers do nothing: their event loops hear of the signal in a way that cannot be held back."""


class HeldSigterm:
    """A handler of SIGTERM in front of the server's. A second signal goes on at once."""

    def __init__(self, delay: float, begin: Callable[[], object]) -> None:
        self._delay = delay
        self._begin = begin
        self._call: Callable[[Callable[[], object]], object]
        self.server: Callable[[int, Any], object] | None = None
        """The handler of the server."""
        self._cancel: Callable[[], object] | None = None
        self._is_held = False

    def install(self) -> None:
        """Stand in front of the handler that the server has installed, if it is one that can be asked to wait."""
        if threading.current_thread() is not threading.main_thread():
            return _log.warning("health: SIGTERM cannot be held back: the application runs in a thread of its own")
        handler = signal.getsignal(signal.SIGTERM)
        other = getattr(handler, "__self__", None)
        if isinstance(other, HeldSigterm):  # that of a stack which this one takes the place of
            handler = other.server
        if not callable(handler) or getattr(handler, "__module__", "").startswith(_ELSEWHERE):
            return _log.warning("health: SIGTERM cannot be held back: the server handles it in a way of its own")
        self.server = handler
        self._call = caller_from_anywhere()
        signal.signal(signal.SIGTERM, self._handle)
        return None

    def remove(self) -> None:
        """Put the handler of the server back."""
        if self._cancel is not None:
            self._cancel()
        if self.server is not None and signal.getsignal(signal.SIGTERM) == self._handle:
            signal.signal(signal.SIGTERM, self.server)

    def _handle(self, number: int, frame: Any) -> None:
        assert self.server is not None  # noqa: S101 - it is known before this is installed
        if self._is_held:
            self.server(number, frame)
            return
        self._is_held = True
        self._begin()
        self._call(self._start)

    def _start(self) -> None:
        self._cancel = spawn(self._pass_on)

    async def _pass_on(self) -> None:
        await anyio.sleep(self._delay)
        assert self.server is not None  # noqa: S101 - as above
        self.server(signal.SIGTERM, None)
