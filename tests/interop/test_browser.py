"""A real browser shows pages what the policy allows them, and withholds the rest."""

from __future__ import annotations

import html
import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.interop.pages import EVENTS, PRODUCTS
from tests.programs import find_program

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.servers import RunningServer

pytestmark = [
    pytest.mark.needs("chromium"),
    pytest.mark.parametrize("server", [("uvicorn", "tests.interop.pages:app")], indirect=True, ids=["uvicorn"]),
]

OPTIONS = (
    "--headless",
    "--no-sandbox",  # tests may run as root
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    # Time runs on only while nothing is under way, so the page is printed after its last request.
    "--virtual-time-budget=10000",
    "--dump-dom",
)

WITHHELD = None


def visit(url: str, profile: Path) -> dict[str, Any]:
    """Return what the page at ``url`` has written into itself."""
    command = [find_program("chromium") or "", *OPTIONS, f"--user-data-dir={profile}", url]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    written = re.search(r'<pre id="verdicts">(.+?)</pre>', result.stdout, re.DOTALL)
    assert written, f"{result.stdout}\n{result.stderr}"
    verdicts: dict[str, Any] = json.loads(html.unescape(written[1]))
    return verdicts


def answer(text: str, *, status: int = 200, total: str | None = None) -> dict[str, Any]:
    """Return what a page of another origin reads: no header but those exposed."""
    return {"status": status, "text": text, "total": total, "hidden": None, "coding": None}


SAME_ORIGIN = {"status": 200, "text": PRODUCTS, "total": "300", "hidden": "1", "coding": "gzip"}


def test_a_page_of_an_allowed_origin_reads_what_the_policy_permits(server: RunningServer, tmp_path: Path) -> None:
    written = visit(f"http://app.localhost:{server.port}/page", tmp_path)
    assert written["verdicts"] == {
        "same_origin": SAME_ORIGIN,
        "get": answer(PRODUCTS, total="300"),
        "head": answer("", total="300"),
        "events": answer(EVENTS),
        "missing": answer("Not Found", status=404),
        "post_form": answer("plain"),
        "post_json": answer("{}"),
        "put": answer("new"),
        "put_lower_case": answer("new"),
        "delete": WITHHELD,
        "header_allowed": answer("no body"),
        "header_refused": WITHHELD,
        "first_with_cookies": answer("never"),
        "with_cookies": answer("before"),
        "without_cookies": answer("never"),
    }
    assert written["seen"] == [
        "POST text/plain;charset=UTF-8",
        "POST application/json",
        "PUT text/plain;charset=UTF-8",
        "PUT text/plain;charset=UTF-8",
        "GET -",
    ]


def test_a_page_of_another_origin_reads_nothing(server: RunningServer, tmp_path: Path) -> None:
    """What needs no preflight does reach the application; what needs one does not."""
    written = visit(f"http://evil.localhost:{server.port}/page", tmp_path)
    same_origin = written["verdicts"].pop("same_origin")
    assert same_origin == SAME_ORIGIN
    assert set(written["verdicts"].values()) == {WITHHELD}
    assert written["seen"] == ["POST text/plain;charset=UTF-8"]
