"""What is wrong with single values: header lists, and whatever else stands in scopes and events."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from middlewares.core.fields import is_token

__all__ = (
    "case_fault",
    "content_length",
    "freeze",
    "is_list_of",
    "pairs_fault",
    "plain_headers",
    "plain_length",
    "pseudo_fault",
    "safety_fault",
    "shown",
    "size_of",
    "value_fault",
)

_LOWER_TOKEN = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
_BREAKS = (b"\r", b"\n", b"\0")
_LF, _CR, _NUL = b"\n\r\0"
_INT64 = 1 << 63
_DEEPEST = 20
_NO_PAIRS = (str, bytes, bytearray, dict)
"""Iterables that hold no pairs, though one of them may look so."""
_LONGEST_LENGTH = 20
_LONGEST_SHOWN = 80


def shown(value: object) -> str:
    """Return a value as it stands in a finding: short, on one line."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a finding must not fail over somebody's repr
        text = f"a {type(value).__name__}"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def plain_headers(headers: Any) -> bool:
    """Tell quickly whether a header list is beyond doubt: pairs of bytes, the names lower-case tokens.

    What it cannot vouch for is looked at line by line. Names that were found good are remembered, as they are few;
    values are looked at each time.
    """
    if type(headers) is not list and type(headers) is not tuple:
        return False
    known = _good_names
    try:
        for name, value in headers:
            if type(name) is type(value) is bytes and (name in known or _is_good(name)):
                continue
            return False
    except (TypeError, ValueError):  # no pair
        return False
    return True


def plain_length(headers: Any) -> int | None:
    """Return what a plain header list says about the length of the body, -1 if nothing; ``None`` if it is not plain.

    In its values there are no line breaks either, and it holds at most one content-length.
    """
    if type(headers) is not list and type(headers) is not tuple:
        return None
    known, length = _good_names, -1
    values: list[bytes] = []
    try:
        for name, value in headers:
            if type(name) is not bytes or type(value) is not bytes or not (name in known or _is_good(name)):
                return None
            if name == b"content-length":
                if length >= 0 or not _is_number(value):
                    return None
                length = int(value)
            values.append(value)
    except (TypeError, ValueError):  # no pair
        return None
    joined = b"".join(values)
    # An int is looked for by memchr: a third of the time of one byte of bytes.
    return None if _LF in joined or _CR in joined or _NUL in joined else length


_MOST_NAMES, _LONGEST_NAME = 1024, 64
_good_names: set[bytes] = set()
"""Names that are lower-case tokens."""


def _is_good(name: bytes) -> bool:
    if not name or name.translate(None, _LOWER_TOKEN):
        return False
    if len(name) <= _LONGEST_NAME:
        if len(_good_names) >= _MOST_NAMES:  # names come from strangers, too
            _good_names.clear()
        _good_names.add(name)
    return True


def freeze(headers: Any) -> tuple[Any, ...]:
    """Return what a header list holds now, to compare it later; a list of lists is copied in depth."""
    if headers and type(headers[0]) is list:
        return tuple([tuple(pair) if type(pair) is list else pair for pair in headers])
    return tuple(headers)


def pairs_fault(headers: Any) -> str | None:
    """Say why ``headers`` is no iterable of pairs of bytes."""
    if isinstance(headers, _NO_PAIRS) or not isinstance(headers, Iterable):
        return f"headers must be an iterable of pairs; got {shown(headers)}"
    for pair in headers:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            return f"a header must be a pair of bytes; got {shown(pair)}"
        if not all(isinstance(part, bytes) for part in pair):
            return f"name and value of a header must be bytes; got {shown(pair)}"
    return None


def case_fault(headers: Any) -> str | None:
    """Say which name of a header is not in lower case."""
    for name, _ in _pairs(headers):
        if name != name.lower():
            return f"{shown(name)} must be in lower case"
    return None


def pseudo_fault(headers: Any) -> str | None:
    """Say which name is that of a pseudo-header field."""
    for name, _ in _pairs(headers):
        if name.startswith(b":"):
            return f"{shown(name)} is a pseudo-header field"
    return None


def safety_fault(headers: Any) -> str | None:
    """Say which header could split a response: RFC 9110, 5.1, 5.5 and 8.6."""
    for name, value in _pairs(headers):
        if not is_token(name) and not name.startswith(b":"):
            return f"the name {shown(name)} is not a token"
        if any(character in value for character in _BREAKS):
            return f"the value of {shown(name)} holds CR, LF or NUL: {shown(value)}"
    lengths = [value for name, value in _pairs(headers) if name.lower() == b"content-length"]
    if len(lengths) > 1:
        return f"there are {len(lengths)} content-length headers"
    if lengths and not _is_number(lengths[0]):
        return f"content-length must be digits; got {shown(lengths[0])}"
    return None


def content_length(headers: Any) -> int:
    """Return what a header list says about the length of the body; -1 if nothing that can be believed."""
    for name, value in _pairs(headers):
        if name.lower() == b"content-length":
            return int(value) if _is_number(value) else -1
    return -1


def is_list_of(value: Any, kind: type) -> bool:
    """Return whether a value is an iterable of ``kind``; an iterator is believed, since looking would empty it."""
    if isinstance(value, (str, bytes, bytearray)) or not isinstance(value, Iterable):
        return False
    return isinstance(value, Iterator) or all(isinstance(item, kind) for item in value)


def size_of(body: bytes | memoryview) -> int:
    """Return the bytes of a body; a view may count in items of several."""
    return body.nbytes if isinstance(body, memoryview) else len(body)


def value_fault(value: Any, depth: int = 0) -> str | None:
    """Say why a value may not stand in an event or a scope; tuples are tolerated."""
    if value is None or isinstance(value, (bytes, str, bool, memoryview)):
        return None
    if isinstance(value, int):
        return None if -_INT64 <= value < _INT64 else f"{shown(value)} does not fit into 64 bits"
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{value} is not finite"
    if depth > _DEEPEST:
        return "it is nested too deeply"
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            return f"a dict must have str keys; got {shown(list(value))}"
        return _first_fault(value.values(), depth)
    if isinstance(value, (list, tuple)):
        return _first_fault(value, depth)
    return f"{type(value).__name__} is no type of ASGI"


def _first_fault(values: Iterable[Any], depth: int) -> str | None:
    return next((fault for value in values if (fault := value_fault(value, depth + 1))), None)


def _pairs(headers: Any) -> Iterator[tuple[bytes, bytes]]:
    """Yield the lines that are pairs of bytes; the others are somebody else's finding."""
    if isinstance(headers, _NO_PAIRS) or not isinstance(headers, Iterable):
        return
    for pair in headers:
        if isinstance(pair, (tuple, list)) and len(pair) == 2 and all(isinstance(part, bytes) for part in pair):
            yield pair[0], pair[1]


def _is_number(value: bytes) -> bool:
    return value.isdigit() and len(value) < _LONGEST_LENGTH
