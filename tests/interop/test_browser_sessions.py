"""A visitor logs in and out of the shop: in a real browser, with curl, and over a WebSocket."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from websockets.sync.client import connect

from tests.interop.servers import serve
from tests.interop.test_browser import OPTIONS
from tests.programs import find_program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.interop.servers import RunningServer

DEADLINE = 20.0
COOKIE = "__Host-session"


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """The shop with the session of its own, `Secure` as by default: browsers take localhost for safe."""
    with serve("uvicorn", "tests.interop.shop_pages:app") as server:
        yield server


@pytest.fixture(scope="module")
def plain() -> Iterator[RunningServer]:
    """The shop behind its configuration file, where cookies go over plain http."""
    with serve("uvicorn", "examples.from_file:app") as server:
        yield server


@contextmanager
def browsing(url: str, profile: Path) -> Iterator[None]:
    """Show a page in a browser. It reports to its server: a WebSocket does not keep a page from being printed."""
    options = [option for option in OPTIONS if not option.startswith(("--dump-dom", "--virtual-time-budget"))]
    command = [find_program("chromium") or "", *options, f"--user-data-dir={profile}", url]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.needs("chromium")
def test_a_browser_logs_in_and_out(server: RunningServer, tmp_path: Path) -> None:
    with browsing(f"http://localhost:{server.port}/visit", tmp_path):
        seen = httpx.get(f"{server.url}/seen", timeout=90, trust_env=False).json()
    assert "error" not in seen
    cookie = seen["sent"].get(COOKIE)
    assert cookie is not None, seen
    assert seen == {
        "at_first": "",
        "greeted_at_first": "hello stranger",
        "logged_in": "You are logged in as Ada.",
        "greeted": "hello Ada",
        "sent": {COOKIE: cookie},
        "script_sees": "",
        "after_reload": "You are logged in as Ada.",
        "logged_out": "",
        "greeted_in_the_end": "hello stranger",
        "sent_in_the_end": {},
        "after_all": "",
    }
    # Who has copied the cookie is not logged in with it.
    response = httpx.get(f"{server.url}/account", headers={"cookie": f"{COOKIE}={cookie}"}, trust_env=False)
    assert response.json() == {"user": None, "visits": 0}


@pytest.mark.needs("curl")
def test_curl_keeps_the_cookie_in_its_jar(plain: RunningServer, tmp_path: Path) -> None:
    jar, copy = tmp_path / "jar", tmp_path / "copy"

    def curl(path: str, *arguments: str, cookies: Path = jar) -> Any:
        command = ["curl", "--silent", "--show-error", "--fail", "--noproxy", "*", "--max-time", str(DEADLINE)]
        command += ["--cookie", str(cookies), "--cookie-jar", str(cookies), *arguments, f"{plain.url}{path}"]
        output = subprocess.run(command, capture_output=True, check=True).stdout
        return json.loads(output) if output else None

    as_json = ("--header", "content-type: application/json", "--data")
    assert curl("/account") == {"user": None, "visits": 0}
    assert "session" not in jar.read_text()  # nothing was written: nobody is remembered
    assert curl("/login", *as_json, '{"user": "ada"}') == {"user": "ada", "visits": 1}
    assert curl("/login", *as_json, '{"user": "ada"}') == {"user": "ada", "visits": 2}
    assert curl("/account") == {"user": "ada", "visits": 2}
    copy.write_text(jar.read_text())
    assert "#HttpOnly_127.0.0.1\tFALSE\t/\tFALSE" in copy.read_text()
    assert curl("/logout", "--request", "POST") is None
    assert "session" not in jar.read_text()
    assert curl("/account") == {"user": None, "visits": 0}
    assert curl("/account", cookies=copy) == {"user": None, "visits": 0}


def test_a_websocket_reads_the_session_until_the_logout(plain: RunningServer) -> None:
    with httpx.Client(base_url=plain.url, timeout=DEADLINE, trust_env=False) as client:
        client.post("/login", json={"user": "ada"})
        cookie = f"session={client.cookies['session']}"
        assert _greeting(plain, cookie) == "hello ada"
        client.post("/logout")
        assert "session" not in client.cookies
    assert _greeting(plain, cookie) == "hello stranger"
    assert _greeting(plain, "session=Sforged.x") == "hello stranger"


def _greeting(server: RunningServer, cookie: str) -> str | bytes:
    url = f"{server.url.replace('http', 'ws')}/greet"
    with connect(url, additional_headers={"cookie": cookie}, open_timeout=DEADLINE, proxy=None) as websocket:
        return websocket.recv(timeout=DEADLINE)
