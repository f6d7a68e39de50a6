"""What the loader accepts the schema accepts; unknown keys, wrong types and missing keys are wrong to both."""

from __future__ import annotations

import copy
import re
from typing import Any

import jsonschema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from middlewares import ConfigError
from middlewares.config import load
from middlewares.config.schema import config_schema
from middlewares.registry import BUILTIN
from tests.config.files import write
from tests.config.generated import VARIABLES, configurations, junk, paths_of

SCHEMA = config_schema(with_plugins=False)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
SLOW = settings(
    deadline=None,
    derandomize=True,
    max_examples=50,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def problems_of(data: Any, profile: str | None = None) -> list[str]:
    write("m.json", data)
    try:
        load("m.json", profile=profile, environment=VARIABLES)
    except ConfigError as error:
        return list(error.problems)
    return []


def faults_of(data: Any) -> list[str]:
    return [f"{[*error.absolute_path]}: {error.message[:200]}" for error in VALIDATOR.iter_errors(data)]


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@given(configurations())
@SLOW
def test_what_is_right_is_right_to_both(data: dict[str, Any]) -> None:
    assert problems_of(data) == []
    if "profile" in data:
        assert problems_of(data, "dev") == []
    assert faults_of(data) == []


TYPE = r"(?:true or false|an integer|a number|a string|a list of [a-z ]+|a table of [a-z ]+|None)"
STRUCTURE = re.compile(rf"unknown option|is required|must be {TYPE}(?: or {TYPE})*(?:;|$)")


@given(configurations(), st.data())
@settings(SLOW, max_examples=100)
def test_what_was_changed_at_random_is_wrong_to_the_loader_where_it_is_to_the_schema(
    data: dict[str, Any], drawn: st.DataObject
) -> None:
    data = copy.deepcopy(data)
    path = drawn.draw(st.sampled_from([path for path in paths_of(data) if not _is_inside_unused(path)]))
    holder: Any = data
    for part in path[:-1]:
        holder = holder[part]
    holder[path[-1]] = drawn.draw(junk)
    problems = problems_of(data)
    faults = faults_of(data)
    assert problems or not faults, faults


@given(configurations(), st.data())
@settings(SLOW, max_examples=100)
def test_an_unknown_key_is_wrong_to_both(data: dict[str, Any], drawn: st.DataObject) -> None:
    data = copy.deepcopy(data)
    tables = [(), *(path for path in paths_of(data) if isinstance(_at(data, path), dict))]
    path = drawn.draw(st.sampled_from([path for path in tables if not _takes_any_key(data, path)]))
    _at(data, path)["unheard_of"] = drawn.draw(junk)
    assert [problem for problem in problems_of(data) if "unheard_of" in problem]
    assert faults_of(data)


@given(configurations(), st.data())
@settings(SLOW, max_examples=100)
def test_a_value_of_the_wrong_type_is_wrong_to_both(data: dict[str, Any], drawn: st.DataObject) -> None:
    """To the schema wherever it is to the loader: what is left to the loader is what it says of the form of values."""
    data = copy.deepcopy(data)
    path = drawn.draw(st.sampled_from([path for path in paths_of(data) if not _is_foreign(data, path)]))
    _at(data, path[:-1])[path[-1]] = drawn.draw(junk.filter(lambda value: value != "${SIZE}"))
    told = [problem for problem in problems_of(data) if STRUCTURE.search(problem) and "no entry takes" not in problem]
    assert faults_of(data) or not told, told


@given(configurations(), st.data())
@SLOW
def test_a_missing_key_is_wrong_to_both(data: dict[str, Any], drawn: st.DataObject) -> None:
    data = {"middleware": copy.deepcopy(data["middleware"])}
    needed = [(index, key) for index, entry in enumerate(data["middleware"]) for key in NEEDED.get(entry["use"], ())]
    index, key = drawn.draw(st.sampled_from([(0, "use"), *needed]))
    entry = data["middleware"][index]
    entry.get("options", {}).pop(key, None)
    entry.pop(key, None)
    assert [problem for problem in problems_of(data) if f"{key} is required" in problem]
    assert faults_of(data)


NEEDED = {"sessions": ("secret_key",)}


def _at(data: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        data = data[part]
    return data


def _is_foreign(data: Any, path: tuple[Any, ...]) -> bool:
    """Return whether a path leads into an entry of a third party, of which a schema knows nothing."""
    section, *rest = path
    if section == "middleware" and len(rest) > 1:
        return ":" in data["middleware"][rest[0]]["use"]
    # Nor does it know what an id stands for.
    return section == "profile" and len(rest) > 3 and rest[2] not in BUILTIN


def _is_inside_unused(path: tuple[Any, ...]) -> bool:
    """Return whether a path leads into a table of an option of a profile that is not chosen, which is not built."""
    return path[0] == "profile" and ("policies" in path[:-1] or "rules" in path[:-1])


def _takes_any_key(data: Any, path: tuple[Any, ...]) -> bool:
    if path in (("stores",), ("profile",)) or path[-1:] == ("stores",):
        return True
    if path == ("defaults",):  # they may be for options of a third party
        return any(":" in entry["use"] for entry in data["middleware"])
    if path[:1] == ("middleware",):
        return _is_foreign(data, (*path, "x"))
    if len(path) == 3 and path[0] == "profile" and path[2] == "middleware":
        return True  # it may be an id
    return path[:1] == ("profile",) and len(path) > 3 and _is_foreign(data, (*path, "x"))
