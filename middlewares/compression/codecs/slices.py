"""Bodies in slices, so that no single call holds other threads up.

The libraries let other threads run while they encode, but not while they put their output together: for 64 MB that
takes tens of milliseconds. Joining ``bytes`` is another matter, CPython does that for more than 1 MB beside the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("SLICE", "slices")

SLICE: Final = 8 * 65_535
"""Bytes above which a chunk is encoded in slices, each of so many: a multiple of DEFLATE's longest stored block."""


def slices(data: bytes) -> Iterator[memoryview]:
    """Yield the parts of ``data`` in order, not copied; all are of one size but the last, none is empty."""
    view = memoryview(data)
    for start in range(0, len(view), SLICE):
        yield view[start : start + SLICE]
