"""Positions point to the text of each key and value, for every TOML text; no text makes the scanner fail or crawl."""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewares.config.positions import MAX_DEPTH, Path, TooDeep, locate

DOCUMENT = '''\
# a comment = 1
title = "a"

[owner]
  name = 'b' # with a comment
  home.street = """
two [lines] = 2
with \\""" quotes"""" # five
  "quoted.key" = 1979-05-27 07:32:00Z

[[middleware]]
use = "gzip"

[[middleware]]
use = "cors"
allow_origins = [
    "https://a.example", # the ] shop
    [ 1, 2 ], { x.y = 1 },
]
when = { paths = ["/a"], "hosts" = ['b', ] }

[middleware.nested . 'deep']
z = 1
[[middleware.inner]]
[[middleware.inner]]
w = \'\'\'
]\'\'\'
last = true'''

PLACES = [
    (("title",), (2, 1), (2, 9)),
    (("owner",), (4, 2), (4, 1)),
    (("owner", "name"), (5, 3), (5, 10)),
    (("owner", "home"), (6, 3), (6, 3)),
    (("owner", "home", "street"), (6, 8), (6, 17)),
    (("owner", "quoted.key"), (9, 3), (9, 18)),
    (("middleware",), (11, 3), (11, 1)),
    (("middleware", 0), (11, 1), (11, 1)),
    (("middleware", 0, "use"), (12, 1), (12, 7)),
    (("middleware", 1), (14, 1), (14, 1)),
    (("middleware", 1, "allow_origins"), (16, 1), (16, 17)),
    (("middleware", 1, "allow_origins", 0), (17, 5), (17, 5)),
    (("middleware", 1, "allow_origins", 1, 1), (18, 10), (18, 10)),
    (("middleware", 1, "allow_origins", 2, "x", "y"), (18, 19), (18, 23)),
    (("middleware", 1, "when"), (20, 1), (20, 8)),
    (("middleware", 1, "when", "paths"), (20, 10), (20, 18)),
    (("middleware", 1, "when", "hosts"), (20, 26), (20, 36)),
    (("middleware", 1, "nested"), (22, 13), (22, 13)),
    (("middleware", 1, "nested", "deep"), (22, 22), (22, 1)),
    (("middleware", 1, "nested", "deep", "z"), (23, 1), (23, 5)),
    (("middleware", 1, "inner", 0), (24, 1), (24, 1)),
    (("middleware", 1, "inner", 1, "w"), (26, 1), (26, 5)),
    (("middleware", 1, "inner", 1, "last"), (28, 1), (28, 8)),
]


@pytest.mark.parametrize(("path", "key", "value"), PLACES, ids=lambda part: str(part))
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_place_of_each_kind_of_key_and_value(path: Path, key: Any, value: Any, newline: str) -> None:
    text = DOCUMENT.replace("\n", newline)
    tomllib.loads(text)
    positions = locate(text)
    assert path in positions
    assert (positions.key(path), positions.value(path)) == (key, value)


@pytest.mark.parametrize(
    ("path", "value"),
    [((), (1, 1)), (("missing",), (1, 1)), (("b", "missing", 3), (2, 1)), (("b", "c", 0), (3, 5))],
)
def test_a_path_that_is_not_there_answers_with_the_nearest_around_it(path: Path, value: Any) -> None:
    assert locate("a = 1\n[b]\nc = 2").value(path) == value


@pytest.mark.parametrize(
    ("written", "key"),
    [(r'"a\u00e9\n\"x"', 'aé\n"x'), ('"a.b"', "a.b"), (r"'a\n'", r"a\n"), ('""', ""), ("1-_", "1-_")],
)
def test_keys_are_known_by_what_they_mean_not_by_how_they_are_written(written: str, key: str) -> None:
    text = f"{written} = 1"
    assert tomllib.loads(text) == {key: 1}
    assert (key,) in locate(text)


def test_a_multi_line_string_may_end_with_two_quotes_of_its_own() -> None:
    text = "a = [\"\"\"b\"\"\"\"\", 3, '''c''''', 4]"
    assert tomllib.loads(text)["a"][3] == 4
    assert locate(text).value(("a", 3)) == (1, 31)


NESTED = {
    "arrays": "a = " + "[" * 5000 + "]" * 5000,
    "inline tables": "a = " + "{a = " * 5000,
    "dotted keys": "a" + ".a" * 5000 + " = 1",
    "headers": "[a" + ".a" * 5000 + "]",
    "nesting across a header": "[a" + ".a" * (MAX_DEPTH - 1) + "]\nb = 1",
}


@pytest.mark.parametrize("text", NESTED.values(), ids=NESTED.keys())
def test_what_is_nested_too_deeply_is_refused(text: str) -> None:
    with pytest.raises(TooDeep):
        locate(text)


def test_the_deepest_nesting_allowed() -> None:
    depth = MAX_DEPTH - 1
    text = "a = " + "[" * depth + "1" + "]" * depth
    assert ("a", *[0] * depth) in locate(text)


HOSTILE = [
    '{\\"""',
    '{\\"',
    "a = {\\'''",
    'a = """\\"',
    "a = '''''",
    "[",
    "[[",
    "a = [",
    "}",
    "]",
    ",",
    "a\n",
    "a = [1,\n",
    "#",
    "\n",
    "\r",
    " ",
    "[a]\n",
    "[[a]]\n",
    '"\\u0000"="""\n',
    "a.",
    "=",
    '"',
    "'",
    "\\",
]


@pytest.mark.parametrize("piece", HOSTILE)
@pytest.mark.parametrize("start", ["", "a = [", "a = [{"])
def test_no_text_takes_more_than_linear_time(start: str, piece: str) -> None:
    """Within a second for what takes minutes if a stretch is read once for each of its characters."""
    text = start + piece * (2**18 // len(piece))
    begin = perf_counter()
    with contextlib.suppress(TooDeep):
        locate(text)
    assert perf_counter() - begin < 5


@given(st.text(alphabet="ab.=[]{},\"'\\#\n\r\t 1é", max_size=60))
def test_no_text_makes_the_scanner_fail(text: str) -> None:
    locate(text)


@given(st.text(alphabet="ab.=[]{},\"'\\#\n 1", max_size=40))
def test_on_every_text_that_is_toml_each_key_and_value_is_found(text: str) -> None:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    positions = locate(text)
    assert all(path in positions for path in _paths(data))


@dataclass
class Writer:
    """Write a random TOML document, and note where each key and value was put."""

    draw: st.DrawFn
    text: str = ""
    keys: dict[Path, int] = field(default_factory=dict)
    values: dict[Path, int] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=count)
    lengths: dict[str, int] = field(default_factory=dict)

    def put(self, *choices: str) -> None:
        self.text += self.draw(st.sampled_from(choices))

    def blank(self) -> None:
        self.put("", " ", "\t ")

    def between(self) -> None:
        self.put("", " ", "\n", "\r\n", " # a ] } ' comment\n")

    def key(self, path: Path) -> Path:
        """Write a key that no other key of the document equals, and return its path."""
        number = next(self.numbers)
        written, meant = self.draw(
            st.sampled_from([("k{}", "k{}"), ('"q.{}"', "q.{}"), ("'#{}'", "#{}"), (r'"\t\"\u00e9{}"', '\t"é{}')])
        )
        path = (*path, meant.format(number))
        self.keys[path] = len(self.text)
        self.text += written.format(number)
        return path

    def dotted_key(self, path: Path) -> Path:
        for _ in range(self.draw(st.integers(0, 2))):
            path = self.key(path)
            self.values[path] = self.keys[path]
            self.blank()
            self.text += "."
            self.blank()
        return self.key(path)

    def pair(self, table: Path, depth: int) -> None:
        path = self.dotted_key(table)
        self.blank()
        self.text += "="
        self.blank()
        self.value(path, depth)

    def value(self, path: Path, depth: int) -> None:
        self.values[path] = len(self.text)
        kind = self.draw(st.sampled_from(["scalar", "array", "table"] if depth else ["scalar"]))
        if kind == "array":
            self.array(path, depth - 1)
        elif kind == "table":
            self.table(path, depth - 1)
        else:
            self.put(*SCALARS)

    def array(self, path: Path, depth: int) -> None:
        self.text += "["
        length = self.draw(st.integers(0, 3))
        for index in range(length):
            self.between()
            element = (*path, index)
            self.keys[element] = len(self.text)
            self.value(element, depth)
            self.between()
            self.text += "," if index < length - 1 else self.draw(st.sampled_from(["", ","]))
        self.between()
        self.text += "]"

    def table(self, path: Path, depth: int) -> None:
        self.text += "{"
        length = self.draw(st.integers(0, 3))
        for index in range(length):
            self.blank()
            self.pair(path, depth)
            self.blank()
            self.text += "," if index < length - 1 else ""
        self.blank()
        self.text += "}"

    def header(self) -> Path:
        """Write a header, perhaps of an array of tables, and return the path of the table."""
        start = len(self.text)
        name = self.draw(st.sampled_from(["", "list", "other"]))
        if not name:
            self.text += "["
            path = self.dotted_key(())
            self.text += "]"
            self.values[path] = start
            return path
        index = self.lengths.get(name, 0)
        if index and self.draw(st.booleans()):
            self.text += f"[{name} . "
            path = self.key((name, index - 1))
            self.text += "]"
            self.values[path] = start
            return path
        self.lengths[name] = index + 1
        self.text += f"[[ {name} ]]"
        if not index:
            self.keys[name,], self.values[name,] = start + 3, start
        self.keys[name, index] = self.values[name, index] = start
        return (name, index)


SCALARS = (
    "1",
    "-1.5e3",
    "true",
    "1979-05-27 07:32:00Z",
    '"a # ] } , b"',
    r'"\"\\"',
    "'a # ] } \\'",
    '"""a\n"" ] \\" # ""\\"\n"""',
    '"""a"""""',
    "'''a\n'' = [ ''''",
    '""',
    "''''''",
)


@st.composite
def documents(draw: st.DrawFn) -> Writer:
    writer = Writer(draw)
    table: Path = ()
    for _ in range(draw(st.integers(1, 6))):
        writer.between()
        writer.blank()
        if draw(st.booleans()):
            table = writer.header()
        else:
            writer.pair(table, depth=2)
        writer.blank()
        writer.put("\n", "\r\n", " # a = [ comment\n")
    return writer


@given(documents())
def test_every_key_and_value_of_a_document_stands_where_it_was_written(written: Writer) -> None:
    data = tomllib.loads(written.text)
    positions = locate(written.text)
    assert set(written.values) == set(_paths(data))
    for path, offset in written.values.items():
        assert positions.value(path) == positions.place(offset), path
        assert positions.key(path) == positions.place(written.keys[path]), path


@given(st.text(alphabet="a\n\r"), st.data())
def test_lines_end_at_line_feeds_alone_and_columns_count_characters(text: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text)))
    line, column = locate(text).place(offset)
    lines = text[:offset].split("\n")
    assert (line, column) == (len(lines), len(lines[-1]) + 1)


def _paths(value: Any, path: Path = ()) -> list[Path]:
    """Return the paths of everything inside ``value``."""
    inner = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    return [found for key, below in inner for found in ((*path, key), *_paths(below, (*path, key)))]
