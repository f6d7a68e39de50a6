"""Add the same members to the ``Vary`` of many responses.

Standard: RFC 9110, 12.5.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .headers import add_vary, merge_members
from .memo import Memo

if TYPE_CHECKING:
    from .headers import HeaderList

__all__ = ("VaryOn",)


class VaryOn:
    """What `add_vary` does for members that are known beforehand, remembering the values that it has met.

    ::

        vary_on_origin = VaryOn(b"Origin")
        vary_on_origin.extend(headers)
    """

    __slots__ = ("_members", "_merged", "line")

    def __init__(self, *members: bytes) -> None:
        self._members = members
        self._merged = Memo(self._merge)
        self.line = (b"vary", b", ".join(members))
        """The whole field of a response that has none."""

    def extend(self, headers: HeaderList) -> None:
        """Put the members into a list of headers that belongs to the caller."""
        place = None
        for index, (name, _) in enumerate(headers):
            if len(name) == 4 and name.lower() == b"vary":
                if place is not None:  # several lines become one
                    headers[:] = add_vary(headers, *self._members)
                    return
                place = index
        if place is None:
            headers.append(self.line)
        else:
            headers[place] = (b"vary", self._merged[headers[place][1]])

    def _merge(self, value: bytes) -> bytes:
        return merge_members([(b"vary", value)], b"vary", self._members)[0][1]
