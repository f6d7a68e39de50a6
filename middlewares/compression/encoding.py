"""What an encoded response is made of: its start, its body, and files that the application leaves to the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from anyio import to_thread

from middlewares.core.fields import parse_digits
from middlewares.core.headers import find

from . import facts
from .eligibility import SMALL, encoded
from .files import encode_file, find_sibling, open_file
from .stream import EncodedStream

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from middlewares.asgi import Message, Scope, Send

    from .codecs import Codec
    from .eligibility import Plan
    from .files import OpenFile

__all__ = ("EncodedResponse", "length_of")

_BODY: Final = "http.response.body"


class EncodedResponse:
    """The parts of a response in a coding, sent one after the other; who calls keeps them in order."""

    __slots__ = ("_codec", "_is_encoded", "_plan", "_scope", "_send", "_stream")

    def __init__(self, plan: Plan, codec: Codec, scope: Scope, send: Send) -> None:
        self._plan = plan
        self._codec = codec
        self._scope = scope
        self._send = send
        self._stream: EncodedStream | None = None
        """What encodes the body, unless that is whole."""
        self._is_encoded = False
        """Whether the start says so."""

    @property
    def _is_head(self) -> bool:
        return bool(self._scope["method"] == "HEAD")

    def _streaming(self, start: Message, *, events: bool = False, size: int | None = None) -> Message:
        """Begin to encode a stream, and return its start."""
        stream = self._stream = EncodedStream(self._plan, self._codec, self._scope, self._send)
        stream.events = events
        length = length_of(start)
        stream.size = size if size is not None or length is None else parse_digits(length)
        return self._encoded(start, None)

    def _encoded(self, start: Message, length: int | None) -> Message:
        self._is_encoded = True
        return {**start, "headers": encoded(start["headers"], self._codec.name, length, self._plan.tags)}

    async def _both(self, start: Message, message: Message) -> None:
        await self._send(start)
        if self._stream is not None and message["type"] == _BODY:
            await self._stream.send(message)
        else:
            await self._send(message)

    async def _first_file(self, start: Message, message: Message) -> None:
        path, coding = message["path"], self._codec.name
        sibling = await to_thread.run_sync(find_sibling, path, coding) if self._plan.precompressed else None
        if sibling is not None:
            path, size = sibling
            facts.done(self._scope, coding, 0, size, 0.0)
            await self._send(self._encoded(start, size))
            return await self._send({**message, "path": path})
        file = await to_thread.run_sync(open_file, path)
        if file is None or file.size < self._plan.minimum_size:
            facts.skipped(self._scope, SMALL if file is not None else "no file")
            await self._send(start)
            return await self._send(message)
        with file:
            start = self._streaming(start, size=file.size)
            await self._send(start)
            await self._encode_file(file)

    async def _later_file(self, message: Message) -> None:
        """Send a file into a body that is said to be encoded."""
        file = await to_thread.run_sync(open_file, message["path"])
        if file is None:
            raise FileNotFoundError(f"http.response.pathsend: no regular file can be read at {message['path']!r}")
        with file:
            await self._encode_file(file)

    async def _encode_file(self, file: OpenFile) -> None:
        def send(data: bytes, more: bool) -> Awaitable[None]:
            return self._send({"type": _BODY, "body": data, "more_body": more})

        if self._stream is None or self._is_head:
            await send(b"", more=False)
        else:
            await encode_file(file, self._stream, send)


def length_of(start: Message) -> bytes | None:
    """Return the ``Content-Length`` of a start."""
    return find(start["headers"], b"content-length")
