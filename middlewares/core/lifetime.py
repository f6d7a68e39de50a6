"""How long something lives that several stacks may share: until the last lifespan that uses it has ended."""

from __future__ import annotations

__all__ = ("Lifetime",)


class Lifetime:
    """Counts the lifespans that something is used in.

    A layer that opens a resource enters with each lifespan and closes the resource with the last that leaves. Where a
    configuration is loaded anew, the new stack begins before the old one ends: so what passes from one to the other
    stays open, and is closed once.
    """

    __slots__ = ("_count",)

    def __init__(self) -> None:
        self._count = 0

    def enter(self) -> None:
        """Begin to use it."""
        self._count += 1

    def leave(self) -> bool:
        """End the use; return whether nobody uses it any more."""
        self._count = max(0, self._count - 1)
        return self._count == 0
