"""Parse field values: tokens, lists, quoted-strings, weights and parameters, as RFC 9110, 5.6 writes them.

Field values come from strangers. Every parser here takes any bytes, never raises, and does work linear in
their length: characters are looked at once, and no regular expression can backtrack. What is malformed is
left out or answered with ``None``; nothing is repaired.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = (
    "OWS",
    "is_field_value",
    "is_token",
    "parse_digits",
    "parse_parameters",
    "parse_qvalue",
    "parse_weighted",
    "quote",
    "split_list",
    "unquote",
)

_LONGEST_WEIGHTED: Final = 8192
"""Bytes of a weighted list that are read; clients send some hundred, and a server need not read more (5.4)."""

# RFC 9110, 5.6.3: whitespace in fields is space and tab. bytes.strip() alone would take more.
OWS: Final = b" \t"

# RFC 9110, 5.6.2: tchar.
_TOKEN_CHARACTERS: Final = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# RFC 5234, B.1: CTL, of which RFC 9110, 5.5 and 5.6.4 allow only the tab in values.
_CONTROLS: Final = bytes({*range(0x20), 0x7F} - {0x09})

_MARKS: Final = {b",": re.compile(rb'[,"\\]'), b";": re.compile(rb'[;"\\]')}
_QUOTED_PAIR: Final = re.compile(rb"\\(.)", re.DOTALL)
_QUOTABLE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_QVALUE: Final = re.compile(rb"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")


def is_token(value: str | bytes) -> bool:
    """Tell whether ``value`` is a token: ASCII letters, digits and ``!#$%&'*+-.^_`|~`` (RFC 9110, 5.6.2)."""
    if isinstance(value, str):
        return value.isascii() and is_token(value.encode())
    return bool(value) and not value.translate(None, _TOKEN_CHARACTERS)


def is_field_value(value: bytes) -> bool:
    """Tell whether ``value`` may stand in a field (RFC 9110, 5.5).

    It holds no control character but the tab, so no CR, LF or NUL, and neither starts nor ends with
    whitespace. The empty value is allowed, and so are bytes above 0x7F.
    """
    return not _has_controls(value) and len(value.strip(OWS)) == len(value)


def split_list(value: bytes) -> list[bytes]:
    """Return the elements of a comma-separated list, stripped, without the empty ones (RFC 9110, 5.6.1).

    Commas inside a quoted-string do not split. A quoted-string that never ends takes in all that follows it,
    so it makes one malformed element, the last.
    """
    return [element for part in _split(value, b",") if (element := part.strip(OWS))]


def unquote(value: bytes) -> bytes | None:
    r"""Return what the quoted-string ``value`` says, with ``\"`` and ``\\`` resolved (RFC 9110, 5.6.4).

    ``None`` if it is no quoted-string from its first byte to its last, or holds a control character.
    """
    if len(value) < 2 or not (value.startswith(b'"') and value.endswith(b'"')):
        return None
    content = value[1:-1]
    if _has_controls(content):
        return None
    if b"\\" not in content:
        return None if b'"' in content else content
    unescaped = _QUOTED_PAIR.sub(b"", content)
    if b'"' in unescaped or b"\\" in unescaped:
        return None
    return _QUOTED_PAIR.sub(rb"\1", content)


def quote(text: str) -> str:
    """Return ``text`` as a quoted-string (RFC 9110, 5.6.4), to be encoded as Latin-1.

    Raises `ValueError` for what a quoted-string cannot hold: control characters other than the tab, and
    characters above U+00FF.
    """
    if not _QUOTABLE.fullmatch(text):
        raise ValueError(f"quote: text must hold no controls and nothing above U+00FF; got {text[:80]!r}")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def parse_qvalue(value: bytes) -> int | None:
    """Return a quality value in thousandths, 0 to 1000; ``None`` if it is invalid (RFC 9110, 12.4.2).

    Invalid are a sign, a space, more than three decimals, and more than 1.
    """
    if not _QVALUE.fullmatch(value):
        return None
    return int(value[:1]) * 1000 + int(value[2:].ljust(3, b"0"))


def parse_weighted(value: bytes) -> list[tuple[bytes, int]]:
    """Return the elements of a list such as ``Accept``, each with its weight (RFC 9110, 12.4.2).

    Elements keep their order and are lower-cased; weights are thousandths, 1000 where there is none.
    Parameters other than ``q`` are dropped, and so is every element whose ``q`` is invalid. A value of more than
    8192 bytes says nothing: some servers let it grow to any length, and reading it would cost other requests time.
    """
    if len(value) > _LONGEST_WEIGHTED:
        return []
    weighted = []
    for element in split_list(value):
        name, _, parameters = element.partition(b";")
        weight = _weight(parameters) if parameters else 1000
        if weight is not None:
            weighted.append((name.rstrip(OWS).lower(), weight))
    return weighted


def parse_parameters(value: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """Return the head and the parameters of a value such as ``text/html; charset=utf-8`` (RFC 9110, 5.6.6).

    The head and the names are lower-cased, quoted values are unquoted, the first of several parameters with
    one name wins, and malformed parameters are left out. For a value without head put a ``;`` before it.
    Weights are better read with `parse_weighted`, which tells an invalid ``q`` from a missing one.
    """
    head, *rest = _split(value, b";")
    parameters: dict[bytes, bytes] = {}
    for part in rest:
        name, _, given = part.strip(OWS).partition(b"=")
        content = given if is_token(given) else unquote(given)
        if content is not None and is_token(name):
            parameters.setdefault(name.lower(), content)
    return head.strip(OWS).lower(), parameters


def parse_digits(value: bytes, *, longest: int = 19) -> int | None:
    """Return the number that ``value`` writes in ASCII digits, as in ``Content-Length`` (RFC 9110, 8.6).

    ``None`` for anything else, such as ``+5``, ``1_0`` or a space, and for more than ``longest`` digits,
    leading zeros counted: 19 digits hold every 64-bit signed length.
    """
    return int(value) if len(value) <= longest and value.isdigit() else None


def _has_controls(value: bytes) -> bool:
    return len(value.translate(None, _CONTROLS)) != len(value)


def _weight(parameters: bytes) -> int | None:
    """Return the weight that the parameters of one element give, ``None`` if it is invalid."""
    for parameter in _split(parameters, b";"):
        name, _, value = parameter.strip(OWS).partition(b"=")
        # No space may stand around "=" (RFC 9110, 5.6.6). Stripping the name alone makes "q =0" an invalid
        # weight instead of a parameter that means nothing.
        if name.rstrip(OWS).lower() == b"q":
            return parse_qvalue(value) if len(name) == 1 else None
    return 1000


def _split(value: bytes, separator: bytes) -> list[bytes]:
    """Cut ``value`` at each separator that stands outside quoted-strings."""
    if b'"' not in value:
        return value.split(separator)
    parts = []
    start = escaped = 0
    quoted = False
    for mark in _MARKS[separator].finditer(value):
        at = mark.start()
        if at < escaped:
            continue
        character = mark[0]
        if character == b'"':
            quoted = not quoted
        elif quoted:
            # RFC 9110, 5.6.4: a backslash escapes the next byte, inside a quoted-string only.
            escaped = at + 2 if character == b"\\" else escaped
        elif character == separator:
            parts.append(value[start:at])
            start = at + 1
    parts.append(value[start:])
    return parts
