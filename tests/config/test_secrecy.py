"""What is secret is taken out of whatever is told, in every form in which somebody may repeat it."""

from __future__ import annotations

import secrets
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from middlewares import ConfigError, ConfiguredApp
from middlewares.config import load
from middlewares.config.describe import describe_configuration
from middlewares.config.secrecy import blotted, without_secrets
from middlewares.config.substitution import Substitution
from middlewares.config.writing import to_toml
from tests.config.files import FORMATS, as_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from middlewares.asgi import ASGIApp, Receive, Scope, Send

BLOTTED = {
    # What is secret, a text, and what is told.
    "a long one": ("hunter2hunter2", "xhunter2hunter2y", "x…y"),
    "a short one alone": ("hunter2", "no hunter2, sir", "no …, sir"),
    "a short one inside of a word": ("hunter2", "hunter2000", "hunter2000"),
    "a very short one": ("a", "a cat", "a cat"),
    "an empty one": ("", "a cat", "a cat"),
    "as repr writes it": ("first\nsecond line", r"got 'first\nsecond line'", "got '…'"),
    "in one line": ("first\n second line", "got first second line", "got …"),
    "with signs of patterns": (r"a.*b(c", r"(a.*b(c)", "(…)"),
}


@pytest.mark.parametrize(("secret", "text", "told"), BLOTTED.values(), ids=BLOTTED.keys())
def test_a_secret_is_blotted_out(secret: str, text: str, told: str) -> None:
    assert blotted(text, {secret, "something else"}) == told


def test_the_longer_of_two_secrets_is_blotted_out_first() -> None:
    assert blotted("a hunter2-hunter2-more b", {"hunter2-hunter2", "hunter2-hunter2-more"}) == "a … b"


def test_an_error_that_tells_no_secret_stays_what_it_is() -> None:
    error = ValueError("no")
    assert without_secrets(error, "x", {"hunter2"}) is error


def test_an_error_whose_cause_tells_a_secret_is_told_without_it() -> None:
    try:
        try:
            raise KeyError("hunter2")  # noqa: TRY301 - so that it is the cause
        except KeyError as inner:
            raise ValueError("outer") from inner
    except ValueError as error:
        told = without_secrets(error, "it was tried", {"hunter2"})
    assert "outer" in str(told)
    assert str(told).endswith(", while it was tried")
    assert told.__cause__ is told.__context__ is None


class Vault:
    """Tells what it is given, in an error with a cause."""

    def __init__(self, app: ASGIApp, url: str = "", api_key: str = "", fails: bool = False, **more: Any) -> None:
        if fails:
            try:
                raise LookupError(f"{url} {api_key} {more}")  # noqa: TRY301 - so that it is the cause
            except LookupError as error:
                raise RuntimeError(f"cannot open {url} with {api_key!r}") from error


@pytest.fixture
def marker() -> str:
    return f"m4rk{secrets.token_hex(12)}"


@pytest.fixture(autouse=True)
def _vault(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("vaults")
    vars(module).update(Vault=Vault)
    monkeypatch.setitem(sys.modules, "vaults", module)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    raise NotImplementedError


def outputs(data: dict[str, Any], name: str, profile: str | None, environment: dict[str, str]) -> Iterator[str]:
    """Yield all that is told of a configuration."""
    Path(name).write_text(as_text(name, data))
    try:
        configuration = load(name, profile=profile, environment=environment)
    except ConfigError as error:
        yield from told(error)
        return
    yield repr(configuration)
    yield repr(configuration.entries)
    yield repr([setting for entry in configuration.entries for setting in entry.options.values()])
    yield str(configuration.stack) + repr(configuration.stack)
    yield "\n".join(line for layer in describe_configuration(configuration) for line in layer.lines())
    yield repr(describe_configuration(configuration))
    yield to_toml(configuration)
    try:
        yield repr(ConfiguredApp(app, configuration))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is to tell nothing
        yield from told(error)


def told(error: BaseException) -> Iterator[str]:
    """Yield an error as it is shown, with those behind it, whether these are shown or not."""
    yield "".join(traceback.format_exception(error))
    behind: BaseException | None = error
    while behind is not None:
        yield f"{behind!r} {behind}"
        behind = behind.__cause__ or behind.__context__


PLANTED: dict[str, Any] = {
    "a literal": {"api_key": "MARK"},
    "a literal in a URL": {"url": "https://me:MARK@h/x"},
    "a literal in a table": {"nested": {"password": "MARK"}},
    "a variable that is named so": {"url": "${DB_PASSWORD}"},
    "a variable of a secret option": {"api_key": "${PLAIN}"},
    "a variable inside of a URL": {"url": "https://me:${PLAIN}@h/x"},
    "a file": {"url": "${file:secret}"},
    "a file in a list in a table": {"nested": {"x": ["${file:secret}"]}},
    "a default": {"api_key": "${MISSING:-MARK}"},
    "the default of a variable that is named so": {"url": "${MISSING_TOKEN:-MARK}"},
    "a quoted password": {"url": "https://me:QUOTED@h/x"},
}
SECTIONS = ("entry", "defaults", "profile", "profile defaults")
FAULTS: list[dict[str, Any]] = [{}, {"fails": True}, {"enabled": "x"}]


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED.keys())
@pytest.mark.parametrize("section", SECTIONS)
def test_a_secret_is_in_no_output(planted: dict[str, Any], section: str, marker: str) -> None:
    marker = f"{marker}/@"
    Path("secret").write_text(marker)
    environment = {"DB_PASSWORD": marker, "PLAIN": marker}
    text = repr(planted).replace("QUOTED", quote(marker, safe="")).replace("MARK", marker)
    options = eval(text)  # noqa: S307 - the literal from above
    for fault in FAULTS:
        for name in FORMATS:
            entry: dict[str, Any] = {"use": "vaults:Vault", **fault}
            data: dict[str, Any] = {"middleware": [entry]}
            if section == "entry":
                entry |= options
            elif section == "defaults":
                data["defaults"] = {key: value for key, value in options.items() if key != "nested"}
                entry |= {key: value for key, value in options.items() if key == "nested"}
            elif section == "profile":
                data["profile"] = {"dev": {"middleware": {"vaults:Vault": options}}}
            else:
                data["profile"] = {
                    "dev": {"defaults": {key: value for key, value in options.items() if key != "nested"}}
                }
            for output in outputs(data, name, "dev" if "profile" in data else None, environment):
                assert marker[:-2] not in output


def test_of_a_url_the_credentials_are_secret_in_each_form_and_the_values_of_its_query() -> None:
    substitution = Substitution({})
    url = "redis+x://me:one%2Ftwo%40three@h/1?a=four&b=five"
    substitution.fill(url, Path(), lambda *_: None, [], is_secret=True)
    secret = substitution.secrets
    assert {"me:one%2Ftwo%40three", "one%2Ftwo%40three", "one/two@three", "four", "five"} <= secret
    assert not {"h", "redis+x", "h/1", url} & secret
