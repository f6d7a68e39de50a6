"""Header lists as ASGI hands them over: iterables of ``(name, value)`` pairs of bytes.

A list may be a tuple, a one-shot generator, or in upper case, and it belongs to whoever made it: every function
here reads it once and returns something new. Names to look for are given in lower case.

Standard: RFC 9110, 5.1 (names compare without case) and 5.3 (lines of one name and their order).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

__all__ = (
    "HeaderList",
    "Headers",
    "add_vary",
    "append",
    "find",
    "find_all",
    "joined",
    "merge_members",
    "remove",
    "set_header",
    "with_headers",
    "with_lasting_headers",
)

Headers = Iterable[Sequence[bytes]]
HeaderList = list[tuple[bytes, bytes]]

_Message = Any


def find(headers: Headers, name: bytes) -> bytes | None:
    """Return the value of the first line called ``name``, or ``None``."""
    length = len(name)
    for key, value in headers:
        # Comparing lengths first spares a lower-case copy of nearly every name.
        if len(key) == length and key.lower() == name:
            return value
    return None


def find_all(headers: Headers, name: bytes) -> list[bytes]:
    """Return the values of all lines called ``name``, in their order."""
    length = len(name)
    return [value for key, value in headers if len(key) == length and key.lower() == name]


def joined(headers: Headers, name: bytes) -> bytes | None:
    """Return the lines called ``name`` as one list (RFC 9110, 5.3), or ``None`` if there is no such line."""
    values = find_all(headers, name)
    if len(values) <= 1:
        return values[0] if values else None
    return b", ".join(values)


def append(headers: Headers, name: bytes, value: bytes) -> HeaderList:
    """Return the list with one more line at its end."""
    return [*_pairs(headers), (name, value)]


def remove(headers: Headers, *names: bytes) -> HeaderList:
    """Return the list without the lines called by any of ``names``."""
    return [(key, value) for key, value in headers if key.lower() not in names]


def set_header(headers: Headers, name: bytes, value: bytes) -> HeaderList:
    """Return the list with exactly one line called ``name``: in the place of the first, or else at the end."""
    result: HeaderList = []
    placed = False
    for key, old in headers:
        if key.lower() != name:
            result.append((key, old))
        elif not placed:
            result.append((name, value))
            placed = True
    if not placed:
        result.append((name, value))
    return result


def merge_members(headers: Headers, name: bytes, members: Sequence[bytes]) -> HeaderList:
    """Return the list with ``members`` in the field ``name``, a comma-separated list of tokens.

    Tokens compare without case and none is added twice. A ``*`` says everything already, so it stays alone, and
    one that is added replaces the rest (RFC 9110, 12.5.5). Several lines become one, in the place of the first;
    without members the list stays as it is.
    """
    pairs = _pairs(headers)
    merged = _merged(find_all(pairs, name), members) if members else b""
    return set_header(pairs, name, merged) if merged else pairs


def add_vary(headers: Headers, *members: bytes) -> HeaderList:
    """Return the list with ``members`` in ``Vary``, as `merge_members` does it."""
    return merge_members(headers, b"vary", members)


def with_headers(message: _Message, headers: HeaderList) -> _Message:
    """Return a copy of ``message`` that carries ``headers``; the original belongs to its sender."""
    return {**message, "headers": headers}


def with_lasting_headers(message: _Message) -> _Message:
    """Return ``message``, or a copy of it, with headers that can be read more than once."""
    headers = message.get("headers", ())
    return message if isinstance(headers, (list, tuple)) else {**message, "headers": [*headers]}


def _pairs(headers: Headers) -> HeaderList:
    return [(key, value) for key, value in headers]


def _merged(values: Iterable[bytes], members: Iterable[bytes]) -> bytes:
    present: dict[bytes, bytes] = {}
    for member in b",".join((*values, *members)).split(b","):
        token = member.strip(b" \t")
        if token:
            present.setdefault(token.lower(), token)
    return b"*" if b"*" in present else b", ".join(present.values())
