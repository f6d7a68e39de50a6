"""What a client understands of a response while it comes: decoded, and with what else was sent."""

from __future__ import annotations

import os
import zlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import brotli  # type: ignore[import-untyped]  # it has no annotations
from backports import zstd

from .traffic import Traffic, header

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares.asgi import Message

__all__ = ("View",)

_BODILESS = frozenset({204, 304})
_GZIP = 16 + zlib.MAX_WBITS


class _Brotli:
    """A decoder of Brotli with the attributes of zlib's.

    That of the library keeps back a part of large inputs until the next. Where a stream was flushed it can be ended,
    though, by a last block that is empty.
    """

    unused_data = b""  # it raises instead

    def __init__(self) -> None:
        self._data = b""
        self._size = 0
        self.eof = False

    def decompress(self, data: bytes) -> bytes:
        self._data += data
        for end in (b"", b"\x03"):
            with suppress(brotli.error):
                decoded: bytes = brotli.decompress(self._data + end)
                self.eof = not end
                break
        else:  # cut somewhere else
            decoded = brotli.Decompressor().process(self._data)
        new, self._size = decoded[self._size :], max(len(decoded), self._size)
        return new


_DECODERS: dict[bytes | None, Callable[[], Any]] = {
    b"gzip": lambda: zlib.decompressobj(_GZIP),
    b"br": _Brotli,
    b"zstd": zstd.ZstdDecompressor,
}


class View:
    """A client that decodes what it gets as it gets it."""

    def __init__(self, method: str = "GET") -> None:
        self.status: int | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        """Decoded; empty where HTTP has no body."""
        self.others: list[Any] = []
        """Messages besides start and body, in order: hints, pushes, paths, trailers, all of a WebSocket or lifespan."""
        self.is_complete = False
        self.starts = 0
        self.encoding: bytes | None = None
        self._traffic = Traffic("client", {"type": "http", "method": method})
        self._method = method
        self._decoder: Any = None

    def take(self, message: Message) -> None:
        """Take the next message of the application."""
        kind = message["type"]
        if kind == "http.response.start":
            self._begin(message)
        elif kind == "http.response.body":
            self._read(bytes(message.get("body", b"")))
        elif kind == "http.response.pathsend":
            self._read(Path(message["path"]).read_bytes())
        elif kind == "http.response.zerocopysend":
            size = message.get("count", os.fstat(message["file"].fileno()).st_size)
            self._read(os.pread(message["file"].fileno(), size, message.get("offset", 0)))
        else:
            self.others.append(_comparable(message))
        self._traffic.messages.append(message)
        self.is_complete = self._traffic.is_complete

    def values(self, name: bytes) -> list[bytes]:
        """Return the values of a response header."""
        return header({"headers": self.headers}, name)

    @property
    def is_decoded(self) -> bool:
        """Whether an encoded body has come to its own end, with nothing after it."""
        return self._decoder is None or (self._decoder.eof and not self._decoder.unused_data)

    @property
    def has_body(self) -> bool:
        """Whether HTTP lets this response have a body."""
        return self._method != "HEAD" and self.status not in _BODILESS

    def _begin(self, message: Message) -> None:
        self.starts += 1
        self.status = message["status"]
        # Read only once: they may be a generator, which the driver of the test has kept.
        self.headers = [(bytes(name), bytes(value)) for name, value in message.get("headers", ())]
        self.encoding = next(iter(self.values(b"content-encoding")), None)
        if self.encoding in _DECODERS and self.has_body:
            self._decoder = _DECODERS[self.encoding]()

    def _read(self, data: bytes) -> None:
        if self.has_body:
            # zstd fails when it is given nothing too often in a row; the wire does not show such a message either.
            self.body += self._decoder.decompress(data) if self._decoder and data else data


def _comparable(message: Message) -> dict[str, Any]:
    comparable = dict(message)
    if "headers" in comparable:
        lines = [(bytes(name).lower(), bytes(value)) for name, value in comparable["headers"]]
        # What layers may add to the answer to a handshake.
        comparable["headers"] = [line for line in lines if line[0] != b"x-request-id"]
    return comparable
