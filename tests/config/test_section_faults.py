"""Faults outside of the entries: k of them in a file that is right give k reports, in any format and any company."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from middlewares import ConfigError
from middlewares.config import load
from tests.config.files import FORMATS, write

_Fault = tuple[tuple[str, ...], Any, str, str]

RIGHT: dict[str, Any] = {
    "middleware": [
        {"use": "gzip", "minimum_size": 100},
        {"use": "rate_limit", "limit": "5/second", "store": "main"},
        {"use": "drain", "id": "last"},
    ],
    "defaults": {"grace": 2},
    "stores": {"main": "memory://"},
    "profile": {"base": {"middleware": {"gzip": {"minimum_size": 1}}}, "dev": {"inherits": "base"}},
}

FAULTS: list[_Fault] = [
    # Where something wrong is put, what it is, what is said of it, and what stands at the place that is told.
    (("defalts",), {}, "unknown option 'defalts'; did you mean 'defaults'?", "defalts"),
    (("include",), ["missing.toml"], "missing.toml: there is no such file", "missing.toml"),
    (("observability",), 3, "observability must be true or false, or a table of ", "3"),
    (("defaults", "grase"), 1, "defaults: unknown option 'grase': no entry takes it; did you mean 'grace'?", "grase"),
    (("stores", "other"), 5, "stores.other must be a string, the URL of a store", "5"),
    (("profile", "dev", "inherits"), "bass", "profile dev: there is no profile 'bass'; did you mean 'base'?", "bass"),
    (("profile", "dev", "middlewares"), {}, "unknown option 'middlewares'; did you mean 'middleware'?", "middlewares"),
    (("profile", "one"), 1, "must be a table of inherits, defaults, stores, middleware", "1"),
    (("profile", "two"), {"inherits": "two"}, "profile two: profile 'two' inherits from itself", "two"),
    (("profile", "base", "middleware", "gzp"), {}, "there is no entry 'gzp'; did you mean 'gzip'?", "gzp"),
    (("profile", "base", "middleware", "drain"), {}, "there is no entry 'drain'", "drain"),
    (("profile", "base", "middleware", "last"), {"use": "gzip"}, "profile base (last): unknown option 'use'", "use"),
    (("profile", "base", "middleware", "rate_limit"), {"limt": "1/hour"}, "did you mean 'limit'?", "limt"),
    (("profile", "base", "middleware", "gzip"), {"minimum_size": "x"}, "minimum_size must be an integer; got 'x'", "x"),
]


def with_faults(faults: list[_Fault]) -> dict[str, Any]:
    data: dict[str, Any] = _copied(RIGHT)
    for (*path, key), value, *_ in faults:
        table = data
        for part in path:
            table = table.setdefault(part, {})
        table[key] = value
    return data


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value


def problems_of(name: str, data: dict[str, Any]) -> list[str]:
    write(name, data)
    try:
        load(name, environment={})
    except ConfigError as error:
        return list(error.problems)
    return []


@pytest.mark.parametrize("fault", FAULTS, ids=[".".join(path) for path, *_ in FAULTS])
@pytest.mark.parametrize("name", FORMATS)
def test_a_fault_is_told_at_its_place(name: str, fault: _Fault) -> None:
    [problem] = problems_of(name, with_faults([fault]))
    place, _, told = problem.partition(": ")
    assert fault[2] in told
    file, line, column = place.split(":")
    assert file == name
    rest = Path(name).read_text(encoding="utf-8").split("\n")[int(line) - 1][int(column) - 1 :]
    assert rest.lstrip("\"'[").startswith(fault[3])


@pytest.mark.parametrize("name", FORMATS)
@given(faults=st.lists(st.sampled_from(FAULTS), unique_by=lambda fault: fault[0], max_size=6))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_as_many_faults_are_told_as_there_are(name: str, faults: list[_Fault]) -> None:
    problems = problems_of(name, with_faults(faults))
    assert len(problems) == len(faults), problems
    for _, _, words, _ in faults:
        assert len([problem for problem in problems if words in problem]) == 1
