"""The ways from a file into an application, and what a reload compares."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from middlewares import ConfigError, ConfiguredApp, OptionError, load_middleware
from middlewares.config import load
from middlewares.testing import request
from tests.config.files import write

if TYPE_CHECKING:
    from middlewares.asgi import Receive, Scope, Send

DATA = {"middleware": [{"use": "gzip", "minimum_size": 10}, {"use": "drain", "enabled": False}]}
GZIP = {"accept-encoding": "gzip"}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("apples " * 100)(scope, receive, send)


async def test_an_application_stands_inside_the_stack_of_a_file() -> None:
    write("m.yaml", DATA)
    configured = ConfiguredApp(app, "m.yaml")
    assert (await request(configured, headers=GZIP)).header("content-encoding") == "gzip"
    assert (len(configured.stack), configured.inner) == (1, app)
    assert repr(configured).endswith(", 'm.yaml')")


async def test_a_framework_takes_the_entries_of_a_file() -> None:
    write("m.json", DATA)

    async def home(_request: object) -> PlainTextResponse:
        return PlainTextResponse("apples " * 100)

    framework = Starlette(routes=[Route("/", home)], middleware=load_middleware("m.json"))
    assert (await request(framework, headers=GZIP)).header("content-encoding") == "gzip"


def test_a_profile_may_be_chosen() -> None:
    write("m.toml", DATA | {"profile": {"dev": {"defaults": {"grace": 1}}}})
    assert ConfiguredApp(app, "m.toml", profile="dev").configuration.profile == "dev"
    assert load_middleware("m.toml", profile="dev")[0].name == "GZip"


def test_what_is_wrong_is_told_when_the_application_is_built() -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        ConfiguredApp(app, "no.toml")
    write("m.toml", DATA)
    with pytest.raises(OptionError, match="must be an ASGI or WSGI application"):
        ConfiguredApp(None, "m.toml")


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ({"minimum_size": 1, "flush": "events"}, {"flush": "events", "minimum_size": 1}, True),
        ({"minimum_size": 1}, {"minimum_size": 2}, False),
        ({"minimum_size": 1}, {"minimum_size": "${ONE}"}, True),
        ({"include_types": ["text/*"]}, {"include_types": ["text/html"]}, False),
        ({"when": {"paths": ["/a"]}}, {"when": {"paths": ["/b"]}}, False),
        ({"files": True}, {"files": "${ONE}"}, True),
        ({"predicate": "os.path:join"}, {"predicate": "os.path:exists"}, False),
        ({"id": "a"}, {}, False),
    ],
)
def test_an_entry_is_known_again_by_what_it_does(
    before: dict[str, object], after: dict[str, object], same: bool
) -> None:
    prints = []
    for options in (before, after):
        write("m.toml", {"middleware": [{"use": "gzip", **options}]})
        [entry] = load("m.toml", environment={"ONE": "1"}).entries
        prints.append(entry.fingerprint())
        hash(prints[-1])
    assert (prints[0] == prints[1]) == same


def test_all_files_that_count_are_known() -> None:
    Path("size").write_text("7")
    write("base.yaml", DATA)
    Path("m.toml").write_text('include = "base.yaml"\n[[middleware]]\nuse = "zstd"\nminimum_size = "${file:size}"')
    assert load("m.toml").files == ("base.yaml", "m.toml", "size")
