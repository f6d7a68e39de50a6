"""Find where each key and value of a TOML text stands, since `tomllib` tells only what they are.

The scanner reads any text, TOML or not, in linear time; on a text that `tomllib` accepts, every key and value that
`tomllib` finds has its position here. Standard: TOML 1.0 (and the freer inline tables of 1.1).
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

__all__ = ("MAX_DEPTH", "Malformed", "Path", "Place", "Positions", "Scanner", "TooDeep", "locate")

Path: TypeAlias = tuple[str | int, ...]
"""The way to a value: keys, and indices into arrays from 0, as in ``("middleware", 2, "when", "paths")``."""

MAX_DEPTH = 32
"""How long a path may get; it also bounds the recursion, here and in `tomllib`."""

_BLANK = re.compile(r"[ \t]*+")
_BETWEEN = re.compile(r"(?:[ \t\r\n]++|#[^\n]*+)*+")
# The closing quotes may be missing, so that no text makes the scanner read a stretch twice.
_STRING = re.compile(
    r'"""(?:[^"\\]++|\\[\s\S]|"(?!""))*+(?:"{3,5})?'
    r"|'''(?:[^']++|'(?!''))*+(?:'{3,5})?"
    r'|"(?:[^"\\\n]++|\\.)*+"?'
    r"|'[^'\n]*+'?"
)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]++")
_SCALAR = re.compile(r"[^,\]}#\n]*+")


class Place(NamedTuple):
    """A place in a text, both numbers counted from 1; a column is a character, as editors count."""

    line: int
    column: int


class Malformed(Exception):
    """A text is not in its format; each problem has its place, where that is known."""

    def __init__(self, *problems: tuple[Place | None, str]) -> None:
        self.problems = problems
        super().__init__("; ".join(words for _, words in problems))


class TooDeep(Malformed):
    """Something stands deeper than `MAX_DEPTH` in tables and arrays."""

    def __init__(self, place: Place) -> None:
        self.place = place
        super().__init__((place, f"is nested more than {MAX_DEPTH} levels deep"))


@dataclass(frozen=True, slots=True)
class Positions:
    """Where the keys and values of one text stand.

    The key of an array's element, and the value of a table, is where it begins. A path that is not in the text
    answers with the nearest enclosing one that is; the path of the whole text is ``()``.
    """

    _lines: list[int]
    """The offset at which each line begins."""
    _keys: dict[Path, int] = field(default_factory=dict)
    _values: dict[Path, int] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str) -> Positions:
        """Return an empty index of a text."""
        return cls([0, *(match.end() for match in re.finditer("\n", text))])

    def __contains__(self, path: Path) -> bool:
        return path in self._values

    def key(self, path: Path) -> Place:
        """Return where the key at the end of ``path`` begins."""
        return self._nearest(self._keys, path)

    def value(self, path: Path) -> Place:
        """Return where the value at the end of ``path`` begins."""
        return self._nearest(self._values, path)

    def place(self, offset: int) -> Place:
        """Return the line and column of the character at ``offset``."""
        line = bisect_right(self._lines, offset)
        return Place(line, offset - self._lines[line - 1] + 1)

    def find(self, pattern: re.Pattern[str], text: str) -> Place | None:
        """Return where the first value of ``text`` begins that begins with what ``pattern`` matches."""
        found = [offset for offset in self._values.values() if pattern.match(text, offset)]
        return self.place(min(found)) if found else None

    def add(self, path: Path, key: int, value: int) -> None:
        """Note the offsets of a key and its value, unless they are known: a table begins where it is first met."""
        self._keys.setdefault(path, key)
        self._values.setdefault(path, value)

    def _nearest(self, offsets: dict[Path, int], path: Path) -> Place:
        while path and path not in offsets:
            path = path[:-1]
        return self.place(offsets.get(path, 0))


def locate(text: str) -> Positions:
    """Return the positions of all keys and values in a TOML text.

    Raises `TooDeep`. It never raises anything else, and what it finds in a text that is not TOML means nothing.
    """
    return Scanner(text).scan()


class Scanner:
    """One pass over one text; ``at`` is the offset of the next character to read and never goes back."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.positions = Positions.of(text)
        self.lengths: dict[Path, int] = {}
        """How many tables each array of tables has so far."""

    def scan(self) -> Positions:
        table: Path = ()
        while self._skip(_BETWEEN):
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)
            end = self.text.find("\n", self.at)
            self.at = len(self.text) if end < 0 else end + 1
        return self.positions

    def _skip(self, blank: re.Pattern[str]) -> str:
        """Skip what ``blank`` matches and return the next character, ``""`` at the end."""
        self._take(blank)
        return self.text[self.at : self.at + 1]

    def _take(self, pattern: re.Pattern[str]) -> str:
        """Return what ``pattern`` matches here, and move behind it."""
        match = pattern.match(self.text, self.at)
        if match is None:
            return ""
        self.at = match.end()
        return match.group()

    def _header(self) -> Path:
        """Read ``[a.b]`` or ``[[a.b]]`` and return the path of the table that it opens."""
        start = self.at
        is_array = self.text.startswith("[[", start)
        self.at += 2 if is_array else 1
        path: Path = ()
        keys = self._dotted_key(path)
        for index, (name, offset) in enumerate(keys, 1):
            path = (*path, name)
            is_last = index == len(keys)
            self.positions.add(path, offset, start if is_last else offset)
            if is_last and is_array:
                self.lengths[path] = self.lengths.get(path, 0) + 1
            if path in self.lengths:
                path = (*path, self.lengths[path] - 1)
                self.positions.add(path, start, start)
        return path

    def _pair(self, table: Path) -> None:
        """Read ``key = value`` of a table."""
        path = table
        keys = self._dotted_key(table)
        if self._skip(_BLANK) != "=":
            return
        self.at += 1
        self._skip(_BLANK)
        for index, (name, offset) in enumerate(keys, 1):
            path = (*path, name)
            self.positions.add(path, offset, self.at if index == len(keys) else offset)
        if keys:
            self._value(path)

    def _dotted_key(self, table: Path) -> list[tuple[str, int]]:
        """Read ``a."b".c`` and return each part with its offset."""
        keys: list[tuple[str, int]] = []
        while True:
            quote = self._skip(_BLANK)
            start = self.at
            name = _unquoted(self._take(_STRING)) if quote in ("'", '"') else self._take(_BARE_KEY)
            if self.at == start:
                return keys
            keys.append((name, start))
            self._check_depth(len(table) + len(keys), start)
            if self._skip(_BLANK) != ".":
                return keys
            self.at += 1

    def _value(self, path: Path) -> None:
        """Read the value at ``path``, of which the place is known already."""
        self._check_depth(len(path), self.at)
        opening = self.text[self.at : self.at + 1]
        if opening == "[":
            self._array(path)
        elif opening == "{":
            self._inline_table(path)
        elif not self._take(_STRING):
            self._take(_SCALAR)

    def _array(self, path: Path) -> None:
        self.at += 1
        index = 0
        while (character := self._skip(_BETWEEN)) not in ("", "]"):
            start = self.at
            if character != ",":
                element = (*path, index)
                self.positions.add(element, start, start)
                self._value(element)
                index += 1
            self._go_on_from(start)
        self.at += 1

    def _inline_table(self, path: Path) -> None:
        self.at += 1
        while (character := self._skip(_BETWEEN)) not in ("", "}"):
            start = self.at
            if character != ",":
                self._pair(path)
            self._go_on_from(start)
        self.at += 1

    def _go_on_from(self, start: int) -> None:
        """Move at least one character on: a comma, or one that does not belong here."""
        self.at = max(self.at, start + 1)

    def _check_depth(self, depth: int, offset: int) -> None:
        if depth > MAX_DEPTH:
            raise TooDeep(self.positions.place(offset))


def _unquoted(key: str) -> str:
    """Return the key that a quoted key stands for."""
    if "\\" not in key:
        return key[1:-1]
    try:
        [name] = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError:
        return key[1:-1]
    return name
