"""Whatever stands in a file, it becomes a stack or an error with places: never another exception, never much time."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from middlewares import ConfigError
from middlewares.config import load
from middlewares.config.describe import describe_configuration
from middlewares.config.document import read_document
from middlewares.config.json_text import parse_json
from middlewares.config.positions import Malformed
from middlewares.config.writing import to_toml
from middlewares.config.yaml_text import parse_yaml

QUIETLY = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}

KEYS = st.sampled_from(
    [
        *("middleware", "use", "id", "enabled", "when", "options", "defaults", "stores", "profile", "inherits"),
        *("include", "observability", "metrics", "store", "paths", "limit", "rules", "policies", "minimum_size"),
        *("secret_key", "a.b", "x[2].y", "", "\x1b[31m", "allow_origins", "app", "self", "gzip", "key"),
    ]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.sampled_from(
        ["gzip", "cors", "sessions", "rate_limit", "p", "${X}", "${", "$$", "${file:.}", "${null}", "os:path", "m.json"]
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)
ENTRY = st.fixed_dictionaries(
    {"use": st.sampled_from(["gzip", "cors", "sessions", "rate_limit", "timeout", "os.path:join", "compress"])},
    optional={
        "id": VALUES,
        "enabled": VALUES,
        "when": VALUES,
        "options": VALUES,
        "rules": VALUES,
        "policies": VALUES,
        "store": VALUES,
        "limit": VALUES,
        "dictionaries": VALUES,
        "key": VALUES,
    },
)
FILES = st.fixed_dictionaries(
    {},
    optional={
        "middleware": st.one_of(st.lists(ENTRY, max_size=3), VALUES),
        "profile": st.one_of(VALUES, st.dictionaries(st.just("p"), st.dictionaries(KEYS, VALUES, max_size=3))),
        "defaults": VALUES,
        "stores": VALUES,
        "include": VALUES,
        "observability": VALUES,
    },
)


@given(data=FILES, profile=st.sampled_from([None, "p"]))
@settings(max_examples=150, **QUIETLY)  # type: ignore[arg-type]  # of a table
def test_a_file_of_any_shape_is_taken_or_refused(data: dict[str, Any], profile: str | None) -> None:
    Path("m.json").write_text(json.dumps(data))
    problems: tuple[str, ...] = ()
    try:
        configuration = load("m.json", profile=profile, environment={"X": "1"})
    except ConfigError as error:
        problems = error.problems or ("nothing is said",)
    else:
        to_toml(configuration)
        assert len(describe_configuration(configuration)) == len(configuration.entries)
    assert all(problem.startswith("m.json:") and problem.isprintable() for problem in problems)


@pytest.mark.parametrize("parse", [parse_json, parse_yaml])
@given(text=st.text(alphabet='{}[]:,"\\ab-&*!|>#%\n\t \x00\ud83d0.e', max_size=40))
@example(text="a: &a [*a, *a]")
@example(text='{"a":{"b":[{}]}')
@example(text="? [a]\n: b")
@settings(max_examples=150, **QUIETLY)  # type: ignore[arg-type]  # of a table
def test_any_text_is_read_or_malformed(parse: Any, text: str) -> None:
    with contextlib.suppress(Malformed):
        parse(text)


@given(data=st.dictionaries(st.text(max_size=4), VALUES, max_size=4), indent=st.sampled_from([None, 0, 3]))
@settings(max_examples=60, **QUIETLY)  # type: ignore[arg-type]  # of a table
def test_every_value_of_json_has_its_place(data: dict[str, Any], indent: int | None) -> None:
    text = json.dumps(data, indent=indent)
    Path("m.json").write_text(text)
    document = read_document("m.json")
    assert document.data == data
    lines = text.split("\n")
    pending: list[tuple[tuple[str | int, ...], Any]] = [((), data)]
    while pending:
        path, value = pending.pop()
        place = document.value(path)
        rest = "\n".join([lines[place.line - 1][place.column - 1 :], *lines[place.line :]])
        assert json.JSONDecoder().raw_decode(rest)[0] == value
        inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        pending += (((*path, key), item) for key, item in inner)
