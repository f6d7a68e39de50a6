"""A man in the middle of limiters and their server: it loses replies, and answers what a server might."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ("Between",)


class Between:
    """A way to a server, with a URL of its own, for as long as its context lasts."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._to = parts.hostname, parts.port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self.loses = False
        """Whether replies to scripts are lost once the server has given them, and the connection with them."""
        self.answer: bytes | None = None
        """What is answered in place of the server to whoever runs a script; it never hears of it."""
        self.scripts = 0
        """Scripts that were asked for."""
        self.replies = 0
        """Replies of the server to scripts."""

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        server_reader, server_writer = await asyncio.open_connection(*self._to)
        back = asyncio.create_task(self._back(server_reader, writer))
        try:
            # Commands of limiters are short and come one at a time, each in one piece.
            while data := await reader.read(1 << 20):
                is_script = b"EVAL" in data
                self.scripts += is_script
                if is_script and self.answer is not None:
                    writer.write(self.answer)
                else:
                    server_writer.write(data)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            back.cancel()
            for end in (server_writer, writer):
                with suppress(Exception):
                    end.close()

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 20):
            # Only scripts are answered with strings, but for a NOSCRIPT.
            is_script = data.startswith(b"$")
            self.replies += is_script
            if is_script and self.loses:
                writer.transport.abort()
                return
            writer.write(data)
        writer.close()
