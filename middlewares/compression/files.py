"""Files that a server is asked to send by their path: encoded slice by slice, or an encoded sibling in their place.

A file is opened, read and encoded in worker threads, 128 KiB at a time, so memory does not grow with it.

Standard: the ASGI extension ``http.response.pathsend``.
"""

from __future__ import annotations

import os
import stat
from threading import Lock
from typing import TYPE_CHECKING, Final, Self

from anyio import to_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .stream import EncodedStream

__all__ = ("OpenFile", "encode_file", "find_sibling", "open_file")

_SLICE: Final = 128 * 1024
_READING: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_SUFFIXES: Final = {b"gzip": ".gz", b"br": ".br", b"zstd": ".zst"}


class OpenFile:
    """A regular file that is read in worker threads, and closed while none of them reads it."""

    __slots__ = ("_descriptor", "_is_busy", "_is_closed", "_left", "_lock", "size")

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self._lock = Lock()
        self._is_busy = False
        self._is_closed = False
        self._left = size
        self.size = size

    def read(self) -> bytes:
        """Return the next slice, empty at the end of the file or once it is closed. Blocks.

        What is appended while the file is read does not belong to it: its end might never come. Raises `EOFError` if
        the file is cut short meanwhile, since what was sent of it must not look whole.
        """
        with self._lock:
            if self._is_closed:
                return b""
            self._is_busy = True
        try:
            data = os.read(self._descriptor, min(_SLICE, self._left))
            self._left -= len(data)
            if not data and self._left:
                raise EOFError(f"a file of {self.size} bytes was cut short by {self._left} while it was being sent")
            return data
        finally:
            with self._lock:
                self._is_busy = False
                if self._is_closed:
                    os.close(self._descriptor)

    def close(self) -> None:
        """Close the file; if a thread reads it, as soon as that is done. Returns at once."""
        with self._lock:
            if not self._is_closed and not self._is_busy:
                os.close(self._descriptor)
            self._is_closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        # A cancelled call never learns of the file that its thread has opened.
        self.close()


def open_file(path: str | os.PathLike[str]) -> OpenFile | None:
    """Return a regular file, open for reading, or ``None`` if there is none. Blocks."""
    try:
        # O_NONBLOCK: opening a named pipe would wait for its other end.
        descriptor = os.open(path, _READING)
    except (OSError, ValueError):  # the latter for a NUL in it
        return None
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode):
        return OpenFile(descriptor, status.st_size)
    os.close(descriptor)
    return None


def find_sibling(path: str | os.PathLike[str], coding: bytes) -> tuple[str, int] | None:
    """Return path and size of the file beside ``path`` that holds it encoded, if it is fresh and smaller. Blocks.

    It has the same name with ``.gz``, ``.br`` or ``.zst`` added, is a regular file, no symbolic link, and not older
    than the original.
    """
    suffix = _SUFFIXES.get(coding)
    if suffix is None:
        return None
    sibling = os.fspath(path) + suffix
    try:
        original, encoded = os.stat(path), os.stat(sibling, follow_symlinks=False)  # noqa: PTH116 - a str is handed on
    except (OSError, ValueError):
        return None
    is_fresh = stat.S_ISREG(encoded.st_mode) and encoded.st_mtime_ns >= original.st_mtime_ns
    # No coding has an empty file: that is one whose writing has only begun.
    return (sibling, encoded.st_size) if is_fresh and 0 < encoded.st_size < original.st_size else None


async def encode_file(file: OpenFile, stream: EncodedStream, send: Callable[[bytes, bool], Awaitable[None]]) -> None:
    """Send a file through an encoder; ``send`` is given encoded bytes, and whether more will come."""
    while True:
        piece = await to_thread.run_sync(file.read)
        encode = stream.encoding(piece, flush=False, finish=not piece)
        data = await stream.encode_off_loop(encode, piece)
        if data or not piece:
            await send(data, bool(piece))
        if not piece:
            return
