"""YAML, JSON and pyproject.toml mean what the same TOML means, and hostile ones end in an error at a place."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from middlewares import ConfigError, MissingExtra, from_config
from middlewares.config.document import read_document
from tests.config.files import FORMATS, write

DATA = {
    "middleware": [
        {"use": "cors", "allow_origins": ["https://a.example"], "policies": [{"paths": ["/x"], "max_age": 5}]},
        {"use": "gzip", "minimum_size": 7, "when": {"paths": ["/é/*"]}, "enabled": True},
    ]
}


def problem_of(name: str, text: str | bytes) -> str:
    Path(name).write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ConfigError) as caught:
        read_document(name)
    return str(caught.value)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_stack(name: str) -> None:
    write(name, DATA)
    write("expected.toml", DATA)
    assert str(from_config(name)) == str(from_config("expected.toml"))


@pytest.mark.parametrize("name", FORMATS)
def test_every_value_has_its_place(name: str) -> None:
    text = write(name, DATA)
    document = read_document(name)
    lines = text.splitlines()
    for path, shown in [(("middleware", 1, "minimum_size"), "7"), (("middleware", 0, "policies", 0, "max_age"), "5")]:
        place = document.value(path)
        assert lines[place.line - 1][place.column - 1 :].startswith(shown)
        key = document.key(path)
        assert lines[key.line - 1][key.column - 1 :].lstrip('"').startswith(str(path[-1]))


def test_words_of_yaml_are_what_they_look_like() -> None:
    """YAML 1.2.2, 10.3: `no` and `on` are text, `010` is ten; in YAML 1.1 they were not."""
    Path("m.yml").write_text(
        "no: no\non: yes\na: 010\nb: 0o10\nc: 1:30\nd: 2027-01-01\ne:\nf: ~\ng: True\nh: -1.5e3\ni: .inf\nj: 0x1f\n"
        "k: '1'\n"
    )
    assert read_document("m.yml").data == {
        "no": "no",
        "on": "yes",
        "a": 10,
        "b": 8,
        "c": "1:30",
        "d": "2027-01-01",
        "e": None,
        "f": None,
        "g": True,
        "h": -1500.0,
        "i": float("inf"),
        "j": 31,
        "k": "1",
    }


def test_an_anchor_stands_for_what_it_names() -> None:
    Path("m.yaml").write_text("a: &x [1, {b: 2}]\nc: *x\n")
    assert read_document("m.yaml").data == {"a": [1, {"b": 2}], "c": [1, {"b": 2}]}


_LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 25))

MALFORMED: dict[str, tuple[str, str | bytes, str]] = {
    "a tag": ("m.yaml", "a: !!python/object/apply:os.system [x]", "m.yaml:1:4: is not read: tags are refused"),
    "a plain tag": ("m.yaml", "a:\n  b: !x y", "m.yaml:2:6: is not read: tags"),
    "a billion laughs": ("m.yaml", _LAUGHS, "holds more than 20000 values, with those that aliases repeat"),
    "an anchor in itself": ("m.yaml", "a: &a [*a]", "m.yaml:1:4: is nested more than 32 levels deep"),
    "deep brackets in YAML": ("m.yaml", "[" * 200_000, "m.yaml:1:34: is nested more than 32 levels deep"),
    "deep brackets in JSON": ("m.json", "[" * 200_000, "m.json:1:34: is nested more than 32 levels deep"),
    "deep objects in JSON": ("m.json", '{"a":' * 50_000, "is nested more than 32 levels deep"),
    "a key twice in YAML": ("m.yaml", "a:\n  b: 1\n  b: 2", "m.yaml:3:3: the key 'b' stands twice"),
    "a key twice in JSON": ("m.json", '{"a": 1,\n "\\u0061": 2}', "m.json:2:2: the key 'a' stands twice"),
    "a merge key": ("m.yaml", "a: &a {b: 1}\nc:\n  <<: *a", "m.yaml:3:3: merge keys are not read"),
    "a key that is no text": ("m.yaml", "1: a", "m.yaml:1:1: a key must be text; put it in quotes"),
    "two documents": ("m.yaml", "a: 1\n---\nb: 2", "m.yaml:2:1: is not YAML"),
    "an unknown anchor": (
        "m.yaml",
        "a: *b",
        "m.yaml:1:4: is not YAML: found undefined alias; put text that begins with '*' in quotes",
    ),
    "no YAML": ("m.yaml", "a: b: c", "m.yaml:1:5: is not YAML: mapping values are not allowed here"),
    "a control character": ("m.yaml", "a: \x00", "m.yaml:1:4: is not YAML: the character '\\x00'"),
    "no JSON": ("m.json", '{"a": 1,}', "m.json:1:9: is not JSON"),
    "more than JSON": ("m.json", "{} {}", "m.json:1:4: is not JSON: Extra data"),
    "NaN": ("m.json", '{"a": NaN}', "m.json:1:7: is not JSON: must be a finite number"),
    "a huge number in JSON": (
        "m.json",
        f'{{"a": {"9" * 5000}}}',
        "m.json:1:7: is not JSON: an integer must fit 64 bits",
    ),
    "a huge number in YAML": ("m.yaml", f"a: {'9' * 5000}", "m.yaml:1:4: is not YAML: an integer must fit 64 bits"),
    "half a character in JSON": ("m.json", '{"a": "\\ud800"}', "m.json:1:7: is not JSON: half of a surrogate pair"),
    "half a character in a key": ("m.json", '{"\\ud800": 1}', "is not JSON: half of a surrogate pair"),
    "a list": ("m.yaml", "- use: gzip", "m.yaml:1:1: must be a table of keys and values"),
    "a number": ("m.json", " 1", "m.json:1:2: must be a table of keys and values"),
    "no UTF-8": ("m.yaml", b"a: \xff", "m.yaml:1:4: is not UTF-8: byte 0xff"),
    "another project": ("pyproject.toml", "[tool.ruff]", "pyproject.toml: there is no table [tool.middlewares]"),
    "no table": ("pyproject.toml", "[tool]\nmiddlewares = 1", "pyproject.toml:2:15: must be a table"),
}


@pytest.mark.parametrize(("name", "text", "words"), MALFORMED.values(), ids=MALFORMED.keys())
@pytest.mark.timeout(20)
def test_what_is_malformed_is_told(name: str, text: str | bytes, words: str) -> None:
    assert words in problem_of(name, text)


def test_an_empty_yaml_file_has_no_entries() -> None:
    Path("m.yaml").write_text("# nothing\n")
    with pytest.raises(ConfigError, match=r"^m\.yaml:1:1: there is no key 'middleware'; write middleware: \[\]"):
        from_config("m.yaml")


def test_an_editor_may_note_its_schema() -> None:
    write("m.json", {"$schema": "./middlewares.schema.json", **DATA})
    assert len(from_config("m.json")) == 2


def test_null_is_none_in_every_format() -> None:
    entry: dict[str, Any] = {"use": "gzip", "compresslevel": None}
    for name in FORMATS:  # TOML has no word for it: "${null}"
        write(name, {"middleware": [entry]})
        assert from_config(name)[0].kwargs == {"compresslevel": None}


def test_yaml_without_its_extra_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("m.yaml").write_text("middleware: []")
    monkeypatch.setitem(sys.modules, "middlewares.config.yaml_text", None)
    with pytest.raises(MissingExtra, match=r"the YAML file 'm\.yaml' needs an optional dependency: .*\[config\]"):
        from_config("m.yaml")
