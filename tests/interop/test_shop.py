"""The shop behind its middlewares on a real uvicorn, as curl and httpx meet it over loopback."""

from __future__ import annotations

import gzip
import json
import math
import re
import select
import subprocess
import time
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from examples.shop.catalog import CATALOG
from tests.interop.servers import ROOT, serve

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.interop.servers import RunningServer

DEADLINE = 20.0

needs_curl = pytest.mark.needs("curl")
codings = pytest.mark.parametrize("coding", ["gzip", "identity"])


@pytest.fixture(scope="module", params=["httptools", "h11"])
def server(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    """The shop on both of uvicorn's HTTP implementations."""
    with serve("uvicorn", "examples.plain_wrapping:app", f"--http={request.param}") as server:
        yield server


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=DEADLINE, trust_env=False) as client:
        yield client


def curl(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = ["curl", "--silent", "--noproxy", "*", "--max-time", str(DEADLINE), *arguments]
    return subprocess.run(command, capture_output=True, check=False)


# --- compression ---------------------------------------------------------------------------------------------


def test_httpx_gets_products_compressed_and_equal(client: httpx.Client):
    with client.stream("GET", "/products", headers={"accept-encoding": "gzip"}) as response:
        raw = b"".join(response.iter_raw())
    assert response.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == client.get("/products", headers={"accept-encoding": "identity"}).content
    assert gzip.decompress(raw) == CATALOG.document.body


@needs_curl
def test_curl_gets_products_compressed_and_equal(server: RunningServer):
    url = f"{server.url}/products"
    raw = curl("--header", "accept-encoding: gzip", url).stdout
    assert len(raw) < len(CATALOG.document.body) / 4
    assert gzip.decompress(raw) == CATALOG.document.body
    assert curl("--compressed", url).stdout == CATALOG.document.body
    assert curl(url).stdout == CATALOG.document.body


@codings
def test_entity_tag_that_was_served_is_answered_with_304(client: httpx.Client, coding: str):
    first = client.get("/products", headers={"accept-encoding": coding})
    again = {"accept-encoding": coding, "if-none-match": first.headers["etag"]}
    second = client.get("/products", headers=again)
    assert (second.status_code, second.content) == (304, b"")


@codings
def test_download_keeps_its_name_and_content(client: httpx.Client, coding: str):
    response = client.get("/manual", headers={"accept-encoding": coding})
    assert response.headers["content-disposition"] == 'attachment; filename="manual.txt"'
    assert response.content == (ROOT / "examples/shop/site/manual.txt").read_bytes()


# --- streams -------------------------------------------------------------------------------------------------

EVENTS = "/events?count=40&interval=0.02"


@codings
def test_httpx_gets_each_event_when_it_is_sent(client: httpx.Client, coding: str):
    with client.stream("GET", EVENTS, headers={"accept-encoding": coding}) as response:
        assert_prompt(response.iter_lines())


@needs_curl
@codings
def test_curl_gets_each_event_when_it_is_sent(server: RunningServer, coding: str):
    command = ["curl", "--silent", "--no-buffer", "--noproxy", "*", "--max-time", str(DEADLINE)]
    command += ["--compressed", "--header", f"accept-encoding: {coding}", f"{server.url}{EVENTS}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert_prompt(process.stdout)
    assert process.returncode == 0


def assert_prompt(lines: Iterable[str]) -> None:
    """Read events; 95 of 100 must come within 50 ms of the time that they carry."""
    delays = []
    for line in lines:
        arrived = time.time()
        if line.startswith("data: "):
            delays.append(arrived - json.loads(line.removeprefix("data: "))["sent"])
    assert len(delays) == 40
    assert sorted(delays)[math.ceil(0.95 * len(delays)) - 1] < 0.050


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="run on Linux, where /proc tells the memory")
@codings
def test_memory_does_not_grow_with_a_streamed_table(server: RunningServer, client: httpx.Client, coding: str):
    assert count_rows(client, 20_000, coding) == 20_001
    before = peak_memory(server)
    assert count_rows(client, 200_000, coding) == 200_001
    assert peak_memory(server) - before < 8_000_000


def peak_memory(server: RunningServer) -> int:
    """Return the largest resident size that the server ever had, in bytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


def count_rows(client: httpx.Client, rows: int, coding: str) -> int:
    headers = {"accept-encoding": coding}
    with client.stream("GET", "/products.csv", params={"rows": rows}, headers=headers) as response:
        assert "content-length" not in response.headers
        return sum(chunk.count(b"\n") for chunk in response.iter_bytes())


# --- WebSocket -----------------------------------------------------------------------------------------------


def test_websocket_echoes_text_and_bytes(server: RunningServer):
    url = f"{server.url.replace('http', 'ws')}/echo"
    with connect(url, subprotocols=[Subprotocol("echo")], open_timeout=DEADLINE, proxy=None) as websocket:
        assert websocket.subprotocol == "echo"
        messages: list[str | bytes] = ["héllo", "", b"\x00\xff", b"x" * 100_000]
        for message in messages:
            websocket.send(message)
            assert websocket.recv(timeout=DEADLINE) == message


# --- errors and the connection -------------------------------------------------------------------------------


def test_500_is_complete_and_the_client_goes_on(server: RunningServer):
    """After an exception uvicorn closes the connection: in good order, once all of the 500 is there."""
    with closing(HTTPConnection(urlsplit(server.url).netloc, timeout=DEADLINE)) as connection:
        connection.request("GET", "/error", headers={"accept-encoding": "gzip"})
        response = connection.getresponse()
        assert (response.status, response.read()) == (500, b"Internal Server Error")
        if connection.sock is not None:
            assert select.select([connection.sock], [], [], DEADLINE)[0]
            assert connection.sock.recv(1) == b""  # the end, not a reset
            connection.close()
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200
    assert "RuntimeError: raised on purpose" in server.output()


@needs_curl
def test_curl_goes_on_after_a_500(server: RunningServer):
    finished = curl(
        "--write-out", "%{http_code} ", "--output", "/dev/null", f"{server.url}/error", f"{server.url}/healthz"
    )
    statuses = re.findall(rb"\b\d{3} ", finished.stdout)
    assert (finished.returncode, statuses) == (0, [b"500 ", b"200 "])


@codings
def test_one_connection_serves_many_answers(server: RunningServer, coding: str):
    """Answers that are no exception leave the connection open, whatever their status and coding."""
    with closing(HTTPConnection(urlsplit(server.url).netloc, timeout=DEADLINE)) as connection:
        connection.connect()
        first = connection.sock
        for path, status in [
            ("/products", 200),
            ("/products/none", 404),
            ("/products.csv?rows=500", 200),
            ("/slow?seconds=x", 400),
            ("/events?count=2&interval=0", 200),
            ("/products", 200),
        ]:
            connection.request("GET", path, headers={"accept-encoding": coding})
            response = connection.getresponse()
            response.read()
            assert response.status == status
            assert connection.sock is first


@codings
def test_httpx_sees_that_a_stream_broke(client: httpx.Client, coding: str):
    with client.stream("GET", "/broken-stream", headers={"accept-encoding": coding}) as response:
        assert response.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
            response.read()
    assert client.get("/healthz").status_code == 200


@needs_curl
@codings
def test_curl_sees_that_a_stream_broke(server: RunningServer, coding: str):
    finished = curl("--header", f"accept-encoding: {coding}", f"{server.url}/broken-stream")
    assert finished.returncode == 18  # "partial file"


# --- lifespan ------------------------------------------------------------------------------------------------


def test_state_of_the_lifespan_reaches_the_application(client: httpx.Client):
    assert client.get("/healthz").json() == {"status": "ok", "products": len(CATALOG.products)}


@needs_curl
def test_curl_passes_a_preflight_of_an_allowed_origin_only(server: RunningServer):
    for origin, allowed in [("http://localhost:3000", True), ("http://evil.example", False)]:
        arguments = ["--request", "OPTIONS", "--header", f"origin: {origin}", "--include"]
        arguments += ["--header", "access-control-request-method: POST", f"{server.url}/products/1/reviews"]
        answer = curl(*arguments).stdout.lower()
        assert (b"access-control-allow-origin: " + origin.encode() in answer) is allowed
