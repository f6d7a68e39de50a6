"""The schema for editors accepts what the loader accepts, and the shipped one is that of the classes."""

from __future__ import annotations

import copy
import datetime as dt
import importlib.metadata
import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from middlewares import ConfigError
from middlewares.config import load
from middlewares.config.schema import SCHEMA_FILE, config_schema
from middlewares.core.option_docs import option_docs
from middlewares.registry import BUILTIN, load_builtin
from tests.config.files import write
from tests.config.test_describe import ENTRIES

SCHEMA = config_schema(with_plugins=False)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
EXAMPLE = Path(__file__).parents[2] / "examples/middlewares.toml"
KEY = "mVq7-3kd93jf8sXk2-0sdfk3jd93kdjf8w"

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 2000),
    st.floats(-1, 50).map(lambda number: number + 0.25),
    st.sampled_from(
        ["a", "auto", "${N}", "${null}", "5/second", "memory://", "https://a.example", "os.path:join", "off"]
    ),
    st.lists(st.sampled_from(["GET", "https://a.example", "gzip", "br", "/a", 3]), max_size=2),
    st.dictionaries(
        st.sampled_from(["limit", "paths", "match", "path"]), st.sampled_from(["1/hour", ["/a"], "/b", 1]), max_size=2
    ),
    st.lists(st.fixed_dictionaries({"paths": st.just(["/a"]), "limit": st.just("1/hour")}), max_size=1),
)
OPTIONS = sorted((name, doc.name) for name in BUILTIN for doc in option_docs(load_builtin(name)) if doc.name != "clock")


def accepts(data: dict[str, Any]) -> bool:
    write("m.json", data)
    try:
        load(
            "m.json", profile="p" if "p" in data.get("profile", {}) else None, environment={"N": "3", "SECRET_KEY": KEY}
        )
    except ConfigError:
        return False
    return True


def test_the_shipped_schema_is_that_of_the_classes() -> None:
    shipped = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    assert shipped == json.loads(json.dumps(SCHEMA)), (
        f"write it anew: middlewares schema --no-plugins --output {SCHEMA_FILE.name}"
    )


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_example_is_right_by_the_schema() -> None:
    assert list(VALIDATOR.iter_errors(tomllib.loads(EXAMPLE.read_text(encoding="utf-8")))) == []


@given(entries=st.lists(st.sampled_from(ENTRIES), max_size=4))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_right_entries_are_right_by_the_schema(entries: list[dict[str, Any]]) -> None:
    data = {"middleware": entries}
    assert accepts(data)
    VALIDATOR.validate(data)


@given(
    option=st.sampled_from(OPTIONS), value=VALUES, place=st.sampled_from(["entry", "options", "defaults", "profile"])
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_loader_accepts_the_schema_accepts(option: tuple[str, str], value: Any, place: str) -> None:
    use, name = option
    entry: dict[str, Any] = {"use": use} | ({"secret_key": KEY} if use == "sessions" and name != "secret_key" else {})
    data: dict[str, Any] = {"middleware": [entry]}
    if place == "entry":
        entry[name] = value
    elif place == "options":
        entry["options"] = {name: value}
    elif place == "defaults":
        data["defaults"] = {name: value}
    else:
        data["profile"] = {"p": {"middleware": {use: {name: value}}}}
    if accepts(data):
        VALIDATOR.validate(data)


WRONG_TYPES: dict[type, Any] = {bool: "no", int: "7", float: "1.5", str: 7}


@given(option=st.sampled_from(OPTIONS), data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_unknown_keys_and_wrong_types_are_refused_by_both(option: tuple[str, str], data: st.DataObject) -> None:
    use, name = option
    entry: dict[str, Any] = {"use": use} | ({"secret_key": KEY} if use == "sessions" else {})
    [doc] = [doc for doc in option_docs(load_builtin(use)) if doc.name == name]
    if data.draw(st.booleans()) or type(doc.default) not in WRONG_TYPES:
        entry[f"{name}_"] = 1
    else:
        kind = type(doc.default)
        entry[name] = {"nested": {"too": 1}} if kind is str else WRONG_TYPES[kind]
    config = {"middleware": [entry]}
    if kind_is_wide(use, name) and name in entry:
        return
    assert not accepts(config)
    assert not VALIDATOR.is_valid(config)


def kind_is_wide(use: str, name: str) -> bool:
    """Return whether an option takes strings besides numbers or booleans."""
    [doc] = [doc for doc in option_docs(load_builtin(use)) if doc.name == name]
    return ("string" in doc.type and not isinstance(doc.default, str)) or "table" in doc.type


@pytest.mark.parametrize(
    "broken",
    [
        {"middleware": [{"minimum_size": 1}]},
        {"middleware": [{"use": "sessions"}]},
        {"middleware": [{"use": "rate_limit", "rules": [{"paths": ["/"]}]}]},
        {"middleware": [{"use": "cors", "policies": [{"allow_origins": ["*"]}]}]},
        {"middleware": [{"use": "gzip", "when": {}}]},
        {"middleware": [{"use": "gzip", "when": {"path": ["/"]}}]},
        {"middleware": [{"use": "gzip", "enabled": 1}]},
        {"middleware": {}},
        {"middlewares": []},
        {},
        {"middleware": [], "include": 1},
        {"middleware": [], "stores": {"a": 1}, "x": 1},
        {"middleware": [{"use": "gzip"}], "defaults": {"minimum_siz": 1}},
        {"middleware": [{"use": "gzip"}], "profile": {"p": {"middlewar": {}}}},
        {"middleware": [{"use": "gzip"}], "profile": {"p": {"middleware": {"gzip": {"minimum_siz": 1}}}}},
        {"middleware": [{"use": "gzp"}]},
    ],
)
def test_what_is_missing_or_unknown_is_refused_by_both(broken: dict[str, Any]) -> None:
    assert not accepts(copy.deepcopy(broken))
    assert not VALIDATOR.is_valid(broken)


def test_dates_are_text_to_the_schema() -> None:
    entry = {"use": "sessions", "secret_key": KEY, "accept_flask_until": dt.date(2099, 1, 1).isoformat()}
    assert accepts({"middleware": [entry]})
    VALIDATOR.validate({"middleware": [entry]})


def test_plugins_are_in_the_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    group = "middlewares.plugins"
    found = [
        importlib.metadata.EntryPoint("shiny", "middlewares.compression:GZip", group),
        importlib.metadata.EntryPoint("plain", "starlette.middleware.gzip:GZipMiddleware", group),
        importlib.metadata.EntryPoint("broken", "nowhere_module:Layer", group),
    ]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: found)
    validator = jsonschema.Draft202012Validator(config_schema())
    for use, options, is_right in [
        ("shiny", {"minimum_size": 1}, True),
        ("shiny", {"minimum_siz": 1}, False),
        ("plain", {"anything": 1}, True),
        ("unknown", {}, False),
    ]:
        assert validator.is_valid({"middleware": [{"use": use, **options}]}) == is_right
