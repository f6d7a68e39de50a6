"""Applications of well-known frameworks on real servers break the rules that they are known to break, and no others.

The lint stands between server and application; the versions are those of the dependency group ``test``.
"""

from __future__ import annotations

import json
import tomllib
from importlib.metadata import version

import pytest

from tests.interop.frameworks.linted import MARK
from tests.interop.servers import ROOT, SERVERS, serve
from tests.interop.visits import visit_http, visit_plain, visit_sockets
from tests.interop.wire import connect

BODY_ON_HEAD = "app H33"
"""Servers drop it; frameworks leave that to them."""

MIXED_CASE = "app H24"
"""Names of response headers as the framework's own classes keep them: ``Content-Type``."""

FRAMEWORKS = {
    # Starlette answers HEAD like GET. Keys that it adds to the scope, its exception after its own 500, and a stream
    # that asks for the disconnect in a task of its own are all legal.
    "starlette": {BODY_ON_HEAD},
    # FastAPI is Starlette to the lint.
    "fastapi": {BODY_ON_HEAD},
    # Django raises for lifespan and WebSocket, as it should; a last body event without `body` is legal.
    "django": {BODY_ON_HEAD, MIXED_CASE},
    # Quart sends each body in two events, and that for HEAD too.
    "quart": {BODY_ON_HEAD},
    # Litestar drops the body of handlers that are for HEAD alone, but not of those for GET and HEAD, nor of errors.
    # `path`, which its router rebinds in the scope, is one of the keys that routers may.
    "litestar": {BODY_ON_HEAD},
}
"""What each framework is known to break, on any server; see the versions in pyproject.toml."""

PLAIN = {
    # uvicorn 0.54: an HTTP disconnect is told as often as asked; that of a socket only once when the TCP connection
    # ends without a close frame.
    "uvicorn": {"server W16"},
    # hypercorn 0.18: after a disconnect `receive` hangs.
    "hypercorn": {"server H19", "server W16"},
    # daphne 4.2: the same.
    "daphne": {"server H19", "server W16"},
    # granian 2.8: ports are str, the version of HTTP/1.0 is "1", and the state is emptied before the shutdown.
    "granian": {"server H1", "server H12", "server H13", "server L11"},
}
"""What each server is known to break, with an application that keeps every rule."""


GROUP = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["test"]
PINNED = dict(line.split("==") for line in GROUP if "==" in line)


def broken(output: str) -> set[str]:
    """Return party and rule of each finding that a server has printed."""
    findings = (json.loads(line.removeprefix(MARK)) for line in output.splitlines() if line.startswith(MARK))
    return {f"{party} {rule}" for party, rule, *_ in findings}


def test_the_versions_are_those_that_the_tables_speak_of() -> None:
    assert {*SERVERS, *FRAMEWORKS} - {"starlette"} <= {*PINNED}, "Starlette is not of the tests alone"
    assert {name: version(name) for name in PINNED} == PINNED, "install the dependency group 'test' again"


@pytest.mark.parametrize("server_name", ["uvicorn", "hypercorn"])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_framework_breaks_the_rules_that_are_listed_and_no_others(framework: str, server_name: str) -> None:
    with serve(server_name, f"tests.interop.frameworks.{framework}_app:app") as server:
        visit_http(server, has_background=framework != "django")
        if framework == "django":
            with connect(server) as wire:
                assert wire.handshake("/ws")[0] == 500, "it raises for WebSocket, as it should"
        else:
            visit_sockets(server)
        output = server.stop()
    assert broken(output) == FRAMEWORKS[framework], output


@pytest.mark.parametrize("server_name", SERVERS)
def test_a_server_breaks_the_rules_that_are_listed_and_no_others(server_name: str) -> None:
    with serve(server_name, "tests.interop.frameworks.plain_app:app") as server:
        visit_plain(server)
        output = server.stop()
    assert broken(output) == PLAIN[server_name], output
