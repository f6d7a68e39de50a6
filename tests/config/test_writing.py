"""Any configuration, written as one file and read again, is the same; and built in code it is described the same."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from middlewares import Middleware, Stack, When
from middlewares.config import load
from middlewares.config.describe import describe, describe_configuration
from middlewares.config.resolve import resolve_middleware
from middlewares.config.sections import ENTRY_KEYS
from middlewares.config.writing import to_toml
from tests.config.files import as_text
from tests.config.generated import KEY, VARIABLES, configurations

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp

QUICK = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
ENVIRONMENT = VARIABLES | {
    f"{label}_SECRET_KEY{end}": KEY for label in ("SESSIONS", "ID_0", "ID_1", "ID_2", "ID_3") for end in ("", "_1")
}


def told(configuration: Any) -> list[str]:
    return [line for layer in describe_configuration(configuration) for line in layer.lines(sources=False)]


@given(
    data=configurations(), name=st.sampled_from(["m.yaml", "m.json"]), profile=st.sampled_from([None, "base", "dev"])
)
@QUICK
def test_any_configuration_is_written_as_one_that_is_the_same(
    data: dict[str, Any], name: str, profile: str | None
) -> None:
    profile = profile if "profile" in data else None
    Path(name).write_text(as_text(name, data))
    first = load(name, profile=profile, environment=ENVIRONMENT)
    text = to_toml(first)
    Path("written.toml").write_text(text)
    second = load("written.toml", environment=ENVIRONMENT)
    assert [entry.fingerprint() for entry in second.entries] == [entry.fingerprint() for entry in first.entries]
    assert [entry.enabled for entry in second.entries] == [entry.enabled for entry in first.entries]
    assert told(second) == told(first)
    # Only a secret that stands in the file is not written, and its place is marked.
    assert to_toml(second) == text.replace(" # a secret that the file holds", "")


FILLED = {
    "${SIZE}": 700,
    "${MISSING:-3}": 3,
    "${SWITCH}": False,
    "${MISSING:-true}": True,
    "${ORIGIN}": "https://b.example",
    "${STORE}": "memory://",
}


def in_code(value: Any, *, is_option: bool = True) -> Any:
    """Return a value of a file as somebody would write it in code."""
    if isinstance(value, dict):
        return {key: in_code(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return tuple(map(in_code, value))
    return FILLED.get(value, value) if isinstance(value, str) else value


def built(data: dict[str, Any]) -> Stack:
    records = []
    for entry in data["middleware"]:
        options = {name: value for name, value in entry.items() if name not in ENTRY_KEYS}
        options |= entry.get("options", {})
        cls: Any = resolve_middleware(entry["use"])
        defaults = data.get("defaults", {}) if "minimum_size" in getattr(cls, "__dataclass_fields__", {}) else {}
        options = {name: in_code(value) for name, value in (defaults | options).items()}
        if options.get("store") in ("main", "other"):
            options["store"] = "memory://"
        record = Middleware(cls, **options)
        if in_code(entry.get("enabled", True)):
            records.append(When(record, **in_code(entry["when"])) if "when" in entry else record)
    return Stack(*records)


@given(data=configurations())
@QUICK
def test_a_stack_from_a_file_is_described_as_the_same_in_code(data: dict[str, Any]) -> None:
    Path("m.json").write_text(as_text("m.json", data))
    stack = load("m.json", environment=ENVIRONMENT).stack
    expected = [line for layer in describe(built(data)) for line in layer.lines(sources=False)]
    assert [line for layer in describe(stack) for line in layer.lines(sources=False)] == expected


WRITTEN: dict[str, Any] = {
    "text": "a",
    "dollars": "$$ ${MISSING:-$$}",
    "quotes": "\"'\\\b\t\n\f\r\x00\x7f\x85\u2028é😀",
    "numbers": [0, -1, 2**63 - 1, -(2**63), 1e300, 1.5e-7, 0.1, -0.0],
    "truth": [True, False],
    "nothing": None,
    "empty": ["", [], {}],
    "deep": {"a": {"": [{"b c": {"d.e": [[1]]}}]}},
    "date": "2026-01-01",
    "app_": 1,
    "id": "an option of this name",
    "when": {"x": 1},
    "enabled": "no",
    "options": [1],
    "long": ["x" * 40, "y" * 40, "z" * 40],
}


@pytest.mark.parametrize("name", ["m.json", "m.yaml"])
@pytest.mark.parametrize("option", WRITTEN)
def test_any_value_is_written_as_it_was(name: str, option: str) -> None:
    use = "starlette.middleware:Middleware"
    Path(name).write_text(as_text(name, {"middleware": [{"use": use, "options": {option: WRITTEN[option]}}]}))
    first = load(name, environment={})
    text = to_toml(first)
    Path("written.toml").write_text(text)
    second = load("written.toml", environment={})
    assert second.entries[0].fingerprint() == first.entries[0].fingerprint()
    assert to_toml(second) == text


SECRETS: dict[str, tuple[Any, str]] = {
    # What stands in a file for a secret option, and what is written of it.
    "a literal": (KEY, '"${SESSIONS_SECRET_KEY}" # a secret that the file holds'),
    "a list of literals": ([KEY], '["${SESSIONS_SECRET_KEY_1}"] # a secret that the file holds'),
    "a variable": ("${K}", '"${K}"'),
    "variables": (["${K}", "${K}"], '["${K}", "${K}"]'),
    "a file": ("${file:k}", '"${file:k}"'),
    "a default": ("${MISSING:-" + KEY + "}", '"${SESSIONS_SECRET_KEY}" # a secret that the file holds'),
    "a literal beside a variable": (
        ["${K}", KEY],
        '["${K}", "${SESSIONS_SECRET_KEY_2}"] # a secret that the file holds',
    ),
    "a literal and a variable": ("hunter2${K}", '"${SESSIONS_SECRET_KEY}" # a secret that the file holds'),
    "what the option reads itself": ("env:K", '"env:K"'),
}


@pytest.mark.parametrize(("given_key", "written"), SECRETS.values(), ids=SECRETS.keys())
def test_a_secret_is_written_only_where_it_stands_elsewhere(
    given_key: Any, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("K", KEY)
    Path("k").write_text(KEY)
    Path("m.json").write_text(as_text("m.json", {"middleware": [{"use": "sessions", "secret_key": given_key}]}))
    assert to_toml(load("m.json")).splitlines() == ["[[middleware]]", 'use = "sessions"', f"secret_key = {written}"]


STORES = {
    "memory://": "memory://",
    "sqlite:///a.db": "sqlite:///a.db",
    "redis://h/1": "redis://h/1",
    "redis://user:${PW}@h/1": "redis://user:${PW}@h/1",
    "redis://${USER_NAME}:pw@h/1": None,
    "redis://user:pw@h/1": None,
    "redis://:pw@h/1": None,
    "redis://h/1?password=pw": None,
    "redis://user:${PW:-pw}@h/1": None,
    "redis://user:${PW}pw@h/1": None,
    "${STORE}": "${STORE}",
    "${STORE:-memory://}": "${STORE:-memory://}",
    "${STORE:-redis://:pw@h/1}": None,
}


@pytest.mark.parametrize(("url", "written"), STORES.items(), ids=STORES.keys())
def test_the_url_of_a_store_is_written_unless_it_holds_a_password(url: str, written: str | None) -> None:
    Path("m.json").write_text(as_text("m.json", {"middleware": [{"use": "rate_limit", "store": url}]}))
    environment = {"PW": "hunter2hunter2", "USER_NAME": "me", "STORE": "redis://:hunter2hunter2@h/1"}
    [line] = [line for line in to_toml(load("m.json", environment=environment)).splitlines() if "store" in line]
    assert line.removeprefix("store = ") == (
        f'"{written}"' if written else '"${RATE_LIMIT_STORE}" # a secret that the file holds'
    )


FOREIGN: dict[str, tuple[Any, str]] = {
    # What stands in a file for an option of a class that is not ours, and what is written of it.
    "a DSN": ({"dsn": "https://hunter2@errors.example/1"}, 'dsn = "${ANYTHING_DSN}" # a secret that the file holds'),
    "a number": ({"api_key": 1234}, 'api_key = "${ANYTHING_API_KEY}" # a secret that the file holds'),
    "a switch": ({"check_token": True}, "check_token = true"),
    "in a table": (
        {"database": {"host": "h", "password": "hunter2"}},
        'database = { host = "h", password = "${ANYTHING_DATABASE_PASSWORD}" } # a secret that the file holds',
    ),
    "in a list of tables": (
        {"users": [{"name": "me", "token": ["hunter2"]}]},
        'users = [{ name = "me", token = ["${ANYTHING_USERS_1_TOKEN_1}"] }] # a secret that the file holds',
    ),
    "a variable": ({"label": "to ${DB_PASSWORD}"}, 'label = "to ${DB_PASSWORD}"'),
    "the default of one": (
        {"label": "to ${DB_PASSWORD:-hunter2}"},
        'label = "${ANYTHING_LABEL}" # a secret that the file holds',
    ),
    "a URL": (
        {"upstream": "https://me:hunter2@h/"},
        'upstream = "${ANYTHING_UPSTREAM}" # a secret that the file holds',
    ),
    "a URL with a variable": ({"upstream": "https://me:${PW}@h/"}, 'upstream = "https://me:${PW}@h/"'),
    "a webhook": (
        {"secret_url": "https://hooks.example/hunter2"},
        'secret_url = "${ANYTHING_SECRET_URL}" # a secret that the file holds',
    ),
}


def anything(app: ASGIApp, **options: Any) -> ASGIApp:
    return app


@pytest.mark.parametrize(("options", "written"), FOREIGN.values(), ids=FOREIGN.keys())
def test_of_other_classes_the_names_tell_what_is_secret(
    options: dict[str, Any], written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("others")
    vars(module).update(anything=anything)
    monkeypatch.setitem(sys.modules, "others", module)
    Path("m.json").write_text(as_text("m.json", {"middleware": [{"use": "others:anything", **options}]}))
    configuration = load("m.json", environment={"DB_PASSWORD": "hunter2", "PW": "hunter2hunter2"})
    assert to_toml(configuration).splitlines()[2:] == [written]
    assert "hunter2" not in "".join(told(configuration))
    assert "hunter2" not in repr(configuration.stack)
    if "${" not in str(options) and "api_key" not in options:
        code = Stack(Middleware(anything, **options))
        assert [line for layer in describe(code) for line in layer.lines(sources=False)] == told(configuration)
