"""Each format says the same, knows where it says it, and refuses what readers of it disagree about."""

from __future__ import annotations

import json
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from middlewares import ConfigError, MissingExtra
from middlewares.config import load
from middlewares.config.document import MAX_BYTES, Document, read_document
from tests.config.files import FORMATS, write


def read(name: str, content: str | bytes) -> Document:
    Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    return read_document(name)


def told(name: str, content: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        read(name, content)
    return str(caught.value)


SAME = {
    "m.toml": '[[middleware]]\nuse = "cors"\nallow_origins = ["https://a.example"]\nmax_age = 60\n',
    "m.yaml": "middleware:\n  - use: cors\n    allow_origins:\n      - https://a.example\n    max_age: 60\n",
    "m.yml": 'middleware: [{use: cors, allow_origins: ["https://a.example"], max_age: 60}]',
    "m.json": '{"middleware": [{"use": "cors", "allow_origins": ["https://a.example"], "max_age": 60}]}',
    "pyproject.toml": (
        '[project]\nname = "shop"\n[[tool.middlewares.middleware]]\nuse = "cors"\n'
        'allow_origins = ["https://a.example"]\nmax_age = 60\n[tool.other]\nx = 1\n'
    ),
}

PLACES: dict[str, dict[tuple[str | int, ...], tuple[str, str]]] = {
    # Where the key, and the value, of a path stand.
    "m.toml": {
        ("middleware", 0, "use"): ("2:1", "2:7"),
        ("middleware", 0, "allow_origins", 0): ("3:18", "3:18"),
        ("middleware", 0, "max_age"): ("4:1", "4:11"),
    },
    "m.yaml": {
        ("middleware", 0, "use"): ("2:5", "2:10"),
        ("middleware", 0, "allow_origins"): ("3:5", "4:7"),
        ("middleware", 0, "allow_origins", 0): ("4:9", "4:9"),
        ("middleware", 0, "max_age"): ("5:5", "5:14"),
    },
    "m.yml": {("middleware", 0, "use"): ("1:15", "1:20"), ("middleware", 0, "max_age"): ("1:64", "1:73")},
    "m.json": {
        ("middleware", 0, "use"): ("1:18", "1:25"),
        ("middleware", 0, "allow_origins", 0): ("1:51", "1:51"),
        ("middleware", 0, "max_age"): ("1:73", "1:84"),
    },
    "pyproject.toml": {
        ("middleware", 0): ("3:1", "3:1"),
        ("middleware", 0, "use"): ("4:1", "4:7"),
        ("middleware", 0, "max_age"): ("6:1", "6:11"),
    },
}


@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_each_format_says_the_same_and_knows_where(name: str, newline: str, mark: bytes) -> None:
    document = read(name, mark + SAME[name].replace("\n", newline).encode())
    assert document.data == read("m.toml", SAME["m.toml"]).data
    document = read(name, mark + SAME[name].replace("\n", newline).encode())
    for path, (key, value) in PLACES[name].items():
        assert document.where(document.key(path)) == f"{name}:{key}"
        assert document.where(document.value(path)) == f"{name}:{value}"
    assert str(load(name).stack) == str(load("m.toml").stack)


BROKEN: dict[str, tuple[str, str | bytes, str]] = {
    "YAML, not UTF-8": ("m.yaml", b"a: 1\nb: \xc3\xa9\xff", "m.yaml:2:5: is not UTF-8: byte 0xff"),
    "YAML, UTF-16": ("m.yaml", "a: 1".encode("utf-16"), "m.yaml:1:1: is not UTF-8: byte 0xff"),
    "YAML, a control character": ("m.yaml", "a: \x07", "m.yaml:1:4: is not YAML: the character '\\x07'"),
    "YAML, a key twice": ("m.yaml", "a: 1\nb: 2\n'a': 3", "m.yaml:3:1: the key 'a' stands twice"),
    "YAML, two keys twice": (
        "m.yaml",
        "{a: 1, a: 2, b: {c: 1, c: 2}}",
        "m.yaml:1:8: the key 'a' stands twice\nm.yaml:1:24: the key 'c' stands twice",
    ),
    "YAML, a tag": (
        "m.yaml",
        "a: !!python/object/apply:os.system [ls]",
        "m.yaml:1:4: is not read: tags are refused; write the value without '!'",
    ),
    "YAML, a harmless tag": (
        "m.yaml",
        "a: !!str 1",
        "m.yaml:1:4: is not read: tags are refused; write the value without '!'",
    ),
    "YAML, a tag of a key": (
        "m.yaml",
        "!!str a: 1",
        "m.yaml:1:1: is not read: tags are refused; write the value without '!'",
    ),
    "YAML, a merge key": (
        "m.yaml",
        "a: &a {x: 1}\nb: {<<: *a}",
        "m.yaml:2:5: merge keys are not read; write what every entry shares under 'defaults'",
    ),
    "YAML, a number for a key": ("m.yaml", "1: 2", "m.yaml:1:1: a key must be text; put it in quotes"),
    "YAML, a list for a key": ("m.yaml", "[a]: 2", "m.yaml:1:1: a key must be text; put it in quotes"),
    "YAML, a list that holds itself": ("m.yaml", "a: &a [*a]", "m.yaml:1:4: is nested more than 32 levels deep"),
    "YAML, nested": ("m.yaml", "[" * 50_000, "m.yaml:1:34: is nested more than 32 levels deep"),
    "YAML, nested blocks": ("m.yaml", "- " * 50_000, "m.yaml:1:67: is nested more than 32 levels deep"),
    "YAML, an alias of nothing": (
        "m.yaml",
        "password: *hunter2",
        "m.yaml:1:11: is not YAML: found undefined alias; put text that begins with '*' in quotes",
    ),
    "YAML, two documents": (
        "m.yaml",
        "a: 1\n---\nb: 2",
        "m.yaml:2:1: is not YAML: but found another document",
    ),
    "YAML, cut short": ("m.yaml", 'a: "b', "m.yaml:1:6: is not YAML: found unexpected end of stream"),
    "YAML, a tab": (
        "m.yaml",
        "a:\n\tb: 1",
        "m.yaml:2:1: is not YAML: found character '\\t' that cannot start any token",
    ),
    "YAML, an integer beyond 64 bits": (
        "m.yaml",
        f"a: [1, {'9' * 5000}]",
        "m.yaml:1:8: is not YAML: an integer must fit 64 bits",
    ),
    "YAML, half a character": (
        "m.yaml",
        'a: "\\ud800"',
        "m.yaml:1:4: is not YAML: half of a surrogate pair is no character",
    ),
    "YAML, a list at the top": ("m.yaml", "- a", "m.yaml:1:1: must be a table of keys and values"),
    "JSON, not UTF-8": ("m.json", b'{"a": "\xff"}', "m.json:1:8: is not UTF-8: byte 0xff"),
    "JSON, a key twice": ("m.json", '{"a": 1,\n "\\u0061": 2}', "m.json:2:2: the key 'a' stands twice"),
    "JSON, a key twice, deeper": (
        "m.json",
        '{"b": [{"a": 1, "a": {"c": 1, "c": 2}}]}',
        "m.json:1:17: the key 'a' stands twice\nm.json:1:31: the key 'c' stands twice",
    ),
    "JSON, nested": ("m.json", '{"a":' + "[" * 100_000, "m.json:1:38: is nested more than 32 levels deep"),
    "JSON, nested objects": ("m.json", '{"a":' * 40_000, "m.json:1:166: is nested more than 32 levels deep"),
    "JSON, cut short": ("m.json", '{"a": "b', "m.json:1:7: is not JSON: Unterminated string starting at"),
    "JSON, a comma too many": (
        "m.json",
        '{"a": 1,\n}',
        "m.json:2:1: is not JSON: Expecting property name enclosed in double quotes",
    ),
    "JSON, a comment": ("m.json", '{"a": 1} // b', "m.json:1:10: is not JSON: Extra data"),
    "JSON, NaN": ("m.json", '{"a": [1, NaN]}', "m.json:1:11: is not JSON: must be a finite number"),
    "JSON, too large a number": (
        "m.json",
        '{"a": 1e999, "b": -Infinity}',
        "m.json:1:7: is not JSON: must be a finite number\nm.json:1:19: is not JSON: must be a finite number",
    ),
    "JSON, an integer beyond 64 bits": (
        "m.json",
        f'{{"a": {"9" * 5000}}}',
        "m.json:1:7: is not JSON: an integer must fit 64 bits",
    ),
    "JSON, half a character": (
        "m.json",
        '{"\\udead": "\\ud83d\\ude00"}',
        "m.json:1:2: is not JSON: half of a surrogate pair is no character",
    ),
    "JSON, no table": ("m.json", "[]", "m.json:1:1: must be a table of keys and values"),
    "JSON, empty": ("m.json", "", "m.json:1:1: is not JSON: Expecting value"),
    "pyproject without our table": (
        "pyproject.toml",
        "[tool.other]\nx = 1",
        "pyproject.toml: there is no table [tool.middlewares]",
    ),
    "pyproject with something else there": (
        "pyproject.toml",
        "[tool]\nmiddlewares = 1",
        "pyproject.toml:2:15: must be a table: write [tool.middlewares]",
    ),
}


@pytest.mark.parametrize(("name", "content", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_wrong_with_a_text_is_told_with_its_place(name: str, content: str | bytes, message: str) -> None:
    assert told(name, content) == message


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_beyond_measure_is_not_read(name: str) -> None:
    assert told(name, b" " * (MAX_BYTES + 1)) == f"{name}: is larger than 256 KiB, the most that is read"


EMPTY = {
    "m.toml": ("", "m.toml:1:1: there is no [[middleware]] table; write middleware = [] if none is meant"),
    "m.yaml": ("", "m.yaml:1:1: there is no key 'middleware'; write middleware: [] if none is meant"),
    "m.json": ("{}", "m.json:1:1: there is no key 'middleware'; write \"middleware\": [] if none is meant"),
    "pyproject.toml": (
        "[tool.middlewares]",
        (
            "pyproject.toml:1:1: there is no [[tool.middlewares.middleware]] table; "
            "write middleware = [] if none is meant"
        ),
    ),
}
NO_LIST = {
    "m.toml": ("middleware = 1", "m.toml:1:14: middleware must be an array of tables: write [[middleware]]"),
    "m.yaml": (
        "middleware: 1",
        "m.yaml:1:13: middleware must be an array of tables: write middleware: with a list below it",
    ),
    "m.json": ('{"middleware": 1}', 'm.json:1:16: middleware must be an array of tables: write "middleware": [{…}]'),
    "pyproject.toml": (
        "[tool.middlewares.middleware]",
        "pyproject.toml:1:1: middleware must be an array of tables: write [[tool.middlewares.middleware]]",
    ),
}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [(name, *case) for cases in (EMPTY, NO_LIST) for name, case in cases.items()],
)
def test_what_is_to_be_written_is_told_in_the_words_of_the_format(name: str, text: str, message: str) -> None:
    Path(name).write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(name)
    assert str(caught.value) == message


YAML_WORDS: dict[str, Any] = {
    # YAML 1.2.2, 10.3: what other readers, after YAML 1.1, take for something else.
    "no": "no",
    "on": "on",
    "Yes": "Yes",
    "y": "y",
    "true": True,
    "True": True,
    "FALSE": False,
    "null": None,
    "~": None,
    "": None,
    "010": 10,
    "0o10": 8,
    "0x1F": 31,
    "1_000": "1_000",
    "60:30": "60:30",
    "2026-01-01": "2026-01-01",
    "1e3": 1000.0,
    "+.inf": float("inf"),
    "1.": 1.0,
    "'1'": "1",
    "0b1": "0b1",
    "=": "=",
}


@pytest.mark.parametrize(("written", "meant"), YAML_WORDS.items(), ids=[*map(repr, YAML_WORDS)])
def test_words_of_yaml_are_read_by_its_core_schema(written: str, meant: Any) -> None:
    found = read("m.yaml", f"a: {written}").data["a"]
    assert found == meant
    assert type(found) is type(meant)


def test_an_alias_repeats_what_it_names_and_stands_where_that_stands() -> None:
    document = read("m.yaml", "a: &x [1, 2]\nb: *x")
    assert document.data == {"a": [1, 2], "b": [1, 2]}
    assert document.where(document.key(("b",))) == "m.yaml:2:1"
    assert document.where(document.value(("b", 1))) == "m.yaml:1:11"


BOMBS = {
    "aliases": "a0: &a0 [1,1,1,1,1,1,1,1,1]\n"
    + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10)),
    "values": "a: [" + "1," * 120_000 + "]",
    "anchors": "a: [" + ",".join(f"&a{i} 1" for i in range(22_000)) + "]",
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS.keys())
def test_yaml_that_grows_beyond_measure_is_refused_soon(text: str) -> None:
    begin = perf_counter()
    assert "holds more than 20000 values" in told("m.yaml", text)
    assert perf_counter() - begin < 20


def test_yaml_needs_its_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "middlewares.config.yaml_text", None)
    with pytest.raises(MissingExtra, match=r"^the YAML file 'm.yaml' needs .* 'middlewares\[config\]'"):
        read("m.yaml", "a: 1")


def data_of(text: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    number = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    return st.recursive(
        st.none() | st.booleans() | number | text,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
        max_leaves=8,
    )


QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(st.dictionaries(st.text(), data_of(st.text()), max_size=3))
@QUICK
def test_json_says_what_its_writer_said(data: dict[str, Any]) -> None:
    document = read("m.json", json.dumps(data))
    assert document.data == data
    assert all(path in document for path in _paths(data))


PRINTABLE = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn", "Zl", "Zp"]))


@given(st.dictionaries(PRINTABLE, data_of(PRINTABLE), max_size=3))
@QUICK
def test_json_is_yaml(data: dict[str, Any]) -> None:
    """YAML 1.2.2, 1.2: so the same text says the same in both."""
    document = read("m.yaml", json.dumps(data, ensure_ascii=False))
    assert document.data == data
    assert all(path in document for path in _paths(data))


@given(
    st.sampled_from(["m.toml", "m.yaml", "m.json"]), st.text(alphabet="ab:[]{},\"'\\-?&*!|>#%@` \n\t1=.", max_size=40)
)
@settings(QUICK, max_examples=150)
def test_no_text_is_more_than_refused(name: str, text: str) -> None:
    try:
        document = read(name, text)
    except ConfigError as error:
        problems = error.problems
    else:
        problems = ()
        assert all(path in document for path in _paths(document.data))
    assert all(problem.startswith(f"{name}:") for problem in problems)


@pytest.mark.parametrize("name", FORMATS)
def test_the_schema_key_of_editors_is_taken(name: str) -> None:
    write(name, {"$schema": "middlewares.schema.json", "middleware": [{"use": "gzip"}]})
    assert len(load(name).stack) == 1


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner: list[Any] = [
        *(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    ]
    return [found for key, below in inner for found in ((*path, key), *_paths(below, (*path, key)))]
