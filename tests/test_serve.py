"""The application factory for servers finds the application and the file by the environment."""

from __future__ import annotations

import sys
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from middlewares import ConfigError, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from middlewares.asgi import Message, Scope

SHOP = """
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"apples " * 1000})

    class Registry:
        app = staticmethod(app)

    def create_app():
        return app

    async def create_app_async():
        return app

    def create_nothing():
        return None

    def fail():
        raise RuntimeError("no database")

    def leave():
        raise SystemExit("DATABASE_URL is not set")

    def needs(settings):
        return app

    def refuse(app):
        raise TypeError("no")

    table = {}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in a folder with an application and a configuration file."""
    (tmp_path / "servedshop.py").write_text(dedent(SHOP))
    (tmp_path / "middlewares.toml").write_text('[[middleware]]\nuse = "gzip"')
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for variable in (serve.APP_VARIABLE, serve.CONFIG_VARIABLE):
        monkeypatch.delenv(variable, raising=False)
    yield tmp_path
    sys.modules.pop("servedshop", None)


async def headers_of(app: Any) -> dict[bytes, bytes]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "headers": [(b"accept-encoding", b"gzip")],
    }
    await app(scope, receive, send)
    return {name.lower(): value for name, value in sent[0]["headers"]}


@pytest.mark.parametrize("name", ["servedshop:app", "servedshop:Registry.app", "servedshop:create_app()"])
async def test_the_environment_names_the_application_and_the_file(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(serve.APP_VARIABLE, name)
    monkeypatch.setenv(serve.CONFIG_VARIABLE, "middlewares.toml")
    assert (await headers_of(serve.app()))[b"content-encoding"] == b"gzip"


async def test_the_file_in_the_current_directory_is_taken_where_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(serve.APP_VARIABLE, "servedshop:app")
    assert b"content-encoding" in await headers_of(serve.app())


def test_without_a_file_to_take_it_is_told(
    monkeypatch: pytest.MonkeyPatch, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "middlewares.toml").unlink()
    monkeypatch.setenv(serve.APP_VARIABLE, "servedshop:app")
    with pytest.raises(SystemExit) as caught:
        serve.app()
    assert caught.value.code == 2
    told = f"no configuration file is named, and there is no middlewares.toml in {folder}\n"
    assert capsys.readouterr().err == told


def test_without_an_application_it_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        serve.app()
    assert caught.value.code == 2
    assert capsys.readouterr().err == "MIDDLEWARES_APP is not set: it must name the application, as in 'shop:app'\n"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("servedshop", "'servedshop' is not of the form 'package.module:attribute'"),
        ("servedshop:ap", "module 'servedshop' has no attribute 'ap'; did you mean 'app'?"),
        ("missingshop:app", "there is no module 'missingshop'"),
        ("servedshop:table", "is not callable, but an object of type 'dict'"),
        ("servedshop:table()", "is not callable, but an object of type 'dict'"),
        ("servedshop:create_nothing()", "is not callable, but an object of type 'NoneType'"),
        ("servedshop:create_app_async()", "the factory must be a plain function, not an async one"),
        (
            "servedshop:create_app",
            "takes no arguments; if it returns the application, write 'servedshop:create_app()'",
        ),
        (
            "servedshop:leave()",
            "the factory failed: SystemExit: DATABASE_URL is not set ({folder}/servedshop.py, line 22)",
        ),
        (
            "servedshop:needs()",
            "the factory failed: TypeError: needs() missing 1 required positional argument: 'settings'",
        ),
        ("servedshop:fail()", "the factory failed: RuntimeError: no database ({folder}/servedshop.py, line 19)"),
    ],
)
def test_what_is_wrong_with_an_application_is_told(name: str, message: str, folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        serve.load_app(name)
    assert str(caught.value) == f"application '{name}': {message.format(folder=folder)}"


def test_problems_of_the_file_and_of_the_application_are_reported_together(folder: Path) -> None:
    (folder / "bad.toml").write_text('[[middleware]]\nuse = "gzp"')
    with pytest.raises(ConfigError) as caught:
        serve.configured_app("servedshop:ap", "bad.toml")
    assert [problem.partition(" ")[0] for problem in caught.value.problems] == ["bad.toml:2:7:", "application"]


def test_an_interrupt_is_not_taken_for_a_failed_factory(folder: Path) -> None:
    (folder / "servedshop.py").write_text("def create():\n    raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        serve.load_app("servedshop:create()")


def test_a_middleware_that_takes_no_application_is_told_where_it_is_named(folder: Path) -> None:
    (folder / "bad.toml").write_text('[[middleware]]\nuse = "servedshop:fail"')
    with pytest.raises(ConfigError) as caught:
        serve.configured_app("servedshop:app", "bad.toml")
    place, _, words = str(caught.value).partition(": ")
    assert place == "bad.toml:2:7"
    assert words.startswith("middleware[1] (servedshop:fail): class must take an application as its first argument")


def test_a_middleware_that_cannot_be_built_is_told(folder: Path) -> None:
    (folder / "bad.toml").write_text('[[middleware]]\nuse = "servedshop:refuse"')
    with pytest.raises(ConfigError, match=r"^the middlewares cannot be built around 'servedshop:app': TypeError: "):
        serve.configured_app("servedshop:app", "bad.toml")


@pytest.mark.parametrize(
    ("said", "meant"), [(None, False), ("", False), ("0", False), ("off", False), ("1", True), ("True", True)]
)
def test_the_environment_says_whether_the_file_is_watched(
    said: str | None, meant: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(serve.APP_VARIABLE, "servedshop:app")
    monkeypatch.delenv(serve.WATCH_VARIABLE, raising=False)
    if said is not None:
        monkeypatch.setenv(serve.WATCH_VARIABLE, said)
    built: Any = serve.app()
    assert built.watch is meant


def test_what_is_no_answer_to_that_ends_the_server(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(serve.APP_VARIABLE, "servedshop:app")
    monkeypatch.setenv(serve.WATCH_VARIABLE, "maybe")
    with pytest.raises(SystemExit) as ended:
        serve.app()
    assert ended.value.code == 2
    assert capsys.readouterr().err == "MIDDLEWARES_WATCH must be 1 or 0; got 'maybe'\n"
