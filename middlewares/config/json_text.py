"""Read JSON with the places of its keys and values, and refuse what readers of JSON disagree about.

Standard: RFC 8259; a key that stands twice in an object (4) is refused. Numbers that are none, such as ``NaN``, become
what Python has for them, and are refused with their place by whoever reads the document.
"""

from __future__ import annotations

import json
import re
from typing import Any

from .positions import Malformed, Path, Place, Positions, Scanner

__all__ = ("parse_json",)

_MOST_DIGITS = 20
_TOO_LARGE = 2**64
"""Stands for integers that Python would take long to read: it does not fit 64 bits either, and is refused for it."""
_BETWEEN = re.compile(r"[ \t\r\n]*+")
_STRING = re.compile(r'"(?:[^"\\\n]++|\\.)*+"?')


def parse_json(text: str) -> tuple[Any, Positions]:
    """Return the value of a JSON text and where everything in it stands; raises `Malformed`."""
    scanner = _Scanner(text)
    positions = scanner.scan()  # first, since it bounds the nesting
    try:
        value = json.loads(text, parse_constant=float, parse_int=_integer)
    except json.JSONDecodeError as error:
        raise Malformed((Place(error.lineno, error.colno), f"is not JSON: {error.msg}")) from None
    if scanner.repeated:
        raise Malformed(
            *((positions.place(offset), f"the key {key!r} stands twice") for key, offset in scanner.repeated)
        )
    return value, positions


def _integer(digits: str) -> int:
    return int(digits) if len(digits) <= _MOST_DIGITS else _TOO_LARGE


class _Scanner(Scanner):
    """The one for TOML, with the objects of JSON in the place of inline tables."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.repeated: list[tuple[str, int]] = []

    def scan(self) -> Positions:
        self._skip(_BETWEEN)
        self.positions.add((), self.at, self.at)
        self._value(())
        return self.positions

    def _pair(self, table: Path) -> None:
        start = self.at
        written = self._take(_STRING)
        if not written or self._skip(_BETWEEN) != ":":
            return
        self.at += 1
        self._skip(_BETWEEN)
        key = _key(written)
        path = (*table, key)
        if path in self.positions:
            self.repeated.append((key, start))
        self.positions.add(path, start, self.at)
        self._value(path)


def _key(written: str) -> str:
    if "\\" not in written:
        return written[1:-1]
    try:
        return str(json.loads(written))
    except json.JSONDecodeError:
        return written
