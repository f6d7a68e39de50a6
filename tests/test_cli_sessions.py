"""``middlewares sessions``: sessions in a store are listed, ended and cleared away from outside of the application."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from middlewares.cli.commands import cli
from tests.sessions.sites import KEY, Browser, Site
from tests.stores.valkey import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.testing import Result

    from middlewares import Session

NOW = 1_900_000_000.0
CONFIG = f'[[middleware]]\nuse = "sessions"\nsecret_key = "{KEY}"\nstore = "sqlite:///sessions.db"\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder to start the command in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(params=["sqlite", "redis"])
def url(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """An empty store that other processes can look into."""
    if request.param == "sqlite":
        yield f"sqlite:///{folder}/sessions.db"
        return
    server = Server(folder)
    server.start()
    yield server.url
    server.kill()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["sessions", *arguments])


def listed(*arguments: str) -> Any:
    return json.loads(run("list", "--json", *arguments).stdout)


def visit(url: str, *users: Any, **options: Any) -> list[Browser]:
    """Return browsers, one for each user that is logged in; ``None`` stands for a visitor who is not."""

    async def all_of_them() -> list[Browser]:
        site = Site(store=url, clock=lambda: NOW, store_deadline=10.0, **options)
        browsers = [site.browser() for _ in users]
        for browser, user in zip(browsers, users, strict=True):
            await browser.visit(_begin(user))
        await site.layer._close()
        return browsers

    return asyncio.run(all_of_them())


def _begin(user: Any) -> Callable[[Session], None]:
    data = {"cart": ["secret"]} if user is None else {"user_id": user}
    return lambda session: session.update(data)


def held(*browsers: Browser) -> list[dict[str, Any]]:
    """Return what the sessions of browsers hold now."""

    async def all_of_it() -> list[dict[str, Any]]:
        found = [await browser.data() for browser in browsers]
        await browsers[0].site.layer._close()
        return found

    return asyncio.run(all_of_it())


def test_sessions_of_everybody_and_of_one_user_are_listed(url: str) -> None:
    visit(url, "anna", "anna", 7, None)
    everybody = listed("--store", url)
    assert sorted(str(one["user"]) for one in everybody) == ["7", "None", "anna", "anna"]
    assert {one["created"] for one in everybody} == {NOW}
    assert {one["user"] for one in listed("--store", url, "--user", "anna")} == {"anna"}
    assert [one["user"] for one in listed("--store", url, "--user", "7")] == [7]
    assert listed("--store", url, "--user", "bert") == []


def test_a_table_is_for_people(url: str) -> None:
    visit(url, "anna", None)
    result = run("list", "--store", url)
    header, *rows = result.stdout.splitlines()
    assert header.split("  ")[0] == "USER"
    assert sorted(row.split()[0] for row in rows) == ["-", "anna"]
    assert all("2030-03-17 17:46" in row for row in rows)
    assert "secret" not in result.stdout + run("list", "--json", "--store", url).stdout
    assert run("list", "--store", url, "--user", "bert").stdout == "no sessions\n"


def test_what_stands_for_a_user_sends_no_commands_to_the_terminal(folder: Path) -> None:
    url = f"sqlite:///{folder}/sessions.db"
    visit(url, "\x1b[2J\nroot")
    assert "\x1b" not in run("list", "--store", url).stdout
    assert len(run("list", "--store", url).stdout.splitlines()) == 2


def test_one_session_is_ended_and_no_other(url: str) -> None:
    anna, other, bert = browsers = visit(url, "anna", "anna", "bert")
    keys = [one["key"] for one in listed("--store", url, "--user", "anna")]
    shown = run("list", "--store", url, "--user", "anna").stdout.splitlines()[1].split()[1]
    result = run("revoke", "anna", "--session", shown, "--store", url)
    assert (result.stdout, result.exit_code) == ("ended 1 session of anna\n", 0)
    assert sorted(map(len, held(anna, other))) == [0, 1]
    assert held(bert) == [{"user_id": "bert"}]
    [left] = listed("--store", url, "--user", "anna")
    assert left["key"] in keys
    result = run("revoke", "anna", "--session", left["key"], "--json", "--store", url)
    assert json.loads(result.stdout) == {"user": "anna", "ended": 1}
    assert held(*browsers) == [{}, {}, {"user_id": "bert"}]


def test_all_sessions_of_a_user_are_ended(url: str) -> None:
    browsers = visit(url, "anna", "anna", "bert")
    assert run("revoke", "anna", "--all", "--store", url).stdout == "ended 2 sessions of anna\n"
    assert held(*browsers) == [{}, {}, {"user_id": "bert"}]
    assert run("revoke", "anna", "--all", "--store", url).stdout == "ended 0 sessions of anna\n"


def test_what_is_over_is_removed(folder: Path) -> None:
    url = f"sqlite:///{folder}/sessions.db"
    visit(url, "anna", "bert")
    with sqlite3.connect(folder / "sessions.db") as database:
        database.execute("UPDATE sessions SET ends = 1 WHERE rowid = 1")
    database.close()
    assert run("gc", "--store", url).stdout == "removed 1 record\n"
    assert json.loads(run("gc", "--json", "--store", url).stdout) == {"removed": 0}
    assert len(listed("--store", url)) == 1


def test_the_store_stands_in_the_configuration(folder: Path) -> None:
    """Also below a condition, and whatever the cookie and the key of the user are called."""
    (folder / "middlewares.toml").write_text(
        CONFIG + 'session_cookie = "__Host-shop"\nuser_key = "customer"\nwhen = { paths = ["/shop/*"] }\n'
    )
    visit("sqlite:///sessions.db", None, session_cookie="__Host-shop", user_key="customer")

    async def login() -> None:
        site = Site(store="sqlite:///sessions.db", session_cookie="__Host-shop", user_key="customer")
        site.clock.advance(NOW)
        await site.visit(lambda session: session.update(customer="anna"))
        await site.layer._close()

    asyncio.run(login())
    assert [one["user"] for one in listed()] == ["anna", None]
    assert run("revoke", "anna", "--all").stdout == "ended 1 session of anna\n"


def test_one_of_several_entries_is_chosen_by_its_cookie(folder: Path) -> None:
    (folder / "middlewares.toml").write_text(
        CONFIG
        + 'session_cookie = "a"\n'
        + CONFIG.replace("sessions.db", "b.db")
        + 'session_cookie = "b"\nscope_key = "b"\n'
    )
    visit("sqlite:///sessions.db", "anna", session_cookie="a")
    assert [one["user"] for one in listed("--cookie", "a")] == ["anna"]
    assert refused("list") == "middlewares.toml: has several entries 'sessions'; choose one with --cookie: a, b"
    assert refused("list", "--cookie", "c") == (
        "--cookie: no entry 'sessions' of middlewares.toml has the cookie 'c'; there is: a, b"
    )


def test_sessions_in_cookies_are_revoked_all_at_once(folder: Path) -> None:
    (folder / "middlewares.toml").write_text(CONFIG.replace("store =", "revocations ="))

    async def login() -> Browser:
        site = Site(revocations="sqlite:///sessions.db", store_deadline=10.0)
        browser = site.browser()
        await browser.visit(lambda session: session.update(user_id="anna"))
        await site.layer._close()
        return browser

    browser = asyncio.run(login())
    (folder / "sessions.db").touch()
    assert run("revoke", "anna", "--all").stdout == "ended all sessions in cookies from before now of anna\n"
    assert held(browser) == [{}]
    assert refused("list") == "Sessions: sessions in cookies cannot be listed; the option store is needed"


def refused(*arguments: str) -> str:
    """Return the one message with which a command was refused."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    return result.stderr.removesuffix("\n")


@pytest.mark.parametrize(
    ("config", "arguments", "message"),
    [
        (None, ["list"], "middlewares.toml: there is no such file"),
        ("middleware = []", ["list"], "middlewares.toml: has no entry 'sessions'; name the store with --store"),
        (CONFIG, ["list"], "store: there is no file 'sessions.db'"),
        (CONFIG, ["list", "--config", "a", "--store", "b"], "--config and --store: give one of them"),
        (
            None,
            ["gc", "--store", "memory://"],
            "store: 'memory://' is in the memory of the server alone; nobody else can look into it",
        ),
        (
            CONFIG.partition("store")[0],
            ["gc"],
            "Sessions: sessions in cookies leave nothing to clear away; there is no store",
        ),
        (
            CONFIG.partition("store")[0],
            ["revoke", "anna", "--all"],
            "Sessions: sessions in cookies cannot be revoked; the option revocations is needed",
        ),
        (
            None,
            ["list", "--store", "reddis://localhost"],
            (
                "Sessions: store must be the URL of a store: 'memory://', 'sqlite:///path.db' or "
                "'redis://host:6379/0' (did you mean 'redis'?)"
            ),
        ),
    ],
)
def test_what_cannot_be_done_is_told_in_one_message(
    folder: Path, config: str | None, arguments: list[str], message: str
) -> None:
    if config is not None:
        (folder / "middlewares.toml").write_text(config)
    assert refused(*arguments) == message
    assert not (folder / "sessions.db").exists()


def test_sessions_that_are_not_named_well_are_not_ended(folder: Path) -> None:
    url = f"sqlite:///{folder}/sessions.db"
    visit(url, *["anna"] * 20)
    assert refused("revoke", "anna", "--session", "xyz", "--store", url) == "--session: anna has no session 'xyz'"
    assert refused("revoke", "anna", "--session", "", "--store", url) == "--session: anna has no session ''"
    first = [one["key"][2] for one in listed("--store", url)]
    often = max(first, key=first.count)
    told = refused("revoke", "anna", "--session", often, "--store", url)
    assert told == f"--session: {first.count(often)} sessions of anna begin with '{often}'"
    assert "give either --session KEY or --all" in refused("revoke", "anna", "--store", url)
    assert "give either --session KEY or --all" in refused("revoke", "anna", "--all", "--session", "a", "--store", url)
    assert len(listed("--store", url)) == 20


def test_a_store_that_does_not_answer_is_told() -> None:
    message = refused("list", "--store", "redis://127.0.0.1:1/0")
    assert message.startswith("redis://127.0.0.1:1/0: ")
    assert "\n" not in message


def test_it_is_a_command(folder: Path) -> None:
    (folder / "middlewares.toml").write_text(CONFIG)
    visit("sqlite:///sessions.db", "anna")
    command = [sys.executable, "-m", "middlewares", "sessions", "list"]
    environment = {"PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONSAFEPATH": "1"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[1].startswith("anna  ")
