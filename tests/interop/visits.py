"""Real clients that visit every path of an application of `tests.interop.frameworks`, in good and in bad manners."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect as open_socket

from tests.interop.frameworks.linted import AGAIN
from tests.interop.wire import CLOSE, TEXT, connect

if TYPE_CHECKING:
    from tests.interop.servers import RunningServer

__all__ = ("visit_http", "visit_plain", "visit_sockets")


def visit_http(server: RunningServer, *, has_background: bool) -> None:
    """Make requests with httpx, then on connections that end before the answer does."""
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        assert "hello" in client.get("/hello?a=b%20c", headers={"x-mixed": "a"}).text
        assert client.head("/hello").content == b""
        assert client.post("/echo", content=b"body").content == b"body"
        assert client.post("/echo", content=iter([b"bo", b"dy"])).content == b"body"
        assert client.get("/stream").text == "ab"
        assert client.head("/stream").content == b""
        assert client.get("/empty").status_code == 204
        assert client.get("/unchanged").status_code == 304
        assert "import" in client.get("/file").text
        assert client.head("/file").content == b""
        assert client.get("/none").status_code == 404
        assert client.head("/none").content == b""
        if has_background:
            assert "later" in client.get("/later").text
            assert "done" in client.get("/done").text
        assert client.get("/broken").status_code == 500  # and the connection ends, as the case may be
    with connect(server) as wire:
        wire.request("GET", "/cut")
        assert not wire.rest().endswith(b"0\r\n\r\n"), "the client must see that the body is not whole"
    with connect(server) as wire:
        wire.send(b"GET /hello HTTP/1.0\r\n\r\n")
        assert b"hello" in wire.rest()
    with connect(server) as wire:
        wire.request("POST", "/echo", "content-length: 10", body=b"half")
    with connect(server) as wire:
        wire.request("GET", "/endless")
        wire.until(b"tick")


def visit_sockets(server: RunningServer) -> None:
    """Open sockets that are closed by either side, refused, broken by the application, or simply gone."""
    url = f"ws://127.0.0.1:{server.port}"
    with open_socket(f"{url}/ws") as socket:
        for text in ("hello", "", "é" * 1000):
            socket.send(text)
            assert socket.recv(timeout=10) == text
    with open_socket(f"{url}/ws") as socket:
        socket.send("close")
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=10)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4000
    with pytest.raises(InvalidStatus, match="403"), open_socket(f"{url}/ws/refuse"):
        pytest.fail("it was accepted")
    with open_socket(f"{url}/ws/broken") as socket, pytest.raises(ConnectionClosed):
        socket.recv(timeout=10)
    with connect(server) as wire:
        assert wire.handshake("/ws")[0] == 101


def visit_plain(server: RunningServer) -> None:
    """Make requests of the application without a framework, and wait until it has received after each disconnect."""
    with connect(server) as wire:
        wire.request("POST", "/a%20b?c=d", "transfer-encoding: chunked", body=b"2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n")
        assert wire.response()[::2] == (200, b"body")
    with connect(server) as wire:
        wire.send(b"GET / HTTP/1.0\r\n\r\n")
        wire.rest()
    with connect(server) as wire:
        wire.handshake("/ws")
        wire.send_frame(TEXT, b"hello")
        assert wire.frame()[1] == b"hello"
        wire.send_frame(CLOSE, (1000).to_bytes(2, "big"))
        wire.rest()
    with connect(server) as wire:
        wire.handshake("/ws")
    server.printed(AGAIN, times=4)
