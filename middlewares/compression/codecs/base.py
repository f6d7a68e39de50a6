"""The interface of codecs: a whole body in one call, or a stream chunk by chunk.

A codec is a content coding with its levels settled. It is shared by all requests and threads; an encoder belongs to
one response.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ("Codec", "Encoder", "NoBody")


class Encoder(Protocol):
    """One stream of one content coding."""

    def chunk(self, data: bytes) -> bytes:
        """Return ``data`` encoded and flushed: a client can decode all of it at once."""
        ...

    def write(self, data: bytes) -> bytes:
        """Take ``data``, and return what comes out of itself: often nothing."""
        ...

    def finish(self, data: bytes) -> bytes:
        """Return the last ``data`` encoded, and the end of the stream."""
        ...


class Codec(Protocol):
    """A content coding at settled levels, which may depend on the size of the body."""

    @property
    def name(self) -> bytes:
        """The name of the coding, as in ``Content-Encoding``."""
        ...

    def whole(self, data: bytes, *, padding: int = 0) -> bytes:
        """Return a whole body encoded; the same body and padding always give the same bytes.

        ``padding`` is a number of bytes that decoders skip, to be added (and counted without their framing).
        """
        ...

    def stream(self, *, size: int | None = None, events: bool = False, padding: int = 0) -> Encoder:
        """Begin a stream of ``size`` bytes, if that is known.

        ``events`` asks for little memory, because many such streams stay open for long. ``padding`` is a number of
        bytes that decoders skip, to be added to the first output.
        """
        ...

    def seconds(self, size: int) -> float:
        """Predict how long encoding a whole body of ``size`` bytes takes on a slow machine."""
        ...


class NoBody:
    """Stands for the encoder where a response has no body: that to ``HEAD``."""

    __slots__ = ()

    def chunk(self, data: bytes) -> bytes:
        """Return nothing."""
        return b""

    def write(self, data: bytes) -> bytes:
        """Return nothing."""
        return b""

    def finish(self, data: bytes) -> bytes:
        """Return nothing."""
        return b""
