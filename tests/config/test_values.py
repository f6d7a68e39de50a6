"""Variables and secret files are filled into values after the file was read, and typed by the option."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from middlewares import ConfigError
from middlewares.config import Configuration, load
from tests.config.files import write

KEY = "mVq7-3kd93jf8sXk2-0sdfk3jd93kdjf8w"


def loaded(entry: dict[str, Any], **environment: str) -> Configuration:
    write("m.toml", {"middleware": [entry]})
    return load("m.toml", environment=environment)


def value_of(use: str, option: str, written: Any, **environment: str) -> Any:
    entry = {"use": use, option: written} | ({"secret_key": KEY} if use == "sessions" else {})
    return loaded(entry, **environment).entries[0].options[option].value


def problem_of(use: str, option: str, written: Any, **environment: str) -> str:
    with pytest.raises(ConfigError) as caught:
        value_of(use, option, written, **environment)
    [problem] = caught.value.problems
    return problem


FILLED: list[tuple[str, str, Any, Any]] = [
    ("gzip", "minimum_size", "${N}", 7),
    ("gzip", "minimum_size", "${N}00", 700),
    ("gzip", "minimum_size", "${UNSET:-12}", 12),
    ("gzip", "minimum_size", "${EMPTY:-12}", 12),
    ("gzip", "compresslevel", "${N}", 7),
    ("gzip", "compresslevel", "${null}", None),
    ("gzip", "files", "${OFF}", False),
    ("gzip", "files", "${UNSET:-yes}", True),
    ("timeout", "idle", "${UNSET:-1.5}", 1.5),
    ("concurrency_limit", "limit", "${N}", 7),
    ("concurrency_limit", "limit", "${UNSET:-auto}", "auto"),
    ("sessions", "same_site", "${UNSET:-strict}", "strict"),
    ("sessions", "accept_flask_until", "2099-01-02", date(2099, 1, 2)),
    ("sessions", "user_key", "${N}", "7"),
    ("sessions", "user_key", "a$$b", "a$b"),
    ("sessions", "user_key", "$$${N}$", "$7$"),
    ("sessions", "user_key", "$${N}", "${N}"),
    ("sessions", "user_key", "${EMPTY}x", "x"),
    ("cors", "allow_origins", ["https://${HOST}", "https://b.example"], ["https://a.example", "https://b.example"]),
    ("rate_limit", "rules", [{"limit": "${N}/hour", "burst": "${N}"}], [{"limit": "7/hour", "burst": 7}]),
]


@pytest.mark.parametrize(("use", "option", "written", "value"), FILLED)
def test_what_is_filled_in_gets_the_type_of_the_option(use: str, option: str, written: Any, value: Any) -> None:
    found = value_of(use, option, written, N="7", OFF="off", HOST="a.example", EMPTY="")
    assert (found, type(found)) == (value, type(value))


def test_a_default_ends_at_the_first_brace() -> None:
    assert value_of("sessions", "user_key", "${UNSET:-a}b") == "ab"


@pytest.mark.parametrize(("option", "written"), [("minimum_size", "7"), ("files", "off"), ("compresslevel", "none")])
def test_text_of_the_file_itself_stays_text(option: str, written: str) -> None:
    assert f"{option} must be" in problem_of("gzip", option, written)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("${N}", "must be an integer; got 'seven'"),
        ("${UNSET}", "needs the variable UNSET, which is not set; set it, or write ${UNSET:-default}"),
        ("${no-name}", "must not hold '${no-name}'; write ${NAME}"),
        ("${", "has a '${' without its end"),
        ("${file:missing}", "needs the file 'missing', which cannot be read: No such file or directory"),
        ("${file:.}", "cannot be read: it is no regular file"),
        ("${file:large}", "cannot be read: it is larger than 64 KiB"),
        ("${file:binary}", "which is not UTF-8"),
        ("${file:a\0b}", "cannot be read"),
    ],
)
def test_what_cannot_be_filled_in_is_told(written: str, words: str) -> None:
    Path("large").write_bytes(b"1" * 70_000)
    Path("binary").write_bytes(b"\xff")
    problem = problem_of("gzip", "minimum_size", written, N="seven")
    assert problem.startswith("m.toml:3:16: middleware[1] (gzip): minimum_size ")
    assert words in problem


def test_a_pipe_is_not_waited_for() -> None:
    os.mkfifo("pipe")
    assert "it is no regular file" in problem_of("gzip", "minimum_size", "${file:pipe}")


@pytest.mark.parametrize(
    ("content", "value"), [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a", "a"), (" a ", " a ")]
)
def test_a_secret_file_loses_one_newline(content: str, value: str) -> None:
    Path("secret").write_bytes(content.encode())
    assert str(value_of("sessions", "user_key", "${file:secret}")) == value


def test_a_variable_adds_no_structure_and_no_key() -> None:
    assert "must be a list of strings" in problem_of("cors", "allow_origins", "${LIST}", LIST='["https://a.example"]')
    write("m.toml", {"middleware": [{"use": "gzip", "${KEY}": 1}]})
    with pytest.raises(ConfigError, match=r"unknown option '\$\{KEY\}'"):
        load("m.toml", environment={"KEY": "minimum_size"})


@pytest.mark.parametrize(("value", "enabled"), [("true", True), ("0", False), ("No", False), (" on ", True)])
def test_a_variable_turns_an_entry_off(value: str, enabled: bool) -> None:
    configuration = loaded({"use": "gzip", "enabled": "${GZIP}"}, GZIP=value)
    assert (configuration.entries[0].enabled, len(configuration.stack)) == (enabled, enabled)


def test_matchers_are_filled_in() -> None:
    [record] = loaded({"use": "gzip", "when": {"paths": ["/${P}/*"]}}, P="api").stack
    assert record.kwargs["paths"] == ["/api/*"]


def test_options_named_like_keys_of_an_entry_stand_in_their_own_table() -> None:
    entry = {"use": "starlette.middleware:Middleware", "options": {"use": 1, "enabled": 2, "when": 3}}
    [record] = loaded(entry).stack
    assert record.kwargs == {"use": 1, "enabled": 2, "when": 3}


def test_an_option_given_twice_is_told() -> None:
    with pytest.raises(ConfigError, match="minimum_size is given twice"):
        loaded({"use": "gzip", "minimum_size": 1, "options": {"minimum_size": 2}})


def test_a_file_names_callables() -> None:
    import posixpath

    assert value_of("cors", "allow_origin_callable", "os.path:exists") is posixpath.exists
    assert value_of("rate_limit", "key", "os.path:exists") is posixpath.exists
    assert value_of("rate_limit", "key", "header:authorization") == "header:authorization"
    assert value_of("rate_limit", "key", ["ip", "os.path:exists"]) == ["ip", posixpath.exists]
    assert "has no attribute 'exist'" in problem_of("rate_limit", "key", "os.path:exist")


def test_every_value_knows_where_it_came_from() -> None:
    Path("s").write_text("Set-By-A-File-lkjsdflkjsdflk-9382")
    configuration = loaded({"use": "sessions", "secret_key": "${file:s}", "max_age": "${AGE:-5}", "path": "/a"})
    sources = {name: setting.source for name, setting in configuration.entries[0].options.items()}
    assert sources == {
        "secret_key": "m.toml:3:1, file s",
        "max_age": "m.toml:4:1, default of $AGE",
        "path": "m.toml:5:1",
    }
    assert configuration.files == ("m.toml", "s")
