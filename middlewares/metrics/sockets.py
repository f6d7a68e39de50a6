"""Count what goes on over a WebSocket while it is open: that may be for days."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from middlewares.core.observed import ObservedCall

    from .homes import Book
    from .store import Cells

__all__ = ("OpenSocket", "close_class")

_ACCEPTED: Final = 101
_NORMAL: Final = frozenset({1000, 1001, 1005})  # RFC 6455, 7.4.1: done, going away, no code given
_CLASSES: Final = {1: "1xxx", 3: "3xxx", 4: "4xxx"}  # RFC 6455, 7.4.2


def close_class(code: object) -> str | None:
    """Return the class of a close code: ``normal``, ``1xxx``, ``3xxx``, ``4xxx`` or ``other``."""
    if code is None:
        return None
    if code in _NORMAL:
        return "normal"
    return _CLASSES.get(code // 1000, "other") if isinstance(code, int) else "other"


class OpenSocket:
    """A WebSocket, or its handshake."""

    __slots__ = ("_book", "_call", "_cells", "_counted", "_open", "_scheme")

    def __init__(self, book: Book, call: ObservedCall, scheme: str) -> None:
        self._book = book
        self._call = call
        self._scheme = scheme
        self._cells: Cells = None
        self._counted = (0, 0, 0, 0)
        home = book.home
        key = (scheme,)
        self._open: Cells = home.local.shard.open.get(key) or home.cells("open", key)
        self._open[0] += 1
        home.live.add(self)

    def flush(self) -> None:
        """Count messages and bytes since the last time."""
        call = self._call
        if call.status != _ACCEPTED:
            return
        with self._book.home.lock:
            if self._cells is None:
                self._cells = self._book.home.cells("messages", (self._scheme, _text(call.route)))
            now = (call.messages_received, call.messages_sent, call.received, call.sent)
            for index, (count, before) in enumerate(zip(now, self._counted, strict=True)):
                self._cells[index] += count - before
            self._counted = now

    def finish(self) -> None:
        """Count how it ended."""
        call, home = self._call, self._book.home
        self._open[0] -= 1
        home.live.discard(self)
        self.flush()
        error, code, status = call.error_type, close_class(call.close_code), call.final_status
        if call.outcome == "completed" and status != _ACCEPTED:
            code = None  # a handshake that was denied
        key = (self._scheme, status if isinstance(status, int) else None, _text(call.route), error, code)
        cells = home.local.shard.sockets.get(key) or home.cells("sockets", key)
        self._book.layout.socket_duration.observe(cells, call.duration)


def _text(route: object) -> str | None:
    return route if isinstance(route, str) else None
