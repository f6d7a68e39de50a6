"""Read the header ``baggage``: names and values that a caller hands on to all who take part in its trace.

Standard: W3C Baggage, 3.3 (header) and 3.3.2 (limits).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ("parse_baggage",)

_MOST_MEMBERS: Final = 64
_MOST_BYTES: Final = 8192

# 3.3.1: a token, and printable ASCII without space, quote, comma, semicolon and backslash.
_MEMBER: Final = re.compile(
    rb"[ \t]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*=[ \t]*([\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*)[ \t]*"
)


def parse_baggage(values: Iterable[bytes]) -> dict[str, str]:
    """Return the baggage of the lines of ``baggage``, in their order; values are decoded, properties dropped.

    Members that are invalid are left out, and so is everything from the first one past the limits on.
    """
    baggage: dict[str, str] = {}
    room = _MOST_BYTES
    for line in values:
        for member in line[:room].split(b",") if len(line) <= room else line[:room].split(b",")[:-1]:
            if len(baggage) == _MOST_MEMBERS:
                return baggage
            match = _MEMBER.fullmatch(member.partition(b";")[0])
            if match is not None:
                baggage[match[1].decode()] = unquote(match[2].decode())
        room -= len(line) + 1
        if room <= 0:
            break
    return baggage
