"""Read, weaken and compare entity tags.

An entity tag is handled as the bytes that stand in the field: ``"abc"`` is strong, ``W/"abc"`` is weak.
Standard: RFC 9110, sections 8.8.3 (``ETag``), 13.1.1 (``If-Match``) and 13.1.2 (``If-None-Match``).
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from middlewares.core.fields import OWS

__all__ = ("WILDCARD", "Wildcard", "is_etag", "parse_etag_list", "strong_match", "weak_match", "weaken")


class Wildcard(Enum):
    """The type of `WILDCARD`, for annotations."""

    WILDCARD = "*"


WILDCARD: Final = Wildcard.WILDCARD
"""The value ``*``, which matches any current representation."""

# RFC 9110, 8.8.3: etagc is any visible character but the quote, backslash and comma included; nothing
# escapes. The "W" is case-sensitive.
_ETAG_PATTERN: Final = rb'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_ETAG: Final = re.compile(_ETAG_PATTERN)
# One member of a list up to and including its comma: a tag, or else whatever is there. The second branch
# always matches and the parts of the first exclude each other, so that no byte is looked at more than a few
# times.
_MEMBER: Final = re.compile(rb"[ \t]*(?:(" + _ETAG_PATTERN + rb")[ \t]*(?:,|\Z)|[^,]*,?)")


def is_etag(value: bytes) -> bool:
    """Tell whether ``value`` is one well-formed entity tag, weak or strong (RFC 9110, 8.8.3)."""
    return _ETAG.fullmatch(value) is not None


def parse_etag_list(value: bytes) -> list[bytes] | Wildcard:
    """Return the entity tags of an ``If-Match`` or ``If-None-Match`` value, or `WILDCARD`.

    Tags may hold commas. Malformed members, and a ``*`` among others, are left out; so the list is empty if
    nothing is well-formed.
    """
    if value.strip(OWS) == b"*":
        return WILDCARD
    return [tag for tag in _MEMBER.findall(value) if tag]


def weaken(etag: bytes) -> bytes:
    """Return the weak form of an entity tag; what is weak already, or no entity tag, comes back unchanged."""
    return b"W/" + etag if etag.startswith(b'"') and is_etag(etag) else etag


def weak_match(one: bytes, other: bytes) -> bool:
    """Compare weakly, as for ``If-None-Match``: the same opaque tag, weak or not (RFC 9110, 8.8.3.2).

    What is no entity tag matches nothing.
    """
    return one.removeprefix(b"W/") == other.removeprefix(b"W/") and is_etag(one)


def strong_match(one: bytes, other: bytes) -> bool:
    """Compare strongly, as for ``If-Match`` and ``If-Range``: one tag, strong both times (RFC 9110, 8.8.3.2).

    What is no entity tag matches nothing.
    """
    return one == other and one.startswith(b'"') and is_etag(one)
