"""Variables and secret files are filled into values, after the file was read, and become what the option takes."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from middlewares import ConfigError
from middlewares.asgi import ASGIApp
from middlewares.config import load
from middlewares.config.substitution import MAX_SECRET_BYTES, Input, Substitution, looks_secret, references
from middlewares.core.layer import Layer
from middlewares.core.options import check_types
from middlewares.errors import OptionErrors
from tests.config.files import FORMATS, write

if TYPE_CHECKING:
    from middlewares.config.model import Entry

ENVIRONMENT = {
    "HOST": "shop.example",
    "PORT": "8080",
    "EMPTY": "",
    "REFERENCE": "${HOST}",
    "TABLE": '{ use = "x" }\n[evil]\n"a": 1',
    "YES": "Yes",
    "HALF": "a\udcff",
    "API_TOKEN": "tell-nobody-this",
}


def fill(value: Any, folder: str = ".") -> tuple[Any, list[str], list[Input]]:
    """Return a filled value, what is wrong with it, and what was filled in."""
    problems: list[str] = []
    inputs: list[Input] = []
    substitution = Substitution(ENVIRONMENT)
    filled = substitution.fill(value, Path(folder), lambda path, words: problems.append(f"{path} {words}"), inputs)
    return filled, problems, inputs


GRAMMAR = {
    "": "",
    "plain": "plain",
    "${HOST}": "shop.example",
    "https://${HOST}:${PORT}/": "https://shop.example:8080/",
    "${HOST}${PORT}": "shop.example8080",
    "${EMPTY}": "",
    "${EMPTY:-x}": "x",
    "${MISSING:-x}": "x",
    "${MISSING:-}": "",
    "${MISSING:-a:-b}": "a:-b",
    "${MISSING:- a b }": " a b ",
    "${MISSING:-a\nb}": "a\nb",
    "${MISSING:-$$5}": "$5",
    "${HOST:-x}": "shop.example",
    "${MISSING:-x}}": "x}",
    "$$": "$",
    "$$$": "$$",
    "$$$$": "$$",
    "$${HOST}": "${HOST}",
    "$$${HOST}": "$shop.example",
    "a$b": "a$b",
    "$HOST": "$HOST",
    "100 $": "100 $",
    "{HOST}": "{HOST}",
    "^a$": "^a$",
    "${null}": None,
    "$${null}": "${null}",
    # What is filled in is not read again.
    "${REFERENCE}": "${HOST}",
    "${TABLE}": ENVIRONMENT["TABLE"],
}


@pytest.mark.parametrize(("written", "meant"), GRAMMAR.items(), ids=[*map(repr, GRAMMAR)])
def test_what_a_text_means(written: str, meant: str | None) -> None:
    filled, problems, _ = fill(written)
    assert (filled, problems) == (meant, [])


WRONG = {
    "${MISSING}": "needs the variable MISSING, which is not set; set it, or write ${MISSING:-default}",
    "${HALF}": "needs the variable HALF, which is not UTF-8",
    "${HOST": "has a '${' without its end",
    "${": "has a '${' without its end",
    "${}": "must not hold '${}'",
    "${ HOST }": "must not hold '${ HOST }'",
    "${1A}": "must not hold '${1A}'",
    "${A-B}": "must not hold '${A-B}'",
    "${HOST:?no}": "must not hold '${HOST:?no}'",
    "${HOST:x}": "must not hold '${HOST:x}'",
    "${Ä}": "must not hold '${Ä}'",
    "${HOST\n}": "must not hold '${HOST\\n}'",
    "${MISSING:-${HOST}}": "must not hold a reference inside of '${MISSING:-'",
    "${HOST:-${PORT:-1}}": "must not hold a reference inside of '${HOST:-'",
    "${env:HOST}": "must not hold '${env:HOST}'",
    "${file:}": "needs the file '', which cannot be read: it is no regular file",
    "${file:missing}": "needs the file 'missing', which cannot be read: No such file or directory",
    "${file:folder}": "needs the file 'folder', which cannot be read: it is no regular file",
    "${file:pipe}": "needs the file 'pipe', which cannot be read: it is no regular file",
    "${file:/dev/zero}": "needs the file '/dev/zero', which cannot be read: it is no regular file",
    "${file:large}": "needs the file 'large', which cannot be read: it is larger than 64 KiB",
    "${file:latin}": "needs the file 'latin', which is not UTF-8",
    "${file:a\0b}": "needs the file 'a\\x00b', which cannot be read: embedded null byte",
    f"${{{'x' * 500}-}}": f"must not hold '${{{'x' * 77}…'",
}


@pytest.mark.parametrize(("written", "words"), WRONG.items(), ids=[repr(text[:30]) for text in WRONG])
def test_what_is_wrong_with_a_text_is_told(written: str, words: str) -> None:
    Path("folder").mkdir()
    os.mkfifo("pipe")
    Path("large").write_bytes(b"x" * (MAX_SECRET_BYTES + 1))
    Path("latin").write_bytes(b"\xe4")
    begin = perf_counter()
    _, problems, _ = fill([0, {"a": written}])
    assert perf_counter() - begin < 5
    [problem] = problems
    assert problem.startswith(f"(1, 'a') {words}")


FILES = {
    b"secret": "secret",
    b"secret\n": "secret",
    b"secret\r\n": "secret",
    b"secret\n\n": "secret\n",
    b" secret ": " secret ",
    b"": "",
    b"a\nb\n": "a\nb",
    b"${HOST} $$": "${HOST} $$",
    "gehäuse".encode(): "gehäuse",
    b"x" * MAX_SECRET_BYTES: "x" * MAX_SECRET_BYTES,
}


@pytest.mark.parametrize(("content", "meant"), FILES.items(), ids=[repr(content[:20]) for content in FILES])
def test_of_a_file_all_but_the_last_line_end_is_taken(content: bytes, meant: str) -> None:
    Path("folder").mkdir()
    Path("folder/secret").write_bytes(content)
    assert fill("<${file:secret}>", "folder") == (f"<{meant}>", [], [Input("file", "secret")])
    absolute = Path("folder/secret").absolute()
    assert fill(f"<${{file:{absolute}}}>", "elsewhere")[0] == f"<{meant}>"


def test_a_file_is_read_once_for_all_that_name_it() -> None:
    Path("secret").write_text("one")
    substitution = Substitution({})

    def value() -> Any:
        return substitution.fill("${file:secret}", Path(), lambda *_: None, [])

    first = value()
    Path("secret").write_text("two")
    assert value() == first == "one"
    assert substitution.files == {"secret"}


def test_what_is_filled_in_altogether_is_bounded() -> None:
    Path("secret").write_text("x" * MAX_SECRET_BYTES)
    _, problems, _ = fill(["${file:secret}"] * 20)
    assert len(problems) == 4
    assert problems[0] == "(16,) makes the file more than 1024 KiB larger by what is filled in"


@pytest.mark.parametrize("name", FORMATS)
def test_only_values_are_filled_never_keys_or_structure(name: str) -> None:
    entry = {"use": "things:Anything", "${HOST}": "${HOST}", "a": {"${PORT}": ["${PORT}", 8080, True, "${TABLE}"]}}
    write(name, {"middleware": [entry]})
    options = load(name, environment=ENVIRONMENT).entries[0].record.kwargs  # type: ignore[union-attr]  # it is right
    assert options == {
        "${HOST}": "shop.example",
        "a": {"${PORT}": ["8080", 8080, True, ENVIRONMENT["TABLE"]]},
    }


@pytest.mark.parametrize("name", FORMATS)
def test_names_of_middlewares_files_and_profiles_are_not_filled(name: str) -> None:
    write(name, {"middleware": [{"use": "${HOST}"}], "include": "${HOST}"})
    with pytest.raises(ConfigError) as caught:
        load(name, environment=ENVIRONMENT)
    assert len(caught.value.problems) == 2
    assert "unknown middleware '${HOST}'" in str(caught.value)
    assert "include: ${HOST}: there is no such file" in str(caught.value)


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Typed(Layer):
    """One option of each kind."""

    app: ASGIApp = field(kw_only=False)
    switch: bool = False
    number: int = 0
    ratio: float = 0.0
    text: str = ""
    optional: int | None = 1
    either: bool | str = False
    numbers: tuple[int, ...] = ()
    table: dict[str, float] = field(default_factory=dict)
    secret: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        problems = OptionErrors(self)
        check_types(problems, self)
        problems.raise_if_any()


def anything(app: ASGIApp, **options: Any) -> ASGIApp:
    return app


@pytest.fixture(autouse=True)
def things(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files name the above as ``things:Typed`` and ``things:Anything``."""
    module = ModuleType("things")
    vars(module).update(Typed=Typed, Anything=anything)
    monkeypatch.setitem(__import__("sys").modules, "things", module)


def entry_of(environment: dict[str, str], **options: Any) -> Entry:
    write("m.toml", {"middleware": [{"use": "things:Typed", **options}]})
    return load("m.toml", environment=environment).entries[0]


TYPED: list[tuple[str, str, Any]] = [
    ("switch", "true", True),
    ("switch", "False", False),
    ("switch", " on ", True),
    ("switch", "0", False),
    ("number", "8080", 8080),
    ("number", " -3 ", -3),
    ("ratio", "0.5", 0.5),
    ("ratio", "3", 3),
    ("text", "8080", "8080"),
    ("text", "true", "true"),
    ("optional", "5", 5),
    ("either", "true", True),
    ("either", "FALSE", False),
    ("either", "maintenance", "maintenance"),
    ("either", "1", "1"),
]


@pytest.mark.parametrize(("option", "text", "meant"), TYPED)
def test_filled_text_becomes_what_the_option_takes(option: str, text: str, meant: Any) -> None:
    for written in ("${X}", f"${{MISSING:-{text}}}"):
        found = entry_of({"X": text}, **{option: written}).options[option].value
        assert (found, type(found) is bool) == (meant, type(meant) is bool)
        if option in ("text", "number"):
            assert isinstance(found, type(meant))


def test_filled_text_inside_lists_and_tables_becomes_what_they_hold() -> None:
    entry = entry_of({"X": "5"}, numbers=["${X}", 6], table={"a": "${X}.5"}, optional="${null}")
    assert entry.options["numbers"].value == [5, 6]
    assert entry.options["table"].value == {"a": 5.5}
    assert entry.options["optional"].value is None


@pytest.mark.parametrize("option", ["switch", "number", "ratio", "optional"])
@pytest.mark.parametrize("written", ["true", "5"])
def test_text_that_the_file_writes_itself_stays_text(option: str, written: str) -> None:
    with pytest.raises(ConfigError, match=rf"{option} must be .*; got '{written}'"):
        entry_of({}, **{option: written})


@pytest.mark.parametrize(("option", "text"), [("number", "9" * 400), ("switch", "maybe"), ("ratio", "x")])
def test_filled_text_that_does_not_fit_is_told_as_it_is(option: str, text: str) -> None:
    with pytest.raises(ConfigError, match=rf"m.toml:3:\d+: .* {option} must be .*; got '{text[:50]}"):
        entry_of({"X": text}, **{option: "${X}"})


def test_every_value_knows_where_it_comes_from() -> None:
    Path("s").write_text("x")
    entry = entry_of(
        ENVIRONMENT,
        number="${PORT}",
        text="${HOST}:${PORT}/${MISSING:-y}${file:s}",
        numbers=["${PORT}", "${PORT}"],
        switch=True,
        either="$$x",
    )
    assert {name: setting.source for name, setting in entry.options.items()} == {
        "number": "m.toml:3:1, $PORT",
        "text": "m.toml:4:1, $HOST, $PORT, default of $MISSING, file s",
        "numbers": "m.toml:5:1, $PORT",
        "switch": "m.toml:6:1",
        "either": "m.toml:7:1",
    }
    assert entry.options["text"].written == "${HOST}:${PORT}/${MISSING:-y}${file:s}"
    assert entry.options["text"].is_secret
    assert not entry.options["number"].is_secret


@pytest.mark.parametrize("name", FORMATS)
def test_all_that_is_missing_is_told_and_nothing_else(name: str) -> None:
    entries = [
        {"use": "things:Typed", "number": "${A}", "numbers": ["${B}", "x${C}y${D}"], "table": {"k": "${E}"}},
        {"use": "cors", "allow_origins": ["https://${F}"], "enabled": "${G}", "when": {"paths": ["${H}"]}},
    ]
    write(name, {"observability": "${I}", "middleware": entries})
    with pytest.raises(ConfigError) as caught:
        load(name, environment={})
    needed = [problem.partition("needs the variable ")[2][:1] for problem in caught.value.problems]
    assert sorted(needed) == [*"ABCDEFGHI"]


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        *[
            (name, True)
            for name in ("SECRET_KEY", "DB_PASSWORD", "GITHUB_TOKEN", "SENTRY_DSN", "api_key", "KEY", "DB_PWD")
        ],
        *[(name, False) for name in ("HOST", "PORT", "MONKEY_HOUSE", "KEYBOARD", "DATABASE")],
    ],
)
def test_which_variables_are_secret_by_their_names(name: str, secret: bool) -> None:
    assert looks_secret(name) is secret


def test_references_are_found_as_they_are_written() -> None:
    assert [*references({"a": ["${X:-y}", "$$ ${file:z}"], "b": 1, "c": "$${d}"})] == ["${X:-y}", "${file:z}"]


PIECES = st.sampled_from(["$", "$$", "{", "}", "${", "HOST", "${PORT}", ":-", "file:", "x", " ", "${MISSING:-d}", "\n"])


@given(st.lists(PIECES, max_size=12).map("".join))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_text_means_something_or_is_told(text: str) -> None:
    filled, problems, inputs = fill(text)
    assert isinstance(filled, str)
    if "${" not in text.replace("$$", ""):
        assert (filled, problems, inputs) == (text.replace("$$", "$"), [], [])


@given(st.text())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_can_be_written_by_doubling_its_dollars(text: str) -> None:
    meant, problems, inputs = fill(text.replace("$", "$$"))
    assert (meant, problems, inputs) == (text, [], [])


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_value_of_a_variable_is_read_again(text: str) -> None:
    filled = Substitution({"X": text}).fill("<${X}>", Path(), lambda *_: pytest.fail("nothing is wrong with it"), [])
    assert filled == f"<{text}>"
