"""Declarations: their options, their patterns, and the fields that are written and read."""

from __future__ import annotations

import base64
import json
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from middlewares.compression.dictionaries import Dictionary, declare
from middlewares.compression.dictionaries.fields import is_sf_string, parse_hash, sf_string, use_as_dictionary
from middlewares.compression.dictionaries.patterns import compile_pattern, pattern_problem, request_path
from middlewares.errors import OptionError, OptionErrors
from tests.compression.versions import OLD, available, request


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(OptionError) as caught:
        Dictionary(match="app.js", announce_at="/a?b", id="é", maximum_size=0, max_age=0, match_dest=["skript"])
    assert [str(problem) for problem in caught.value.problems] == [
        "match must be a path that begins with one '/', such as '/static/app.*.js'; got 'app.js'",
        "announce_at must not hold '?' or '#': patterns are compared with the path, not with a query; got '/a?b'",
        "path must name a file or a directory, unless learn is true; got None",
        "maximum_size must be from 1 to 104857600 bytes; got 0",
        "max_age must be a positive number of seconds; got 0",
        "id must be printable ASCII of at most 1024 characters; got 'é'",
        "match_dest must hold destinations of requests, such as 'script'; got 'skript' (did you mean 'script'?)",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"match": 5, "learn": True}, "match must be a string; got 5"),
        ({"match": "/a", "learn": "yes"}, "learn must be true or false; got 'yes'"),
        ({"match": "/a", "learn": True, "match_dest": "script"}, "match_dest must be a list of strings; got 'script'"),
        ({"match": "/a", "learn": True, "type": "zstd"}, "type must be one of 'raw'; got 'zstd'"),
        ({"match": "/a", "learn": True, "id": "x" * 1025}, "id must be printable ASCII of at most 1024 characters"),
    ],
)
def test_options_are_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match="Dictionary: ") as caught:
        Dictionary(**options)
    assert message in str(caught.value)


def test_the_longest_id_is_allowed() -> None:
    """RFC 9842, 2.1.3."""
    assert len(Dictionary(match="/a", learn=True, id="x" * 1024).id) == 1024


def test_tables_of_a_file_become_declarations() -> None:
    problems = OptionErrors("Compress")
    whole = Dictionary(match="/b", path=Path("releases"))
    items: list[Dictionary | dict[str, Any]] = [{"match": "/a", "learn": True}, whole]
    assert declare(items, option="dictionaries", problems=problems) == [
        Dictionary(match="/a", learn=True),
        whole,
    ]
    assert not problems.found


def test_problems_of_tables_name_the_table() -> None:
    problems = OptionErrors("Compress")
    tables: list[dict[str, Any]] = [
        {"match": "/a", "learn": True},
        {"mach": "/b", "path": "x", "id": "é"},
        {"match": "b", "path": "x"},
    ]
    assert len(declare(tables, option="dictionaries", problems=problems)) == 1
    with pytest.raises(OptionError) as caught:
        problems.raise_if_any()
    assert str(caught.value).splitlines() == [
        "Compress: dictionaries[2].mach is unknown (did you mean 'match'?)",
        "Compress: dictionaries[2].match is required",
        "Compress: dictionaries[3].match must be a path that begins with one '/', such as '/static/app.*.js'; got 'b'",
    ]


def test_an_unknown_option_is_refused_beside_right_ones() -> None:
    problems = OptionErrors("Compress")
    assert declare([{"match": "/a", "learn": True, "ttl": 5}], option="dictionaries", problems=problems) == []
    assert [problem.option for problem in problems.found] == ["dictionaries[1].ttl"]


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("/app.js", ["/app.js"], ["/app.js/", "/APP.js", "/appxjs", "/"]),
        ("/app.*.js", ["/app.1.js", "/app..js", "/app.a/b.js"], ["/app.js", "/app.1.jsx", "/x/app.1.js"]),
        ("/*", ["/", "/a", "/a/b"], [""]),
        ("/a/:id", ["/a/5", "/a/b%20c"], ["/a/", "/a/5/", "/a/5/6"]),
        ("/a/:id/b", ["/a/5/b"], ["/a//b", "/a/5/6/b"]),
        ("/a*b*c", ["/abc", "/a--b--c", "/abbcc"], ["/ab", "/acb"]),
        ("/*/:v/app.js", ["/x/1/app.js", "/x/y/1/app.js", "//1/app.js"], ["/1/app.js"]),
        ("/*/:a/b/*/c", ["/x/1/b/y/c", "/x/y/2/b/z/z/c"], ["/x/b/y/c", "/x/1/b/c"]),
        ("/a%20b", ["/a%20b"], ["/a b"]),
    ],
)
def test_patterns_match_as_in_browsers(pattern: str, matching: list[str], others: list[str]) -> None:
    assert pattern_problem(pattern) is None
    is_match = compile_pattern(pattern)
    assert [path for path in matching + others if is_match(path)] == matching


@pytest.mark.parametrize(
    "pattern",
    [
        *("", "app.js", "*", "//evil.example/a", "https://shop.example/a", "/a?b", "/a#b"),
        # RFC 9842, 2.1.1: no regular expressions. Nor other groups and modifiers.
        *("/(.*)", "/a(b)", "/:id(\\d+)", "/{a}?", "/{a", "/a+", "/:id?", "/:id*", "/**", "/a\\*"),
        *("/a:id", "/:", "/:1", "/:id.js", "/a b", "/ä", "/a%2", "/a\n", "/a\x00", "/a/../b", "/.", "/" + "a" * 2048),
    ],
)
def test_patterns_that_are_refused(pattern: str) -> None:
    assert pattern_problem(pattern) is not None


def test_no_path_makes_a_pattern_run_long() -> None:
    is_match = compile_pattern("/*a*a*a*a*a*a*a*a*a*a/:x/*b*b*b*b")
    began = time.perf_counter()
    assert not is_match("/" + "a" * 20_000 + "/a" * 20_000)
    assert time.perf_counter() - began < 1


PIECES = st.lists(st.sampled_from(["/", "a", "b", "*", "/:x/"]), max_size=9).map("".join)


@settings(max_examples=300)
@given(pattern=PIECES, paths=st.lists(st.text("ab/", max_size=12), max_size=20))
def test_nothing_that_matches_is_missed(pattern: str, paths: list[str]) -> None:
    """The bounded search agrees with one that tries everything."""
    pattern = "/" + pattern
    if pattern_problem(pattern) is not None:
        return
    naive = re.compile(pattern.replace("*", ".*").replace(":x", "[^/]+"))
    is_match = compile_pattern(pattern)
    for path in paths:
        assert bool(is_match("/" + path)) == bool(naive.fullmatch("/" + path)), path


@given(st.text(max_size=60))
def test_any_text_is_judged(text: str) -> None:
    if pattern_problem("/" + text) is None:
        compile_pattern("/" + text)("/" + text)


@pytest.mark.parametrize(
    ("raw", "path", "expected"),
    [
        (b"/a%20b?c=d", "/a b", "/a%20b"),
        (None, "/a b/ä", "/a%20b/%C3%A4"),
        (b"", "/a", "/a"),
        (b"/\xff", "/\ufffd", "/\xff"),
        (None, "/\ud800", "/%3F"),
    ],
)
def test_the_path_is_the_clients_own(raw: bytes | None, path: str, expected: str) -> None:
    assert request_path({**request(path), "raw_path": raw}) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"match": "/app.*.js"}, b'match="/app.*.js"'),
        ({"match": "/", "id": 'a"b\\c'}, b'match="/", id="a\\"b\\\\c"'),
        ({"match": "/", "match_dest": ["script", ""]}, b'match="/", match-dest=("script" "")'),
        ({"match": "/", "match_dest": ("document",), "id": "v1"}, b'match="/", match-dest=("document"), id="v1"'),
    ],
)
def test_use_as_dictionary_is_a_structured_dictionary(options: dict[str, Any], expected: bytes) -> None:
    """RFC 9842, 2.1; members with their default value, such as type=raw, are left out."""
    assert use_as_dictionary(**options) == expected


def test_a_hash_is_read() -> None:
    field = available(OLD)
    expected = base64.b64decode(field.strip(b":"))
    assert parse_hash(field) == parse_hash(b" " + field + b"  ") == expected
    assert len(expected) == 32


HASH = available(OLD)


@pytest.mark.parametrize(
    "field",
    [
        *(b"", b":", b"::", HASH[1:], HASH[:-1], HASH[1:-1], HASH + b";a", HASH + b", " + HASH, b"\t" + HASH),
        *(b'"' + HASH[1:-1] + b'"', HASH[:-3] + b"==:", b":" + b"A" * 44 + b":", b":" + b"-" * 43 + b"=:"),
        *(HASH + b" " * 9000, b":aGVsbG8=:", HASH[:-1] + b"\n", b"\xff" * 46),
    ],
)
def test_what_is_no_hash_is_refused(field: bytes) -> None:
    assert parse_hash(field) is None


@given(st.binary(max_size=100))
def test_any_bytes_are_judged(field: bytes) -> None:
    assert parse_hash(field) is None


FEW: dict[str, list[dict[str, Any]]] = {
    "binary.json": [{"raw": [":=aGVsbG8=:"], "must_fail": True}, {"raw": [":aGVsbG8=:"], "expected": []}],
    "serialisation/string-generated.json": [
        {"expected": ["\x00", []], "must_fail": True},
        {"expected": ["\x7f", []], "must_fail": True},
    ],
    "string.json": [{"raw": ['"b\\"c\\\\d"'], "expected": ['b"c\\d', []], "header_type": "item"}],
}


def vectors(name: str) -> list[dict[str, Any]]:
    """Return the vectors of a file of the structured field tests, or a few of them."""
    folder = os.environ.get("TEST_VECTORS")
    file = Path(folder, "structured_fields", name) if folder else None
    loaded: list[dict[str, Any]] = json.loads(file.read_text()) if file is not None and file.exists() else FEW[name]
    return loaded


def test_no_vector_of_byte_sequences_is_a_hash() -> None:
    for vector in vectors("binary.json"):
        assert parse_hash(", ".join(vector["raw"]).encode()) is None, vector


def test_strings_are_written_as_the_vectors_say() -> None:
    for vector in vectors("serialisation/string-generated.json"):
        assert not is_sf_string(vector["expected"][0]), vector
    for vector in vectors("string.json"):
        if not vector.get("must_fail") and len(vector["raw"]) == 1:
            text = vector["expected"][0]
            assert is_sf_string(text)
            assert sf_string(text) == vector.get("canonical", vector["raw"])[0], vector
