"""Real clients upload to a real server."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import httpx
import pytest

from middlewares import Decompress
from tests.decompress.bodies import ENCODERS, NOISY, Reader, encoded
from tests.interop.servers import RunningServer, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

app = Decompress(Reader())


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with serve("uvicorn", "tests.decompress.test_clients:app") as running:
        yield running


@pytest.mark.parametrize("coding", ENCODERS)
def test_httpx_uploads(server: RunningServer, coding: str) -> None:
    body = encoded(NOISY, coding)
    chunks = iter([body[:5000], body[5000:]])
    with httpx.Client(trust_env=False, headers={"content-encoding": coding}) as client:
        assert client.post(server.url, content=body).text == "300000"
        assert client.post(server.url, content=chunks).text == "300000"
        assert client.post(server.url, content=body[:-1]).status_code == 400


@pytest.mark.needs("curl")
@pytest.mark.parametrize(("size", "status"), [(300_000, 200), (20_000_000, 413)])
def test_curl_uploads_and_is_asked_to_continue(server: RunningServer, tmp_path: Path, size: int, status: int) -> None:
    """``Expect: 100-continue`` is answered when the application first asks for the body."""
    path = tmp_path / "body.gz"
    path.write_bytes(encoded(bytes(size) if status == 413 else NOISY, "gzip"))
    headers = ["-H", "content-encoding: gzip", "-H", "expect: 100-continue"]
    command = ["curl", "-sS", "-v", "--noproxy", "*", *headers, "--data-binary", f"@{path}", server.url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "HTTP/1.1 100 Continue" in done.stderr
    assert f"HTTP/1.1 {status}" in done.stderr


@pytest.mark.needs("curl")
def test_curl_is_refused_before_it_uploads(server: RunningServer, tmp_path: Path) -> None:
    path = tmp_path / "body.zz"
    path.write_bytes(NOISY)
    headers = ["-H", "content-encoding: zz", "-H", "expect: 100-continue"]
    command = ["curl", "-sS", "-v", "--noproxy", "*", *headers, "--data-binary", f"@{path}", server.url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "100 Continue" not in done.stderr
    assert "HTTP/1.1 415" in done.stderr
    assert "accept-encoding: gzip, deflate, br, zstd" in done.stderr
