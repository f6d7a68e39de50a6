"""A configured application follows its files: what they say anew is served, and what is wrong with them is told."""

from __future__ import annotations

import logging
import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from middlewares import ConfigError, ConfiguredApp, OptionError
from middlewares.config import load
from middlewares.reload import FileWatch, ReloadingApp
from middlewares.testing import lifespan, request

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send


async def shop(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        return await send({"type": "lifespan.shutdown.complete"})
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"apples"})


class Name:
    """Not ours: puts a header on each answer."""

    def __init__(self, app: ASGIApp, name: str, api_key: str = "") -> None:
        if name == "broken":
            raise ValueError(f"no such {name} with {api_key}")
        self.app, self.name = app, name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"x-name", self.name.encode())]}
            await send(message)

        await self.app(scope, receive, send_named)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, with the class above as ``named:Name``."""
    monkeypatch.chdir(tmp_path)
    module = type(os)("named")
    vars(module).update(Name=Name)
    monkeypatch.setitem(sys.modules, "named", module)
    return tmp_path


def write(name: str, text: str) -> None:
    """Put a file in its place at once, as editors and deployments do."""
    Path(f"{name}.new").write_text(text)
    Path(f"{name}.new").replace(name)


def link(name: str, target: str) -> None:
    """Put a symbolic link in its place at once."""
    Path(f"{name}.new").symlink_to(target)
    Path(f"{name}.new").replace(name)


def entry(name: str) -> str:
    return f'[[middleware]]\nuse = "named:Name"\nname = "{name}"\n'


async def name_of(app: ASGIApp) -> str | None:
    response = await request(app, "/")
    return next((value.decode() for key, value in response.headers if key == b"x-name"), None)


async def until(holds: Callable[[], Any]) -> None:
    with anyio.fail_after(10):
        while not holds():  # noqa: ASYNC110 - what is waited for is looked for by the application, and tells nobody
            await anyio.sleep(0.005)


async def test_a_call_reads_the_file_anew() -> None:
    write("m.toml", entry("one"))
    app = ConfiguredApp(shop, "m.toml")
    assert await name_of(app) == "one"
    write("m.toml", entry("two"))
    assert await name_of(app) == "one"
    assert await app.reload()
    assert await name_of(app) == "two"
    assert str(app.stack) == str(app.configuration.stack) == "Stack\n└─ Name(name='two')"
    assert repr(app).endswith("'m.toml')")


async def test_what_says_the_same_in_other_words_changes_nothing() -> None:
    write("m.toml", entry("one"))
    app = ConfiguredApp(shop, "m.toml")
    before = app.app
    write("m.toml", "# a comment\n" + entry("one"))
    assert not await app.reload()
    assert app.app is before
    assert str(app.configuration.entries[0].spot) == "m.toml:2:1"


async def test_a_file_that_is_wrong_changes_nothing() -> None:
    write("m.toml", entry("one"))
    app = ConfiguredApp(shop, "m.toml")
    configuration = app.configuration
    write("m.toml", entry("two") + "nam = 1\nnames = 2\n")
    with pytest.raises(ConfigError) as caught:
        await app.reload()
    assert len(caught.value.problems) == 2
    assert await name_of(app) == "one"
    assert app.configuration is configuration


async def test_a_configuration_that_was_read_before_is_taken_and_read_anew() -> None:
    write("m.toml", entry("one") + '[profile.dev.middleware."named:Name"]\nname = "dev"\n')
    app = ConfiguredApp(shop, load("m.toml", profile="dev"))
    assert await name_of(app) == "dev"
    write("m.toml", entry("one") + '[profile.dev.middleware."named:Name"]\nname = "new"\n')
    assert await app.reload()
    assert await name_of(app) == "new"


def test_every_file_that_it_depends_on_is_known(folder: Path) -> None:
    write("base.toml", entry("one"))
    Path("secret").write_text("x")
    write("m.toml", 'include = "base.toml"\n[profile.dev.middleware."named:Name"]\napi_key = "${file:secret}"\n')
    assert ConfiguredApp(shop, "m.toml").files == ("base.toml", "m.toml")
    assert set(ConfiguredApp(shop, "m.toml", profile="dev").files) == {"base.toml", "m.toml", "secret"}
    found = ConfiguredApp(shop, folder / "m.toml", profile="dev").files
    assert set(found) == {str(folder / name) for name in ("base.toml", "m.toml", "secret")}


def test_a_request_passes_no_frame_more_than_with_a_stack_that_is_exchanged_by_hand() -> None:
    assert ConfiguredApp.__call__ is ReloadingApp.__call__


async def test_what_is_no_application_is_refused() -> None:
    write("m.toml", entry("one"))
    with pytest.raises(OptionError, match="must be an ASGI or WSGI application"):
        ConfiguredApp(None, "m.toml")


CHANGES: dict[str, tuple[str, str]] = {
    "the file itself": ("m.toml", 'include = "base.toml"\n' + entry("new")),
    "a file that it includes": ("base.toml", entry("new")),
    "a secret file": ("secret", "new\n"),
}


@pytest.mark.parametrize(("file", "text"), CHANGES.values(), ids=CHANGES.keys())
async def test_a_change_of_any_of_its_files_is_seen(file: str, text: str) -> None:
    write("base.toml", entry("${file:secret}"))
    write("secret", "old\n")
    write("m.toml", 'include = "base.toml"\n')
    app = ConfiguredApp(shop, "m.toml", watch=True, interval=0.01)
    assert await name_of(app) == "old"
    async with lifespan(app):
        old = app.app
        write(file, text)
        await until(lambda: app.app is not old)
        assert await name_of(app) == "new"


async def test_a_secret_behind_a_link_that_is_swapped_is_seen(folder: Path) -> None:
    """So Kubernetes renews what it mounts: ``..data`` is exchanged, and the files are links through it."""
    for version in ("old", "new"):
        (folder / version).mkdir()
        (folder / version / "secret").write_text(version)
    link("..data", "old")
    link("secret", "..data/secret")
    write("m.toml", entry("${file:secret}"))
    app = ConfiguredApp(shop, "m.toml", watch=True, interval=0.01)
    async with lifespan(app):
        old = app.app
        link("..data", "new")
        await until(lambda: app.app is not old)
        assert await name_of(app) == "new"


async def test_a_bad_file_is_told_once_with_all_problems_and_a_good_one_ends_it(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[bool] = []
    poll = FileWatch.poll

    def look(watch: FileWatch) -> bool:
        looks.append(poll(watch))
        return looks[-1]

    monkeypatch.setattr(FileWatch, "poll", look)
    write("m.toml", entry("one"))
    app = ConfiguredApp(shop, "m.toml", watch=True, interval=0.005)
    with caplog.at_level(logging.INFO, "middlewares.reload"):
        async with lifespan(app):
            write("m.toml", entry("two") + "nam = 1\nnames = 2\n")
            await until(lambda: caplog.records)
            assert await name_of(app) == "one"
            looks.clear()
            await until(lambda: len(looks) >= 10)  # at which it is as bad as before
            [record] = caplog.records
            assert record.levelno == logging.ERROR
            told = record.getMessage()
            assert "m.toml:4:1" in told
            assert "m.toml:5:1" in told
            write("m.toml", entry("three"))
            await until(lambda: len(caplog.records) > 1)
            assert await name_of(app) == "three"


async def test_what_was_missing_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    """A file that a new text names may be written after it: then nothing else changes any more."""
    write("m.toml", entry("one"))
    app = ConfiguredApp(shop, "m.toml", watch=True, interval=0.005)
    async with lifespan(app):
        write("m.toml", 'include = "late.toml"\n')
        await until(lambda: caplog.records)
        assert "there is no such file" in caplog.text
        write("late.toml", entry("${file:later}"))
        await until(lambda: len(caplog.records) > 1)
        assert "needs the file 'later'" in caplog.text
        old = app.app
        write("later", "late")
        await until(lambda: app.app is not old)
        assert await name_of(app) == "late"
    assert set(app.files) == {"m.toml", "late.toml", "later"}


async def test_a_layer_that_cannot_be_built_does_not_tell_its_secret(caplog: pytest.LogCaptureFixture) -> None:
    secret = secrets.token_urlsafe(16)
    write("secret", secret)
    write("m.toml", entry("broken") + 'api_key = "${file:secret}"\n')
    with pytest.raises(ConfigError) as caught:
        ConfiguredApp(shop, "m.toml")
    assert str(caught.value).startswith("ValueError: no such broken with … (")
    assert str(caught.value).endswith("), while the stack of m.toml was built")
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None

    write("m.toml", entry("one"))
    app = ConfiguredApp(shop, "m.toml", watch=True, interval=0.005)
    async with lifespan(app):
        write("m.toml", entry("broken") + 'api_key = "${file:secret}"\n')
        await until(lambda: caplog.records)
    assert "no such broken with …" in caplog.text
    assert secret not in caplog.text


async def test_a_layer_that_cannot_be_built_and_tells_no_secret_raises_as_it_does() -> None:
    write("m.toml", entry("broken"))
    with pytest.raises(ValueError, match="no such broken with"):
        ConfiguredApp(shop, "m.toml")
