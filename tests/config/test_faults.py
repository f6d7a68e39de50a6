"""A right file with k faults gives exactly k reports, each at its place with the right suggestion, in any format."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from middlewares import ConfigError
from middlewares.config import load
from middlewares.config.schema import config_schema
from tests.config.files import FORMATS, write

KEY = "mVq7-3kd93jf8sXk2-0sdfk3jd93kdjf8w"

RIGHT: list[dict[str, Any]] = [
    {"use": "gzip", "minimum_size": 100},
    {"use": "cors", "allow_origins": ["https://a.example"], "max_age": 60},
    {"use": "sessions", "secret_key": KEY, "secure": False},
    {"use": "rate_limit", "limit": "5/second", "rules": [{"limit": "1/hour", "paths": ["/x"]}]},
    {"use": "timeout", "first_byte": 1.5, "enabled": False},
    {"use": "starlette.middleware.trustedhost:TrustedHostMiddleware", "allowed_hosts": ["a.example"]},
    {"use": "drain", "when": {"paths": ["/api/*"], "methods": ["GET"]}, "options": {"grace": 3}},
]


class Fault(NamedTuple):
    """A wrong entry: the text that is wrong, what is said of it, and whether the schema sees it too."""

    entry: dict[str, Any]
    marker: str
    words: str
    in_schema: bool = True


FAULTS = [
    Fault(
        {"use": "gzip", "minimum_siz": 1}, "minimum_siz", "unknown option 'minimum_siz'; did you mean 'minimum_size'?"
    ),
    Fault({"use": "gzip", "compresslevel": "wrong-1"}, "wrong-1", "compresslevel must be an integer or None"),
    Fault({"use": "cors", "allow_orgins": []}, "allow_orgins", "did you mean 'allow_origins'?"),
    Fault({"use": "cors", "max_age": "wrong-2"}, "wrong-2", "max_age must be an integer; got 'wrong-2'"),
    Fault({"use": "cors", "allow_methods": "wrong-3"}, "wrong-3", "allow_methods must be a list of strings"),
    Fault({"use": "timeout", "first_bite": 1}, "first_bite", "did you mean 'first_byte'?"),
    Fault({"use": "drain", "enabled": "wrong-4"}, "wrong-4", "enabled must be true or false; got 'wrong-4'"),
    Fault({"use": "drain", "enabeld": True}, "enabeld", "did you mean 'enabled'?"),
    Fault({"use": "drain", "when": {"exclude_path": ["/"]}}, "exclude_path", "did you mean 'exclude_paths'?"),
    Fault({"use": "drain", "options": {"grase": 1}}, "grase", "unknown option 'grase'; did you mean 'grace'?"),
    Fault({"use": "compres"}, "compres", "unknown middleware 'compres'; did you mean 'compress'?"),
    Fault(
        {"use": "rate_limit", "rules": [{"limit": "1/hour"}, {"limit": "2/hour", "pathz": ["/"]}]},
        "pathz",
        "unknown option 'rules[2].pathz'; did you mean 'paths'?",
    ),
    Fault(
        {"use": "cors", "policies": [{"paths": ["/x"], "max_age": "wrong-5"}]},
        "wrong-5",
        "policies[1].max_age must be an integer",
    ),
    Fault({"use": "cors", "allow_origins": ["wrong-6"]}, "wrong-6", "allow_origins must hold origins", in_schema=False),
    Fault(
        {"use": "decompress", "max_size": "${MISSING_1}"},
        "${MISSING_1}",
        "needs the variable MISSING_1",
        in_schema=False,
    ),
    Fault(
        {"use": "decompress", "max_size": "${file:no.txt}"},
        "${file:no.txt}",
        "needs the file 'no.txt'",
        in_schema=False,
    ),
    Fault(
        {"use": "starlette.middleware.trustedhost:TrustedHostMiddleware", "allowed_host": ["a"]},
        "allowed_host",
        "did you mean 'allowed_hosts'?",
        in_schema=False,
    ),
    Fault(
        {"use": "cors", "allow_origin_callable": "nowhere_module:function"},
        "nowhere_module:function",
        "there is no module 'nowhere_module'",
        in_schema=False,
    ),
]

MIXED = st.tuples(
    st.lists(st.sampled_from(RIGHT), min_size=1, max_size=4),
    st.lists(st.sampled_from(range(len(FAULTS))), unique=True, max_size=5),
    st.randoms(use_true_random=False),
)
SCHEMA = jsonschema.Draft202012Validator(config_schema(with_plugins=False))


@pytest.mark.parametrize("name", FORMATS)
@given(mixed=MIXED)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_fault_is_reported_once_at_its_place(name: str, mixed: tuple[Any, list[int], Any]) -> None:
    right, chosen, random = mixed
    faults = [FAULTS[index] for index in chosen]
    entries = [*right, *(fault.entry for fault in faults)]
    random.shuffle(entries)
    data = {"middleware": entries}
    text = write(name, data)
    expected: dict[tuple[int, int], str] = {}
    for fault in faults:
        expected[_place(text, fault.marker)] = fault.words
    try:
        load(name)
        problems: list[str] = []
    except ConfigError as error:
        problems = list(error.problems)
    assert len(problems) == len(faults), problems
    for problem, (place, words) in zip(problems, sorted(expected.items()), strict=True):
        line, column = place
        assert problem.startswith(f"{name}:{line}:{column}: middleware["), (problem, place)
        assert words in problem
    if not faults:
        assert SCHEMA.is_valid(data)
    elif any(fault.in_schema for fault in faults):
        assert not SCHEMA.is_valid(data)


def _place(text: str, marker: str) -> tuple[int, int]:
    """Return where a marker stands: an independent look at the text."""
    found = [m for m in re.finditer(re.escape(marker), text) if not re.match(r"\w", text[m.end() : m.end() + 1])]
    start = found[0].start()
    if text[start - 1] in "\"'":
        start -= 1
    if marker == "wrong-6":  # a problem of a list is told where the list begins
        opening = "- " if "- wrong-6" in text else "["
        start = text.rindex(opening, 0, start)
    line = text.count("\n", 0, start) + 1
    return line, start - (text.rfind("\n", 0, start) + 1) + 1


@pytest.mark.parametrize("name", FORMATS)
def test_a_missing_option_is_told_where_its_entry_begins(name: str) -> None:
    write(name, {"middleware": [{"use": "gzip"}, {"use": "sessions"}]})
    with pytest.raises(ConfigError) as caught:
        load(name)
    [problem] = caught.value.problems
    assert problem.endswith("middleware[2] (sessions): secret_key is required")
    assert int(problem.split(":")[1]) > 2


def test_every_missing_variable_is_told() -> None:
    entry = {"use": "cors", "allow_origins": ["${ONE}", "${TWO}"], "max_age": "${THREE}"}
    write("m.toml", {"middleware": [entry]})
    with pytest.raises(ConfigError) as caught:
        load("m.toml")
    assert [re.findall("variable (\\w+)", problem) for problem in caught.value.problems] == [
        ["ONE"],
        ["TWO"],
        ["THREE"],
    ]
