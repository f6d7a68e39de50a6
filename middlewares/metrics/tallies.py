"""What requests of one method and scheme are counted in, found in as few steps as there can be.

All of it can be found again in the shard of the thread, by longer keys: this is what the usual request is spared.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from .labels import OTHER, tame_scheme

if TYPE_CHECKING:
    from collections.abc import Collection

    from middlewares.asgi import Scope

    from .families import Pairs
    from .store import Cells, Home, Key

__all__ = ("Series", "Tallies", "Tally")


Series = tuple["Cells", bool, "Key"]
"""Numbers of requests, whether their responses have a body, and the key of the numbers."""


class Tally:
    """Where requests of one method and scheme are counted by one layer in one thread."""

    __slots__ = ("active", "is_head", "method", "scheme", "series")

    def __init__(self, method: str, scheme: str, active: Cells, *, is_head: bool) -> None:
        self.method = method
        self.scheme = scheme
        self.active = active
        """How many go on."""
        self.is_head = is_head
        """Whether responses have no body, whatever the application says (RFC 9110, 9.3.2)."""
        self.series: dict[str | None, dict[int | None, Series]] = {}
        """Where those that ended well are counted, by route and status."""


class Tallies(threading.local):
    """The tallies of one layer; each thread has its own."""

    def __init__(self, home: Home, methods: Collection[str], constant: Pairs) -> None:
        self.by_scheme: dict[str, dict[str, Tally]] = {}
        """By scheme and method as servers tell them: none of a client's invention is here."""
        self._home = home
        self._methods = methods
        self._constant = constant
        home.keep(self)

    def of(self, scope: Scope) -> Tally:
        """Return the tally of a request, which may be new."""
        told = scope["method"]
        method = told if told in self._methods else OTHER
        scheme = tame_scheme(scope.get("scheme", "http"))
        is_head = told == "HEAD"
        by_method = self.by_scheme.setdefault(scheme, {})
        place = told if is_head else method  # a HEAD is one also where that is no known method
        tally = by_method.get(place)
        if tally is None:
            active = self._home.cells("active", (method, scheme, self._constant))
            tally = by_method[place] = Tally(method, scheme, active, is_head=is_head)
        return tally

    def forget(self) -> None:
        """Give up what this thread has found: it will be elsewhere."""
        self.by_scheme.clear()
