"""Hold dictionaries by the SHA-256 of their bytes, within a bound."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from middlewares.compression.codecs import Codec

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("SMALLEST", "Held", "Learned")

SMALLEST: Final = 64
"""Bytes below which a dictionary saves nothing; Zstandard itself takes none of less than 8."""


@dataclass(eq=False, slots=True)
class Held:
    """A dictionary in memory: its bytes, and the codecs that were prepared from them."""

    data: bytes = field(repr=False)
    declared: set[int]
    """Which declarations it belongs to, by their numbers."""
    cost: int
    """Bytes of memory that it may take with all its codecs."""
    expires: float = float("inf")
    digest: bytes = field(init=False)
    codecs: dict[bytes, Codec] = field(default_factory=dict, repr=False)
    """By coding; one that is missing is prepared when a client asks for it."""

    def __post_init__(self) -> None:
        self.digest = sha256(self.data).digest()


class Learned:
    """What was learned from responses: the least recently used goes first. Threads may share it."""

    __slots__ = ("_cost", "_held", "_latest", "_lock", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._cost = 0
        self._held: OrderedDict[bytes, Held] = OrderedDict()
        self._latest: OrderedDict[str, Held] = OrderedDict()
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[Held]:
        with self._lock:
            return iter([*self._held.values()])

    def find(self, digest: bytes, now: float) -> Held | None:
        """Return the dictionary with this hash, which is the most recently used now."""
        with self._lock:
            held = self._held.get(digest)
            if held is None:
                return None
            if held.expires <= now:
                self._drop(held)
                return None
            self._held.move_to_end(digest)
            return held

    def latest(self, path: str) -> Held | None:
        """Return what was learned last from this path, if it is still there."""
        with self._lock:
            held = self._latest.get(path)
            return held if held is not None and held.digest in self._held else None

    def add(self, path: str, held: Held) -> None:
        """Keep a dictionary, unless it is larger than all there may be; forget others for it."""
        with self._lock:
            known = self._held.get(held.digest)
            if known is not None:
                known.declared |= held.declared
                known.expires = max(known.expires, held.expires)
                held = known
            elif held.cost <= self._most:
                self._held[held.digest] = held
                self._cost += held.cost
            else:
                return
            self._held.move_to_end(held.digest)
            self._latest[path] = held
            self._latest.move_to_end(path)
            while self._cost > self._most:
                self._drop(next(iter(self._held.values())))
            # Paths of what was dropped; one dictionary can be that of many paths.
            while len(self._latest) > 2 * len(self._held) + 16:
                self._latest.popitem(last=False)

    def _drop(self, held: Held) -> None:
        del self._held[held.digest]
        self._cost -= held.cost
