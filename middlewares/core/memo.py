"""Remember what was made of header values that repeat, within bounds that no client can move."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Memo",)

_V = TypeVar("_V")

_MOST: Final = 512
_LONGEST: Final = 256


class Memo(dict[bytes, _V]):
    """What ``compute`` makes of a value; asking again is one look into a dict.

    At most 512 values of up to 256 bytes are kept; longer ones are computed each time. Threads may share a memo.
    ``compute`` should not refer back to what owns the memo: a bound method of it would keep it alive in a cycle.

    ::

        parsed = Memo(parse)
        parsed[b"gzip, br"]
    """

    __slots__ = ("_compute",)

    def __init__(self, compute: Callable[[bytes], _V]) -> None:
        super().__init__()
        self._compute = compute

    def __missing__(self, value: bytes) -> _V:
        result = self._compute(value)
        if len(value) <= _LONGEST:
            # Starting over costs less than keeping an order of use, and the values in use are back at once.
            if len(self) >= _MOST:
                self.clear()
            self[value] = result
        return result
