"""Secrets are in no output: planted as literals, by the environment and by files, they are looked for everywhere."""

from __future__ import annotations

import json
import logging
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from middlewares import ConfigError, ConfiguredApp
from middlewares.cli.commands import cli
from middlewares.config import load
from middlewares.config.describe import describe_configuration
from middlewares.config.writing import to_toml

if TYPE_CHECKING:
    from middlewares.asgi import Receive, Scope, Send

MARKERS = {
    "literal": "Mark3r-literal-9f8a7s6d5f4g3h2j1k0",
    "variable": "Mark3r-variable-0k1j2h3g4f5d6s7a8f9",
    "file": "Mark3r-file-q1w2e3r4t5y6u7i8o9p0lk",
    "password": "Mark3r-password-zxcvbnm",
    "hidden": "Mark3r-hidden-mnbvcxz",
}

RIGHT = f"""
[stores]
main = "redis://user:{MARKERS["password"]}@localhost/1"

[[middleware]]
use = "sessions"
id = "first"
secret_key = "{MARKERS["literal"]}"
store = "main"

[[middleware]]
use = "sessions"
id = "second"
session_cookie = "other"
secret_key = ["${{SESSION}}", "${{file:secret}}"]

[[middleware]]
use = "rate_limit"
store = "main"

[[middleware]]
use = "maintenance"
enabled = false
detail = "${{file:secret}}"

[[middleware]]
use = "vault:Vault"
api_token = "{MARKERS["literal"]}"
label = "${{DB_PASSWORD}}"
"""

VAULT = """
class Vault:
    def __init__(self, app, api_token, label="", fail=False):
        self.app = app
        if fail:
            raise ValueError(f"cannot open {api_token} of {label}" + "x" * 400 + api_token)
    async def __call__(self, scope, receive, send):
        await self.app(scope, receive, send)
"""

WRONG = [
    RIGHT.replace("secret_key", "secret_kye"),
    RIGHT.replace('store = "main"', f'store = "ftp://u:{MARKERS["password"]}@x"'),
    RIGHT.replace('store = "main"', f'store = "redis//h?password={MARKERS["password"]}"'),
    RIGHT.replace('store = "main"', f'store = "redis://h/1?x=1&password={MARKERS["password"]}"\nstroe = 1'),
    RIGHT.replace('detail = "${file:secret}"', 'retry_after = "${file:secret}"'),
    RIGHT.replace(
        'label = "${DB_PASSWORD}"', "fail = true\n[[middleware]]\nuse = 'maintenance'\nactive = ['${file:secret}']"
    ),
    RIGHT.replace('use = "rate_limit"', 'use = "rate_limit"\nlimit = "${file:secret}"'),
    RIGHT.replace('use = "rate_limit"', 'use = "cors"\nallow_origins = ["${file:secret}"]\nmax_age = "${DB_PASSWORD}"'),
    RIGHT.replace('use = "rate_limit"', 'use = "cors"\nallow_origin_regex = "(${file:secret}"'),
    RIGHT.replace('use = "rate_limit"', 'use = "gzip"\nwhen = { paths = ["${file:secret}"] }'),
    RIGHT.replace('use = "rate_limit"', 'use = "gzip"\nenabled = "${DB_PASSWORD}"'),
    RIGHT.replace(f'"{MARKERS["literal"]}"', '"${file:secret}${UNSET}"'),
    RIGHT.replace(f'"{MARKERS["literal"]}"', "{ a = '${file:secret}' }"),
    RIGHT.replace(f'"{MARKERS["literal"]}"', "'${SESSION}" + '"'),
]


@pytest.fixture(autouse=True)
def _planted(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("secret").write_text(MARKERS["file"] + "\n")
    Path("vault.py").write_text(VAULT)
    monkeypatch.syspath_prepend(str(Path.cwd()))
    monkeypatch.setenv("SESSION", MARKERS["variable"])
    monkeypatch.setenv("DB_PASSWORD", MARKERS["hidden"])


def assert_clean(text: str) -> None:
    for kind, marker in MARKERS.items():
        for length in (len(marker), 16):  # not cut short either
            assert marker[:length] not in text, f"a secret ({kind}) is shown in: {text}"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    raise NotImplementedError


def test_what_is_right_shows_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    Path("m.toml").write_text(RIGHT)
    configuration = load("m.toml")
    assert_clean(repr(configuration))
    assert_clean(str(configuration.stack) + repr(configuration.stack) + repr(list(configuration.stack)))
    assert_clean("\n".join(line for layer in describe_configuration(configuration) for line in layer.lines()))
    assert_clean(to_toml(configuration))
    assert_clean(repr(ConfiguredApp(app, configuration)))
    assert_clean(caplog.text)


@pytest.mark.parametrize(
    "words",
    [
        ["check", "m.toml"],
        ["check", "m.toml", "--json"],
        ["explain", "--config", "m.toml"],
        ["explain", "--config", "m.toml", "--json"],
        ["explain", "--config", "m.toml", "--format", "toml"],
        ["explain", "GET", "/", "--config", "m.toml"],
        ["bench", "--config", "m.toml", "--seconds", "0.01", "--json"],
    ],
)
def test_no_command_shows_a_secret(words: list[str]) -> None:
    Path("m.toml").write_text(RIGHT)
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 0, result.output
    assert_clean(result.output)


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_shows_no_secret(text: str, caplog: pytest.LogCaptureFixture) -> None:
    Path("m.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load("m.toml")
    ours = None if caught.value.__traceback__ is None else caught.value.__traceback__.tb_next  # without the test itself
    told = traceback.TracebackException(type(caught.value), caught.value, ours, capture_locals=True)
    assert_clean("".join(told.format()))
    assert_clean(CliRunner().invoke(cli, ["check", "m.toml", "--json"]).output)
    assert_clean(caplog.text)


def test_the_written_file_asks_for_the_secrets_it_does_not_hold() -> None:
    Path("m.toml").write_text(RIGHT)
    text = to_toml(load("m.toml"))
    assert 'secret_key = "${FIRST_SECRET_KEY}" # a secret that the file holds' in text
    assert 'secret_key = ["${SESSION}", "${file:secret}"]' in text
    Path("written.toml").write_text(text)
    with pytest.raises(ConfigError, match="needs the variable FIRST_SECRET_KEY, which is not set"):
        load("written.toml")


def test_json_is_read_back_without_secrets() -> None:
    Path("m.toml").write_text(RIGHT)
    told: dict[str, Any] = json.loads(CliRunner().invoke(cli, ["explain", "--config", "m.toml", "--json"]).output)
    options = {row["name"]: row["value"] for row in told["layers"][0]["options"]}
    assert options["secret_key"] == '"…"'  # noqa: S105 - what hides it
