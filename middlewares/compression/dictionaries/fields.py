"""The fields of Compression Dictionary Transport, as structured fields.

Standard: RFC 9842, 2.1 (``Use-As-Dictionary``) and 2.2 (``Available-Dictionary``); RFC 9651.
"""

from __future__ import annotations

import re
from base64 import b64decode
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ("HASH_FIELD_LENGTH", "is_sf_string", "parse_hash", "sf_string", "use_as_dictionary")

HASH_FIELD_LENGTH: Final = 46
"""Bytes of a SHA-256 as a byte sequence: 44 of base64 between two colons."""

_SF_STRING: Final = re.compile(r"[\x20-\x7e]*")
# RFC 9651, 3.3.5. 32 bytes leave two bits of the last letter unused; letters that set them spell no other bytes.
_HASH: Final = re.compile(rb":[A-Za-z0-9+/]{43}=:")


def is_sf_string(text: str) -> bool:
    """Return whether a string can be said in a structured field: printable ASCII (RFC 9651, 3.3.3)."""
    return _SF_STRING.fullmatch(text) is not None


def sf_string(text: str) -> str:
    r"""Return a string as a structured field says it: quoted, ``"`` and ``\`` escaped (RFC 9651, 4.1.6)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def use_as_dictionary(match: str, *, match_dest: Iterable[str] = (), id: str = "") -> bytes:  # noqa: A002 - its name
    """Return the value of ``Use-As-Dictionary``; members that have their default value are left out."""
    members = [f"match={sf_string(match)}"]
    destinations = " ".join(map(sf_string, match_dest))
    if destinations:
        members.append(f"match-dest=({destinations})")
    if id:
        members.append(f"id={sf_string(id)}")
    return ", ".join(members).encode("ascii")


def parse_hash(value: bytes) -> bytes | None:
    """Return the 32 bytes that a value of ``Available-Dictionary`` says, or ``None`` for anything else.

    Spaces around the value are passed over (RFC 9651, 4.2). Parameters mean nothing here and no client sends any: a
    value that has them is taken for none.
    """
    if len(value) != HASH_FIELD_LENGTH:
        value = value.strip(b" ") if len(value) < 2 * HASH_FIELD_LENGTH else b""
    return b64decode(value[1:-1]) if _HASH.fullmatch(value) else None
