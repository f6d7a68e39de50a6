"""A client made of a TCP connection and bytes, to see what servers do behind the boundary of ASGI."""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded, TrailersReceived

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.interop.servers import RunningServer

__all__ = ("CLOSE", "CONTINUATION", "PING", "PONG", "TEXT", "Wire", "connect", "unchunked")

CONTINUATION, TEXT, CLOSE, PING, PONG = 0, 1, 8, 9, 10
"""Opcodes of WebSocket frames (RFC 6455, 5.2)."""

_DEADLINE = 10.0  # seconds; generous, for a machine that is busy with other tests


class Wire:
    """One connection; whatever the server does not do within some seconds fails with `TimeoutError`."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._read = bytearray()

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def request(self, method: str, path: str, *headers: str, body: bytes = b"") -> None:
        """Send the head of a request of HTTP/1.1, and ``body`` as it is."""
        lines = (f"{method} {path} HTTP/1.1", "host: localhost", *headers, "", "")
        self.send("\r\n".join(lines).encode() + body)

    def until(self, mark: bytes) -> bytes:
        """Read up to a mark, and return what came before it and the mark."""
        while (end := self._read.find(mark)) < 0:
            self._more()
        return self._take(end + len(mark))

    def exactly(self, size: int) -> bytes:
        """Read so many bytes."""
        while len(self._read) < size:
            self._more()
        return self._take(size)

    def rest(self) -> bytes:
        """Read until the server closes the connection."""
        while data := self._received():
            self._read += data
        return self._take(len(self._read))

    def head(self) -> tuple[int, list[tuple[str, str]]]:
        """Read the head of a response; return its status and its headers in their order, names in lower case."""
        status, *lines = self.until(b"\r\n\r\n").decode("latin-1").strip().split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return int(status.split(" ")[1]), [(name.lower(), value.strip()) for name, _, value in pairs]

    def response(self) -> tuple[int, dict[str, str], bytes]:
        """Read a whole response, framed by its length, by chunks or by the end of the connection."""
        status, pairs = self.head()
        headers = dict(pairs)
        if headers.get("transfer-encoding") == "chunked":
            return status, headers, unchunked(self.until(b"0\r\n\r\n"))
        if "content-length" in headers:
            return status, headers, self.exactly(int(headers["content-length"]))
        return status, headers, self.rest()

    # -- HTTP/2

    def over_http2(self, path: str, *headers: tuple[str, str]) -> tuple[dict[str, str], bytes, dict[str, str]]:
        """Get a path as a client that knows that the server takes HTTP/2; return headers, body and trailers."""
        http2 = H2Connection(H2Configuration(header_encoding="utf-8"))
        http2.initiate_connection()
        pseudo = [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", path)]
        http2.send_headers(1, [*pseudo, *headers], end_stream=True)
        answered: dict[str, str] = {}
        body, trailers = b"", dict[str, str]()
        while True:
            self.send(http2.data_to_send())
            data = self._received()
            assert data, "the server closed the connection"
            for event in http2.receive_data(data):
                if isinstance(event, ResponseReceived):
                    answered = _texts(event.headers)
                elif isinstance(event, DataReceived):
                    body += event.data
                elif isinstance(event, TrailersReceived):
                    trailers = _texts(event.headers)
                elif isinstance(event, StreamEnded):
                    return answered, body, trailers

    # -- WebSocket

    def handshake(self, path: str) -> tuple[int, list[tuple[str, str]]]:
        """Ask for a WebSocket; return the head of the answer."""
        key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="
        self.request("GET", path, "upgrade: websocket", "connection: upgrade", "sec-websocket-version: 13", key)
        return self.head()

    def send_frame(self, opcode: int, payload: bytes = b"", *, is_final: bool = True) -> None:
        """Send one short frame, masked as those of clients are."""
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[position % 4] for position, byte in enumerate(payload))
        self.send(bytes((is_final << 7 | opcode, 0x80 | len(payload))) + mask + masked)

    def frame(self) -> tuple[int, bytes]:
        """Read one short frame; return its first byte, whose highest bit says that it is final, and its payload."""
        first, size = self.exactly(2)
        assert size < 126, "a longer frame than these tests send"
        return first, self.exactly(size)

    # -- bytes

    def _more(self) -> None:
        data = self._received()
        assert data, f"the server closed the connection after {bytes(self._read)!r}"
        self._read += data

    def _received(self) -> bytes:
        try:
            return self.socket.recv(1 << 16)
        except ConnectionResetError:
            return b""

    def _take(self, size: int) -> bytes:
        taken = bytes(self._read[:size])
        del self._read[:size]
        return taken


@contextmanager
def connect(server: RunningServer, *, receive_buffer: int | None = None) -> Iterator[Wire]:
    """Open a connection to a server; ``receive_buffer`` is the size of the client's buffer in bytes."""
    with socket.socket() as connection:
        connection.settimeout(_DEADLINE)
        if receive_buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.connect(("127.0.0.1", server.port))
        yield Wire(connection)


def _texts(headers: Iterable[tuple[Any, Any]]) -> dict[str, str]:
    return {str(name): str(value) for name, value in headers}


def unchunked(data: bytes) -> bytes:
    """Decode chunks (RFC 9112, 7.1); raise `ValueError` or `AssertionError` where they are not well-formed."""
    body = bytearray()
    while True:
        line, _, data = data.partition(b"\r\n")
        size = int(line, 16)
        assert data[size : size + 2] == b"\r\n", "a chunk does not end where it says"
        body += data[:size]
        data = data[size + 2 :]
        if size == 0:
            assert not data, "bytes after the last chunk"
            return bytes(body)
