"""Every coding: who makes it, and an independent way to read it."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import brotli  # type: ignore[import-untyped]  # it has no annotations
import zlib_ng.zlib_ng
from backports import zstd

from middlewares import Brotli, Compress, GZip, Zstd
from middlewares.asgi import ASGIApp

if TYPE_CHECKING:
    from collections.abc import Iterable

    from middlewares.testing import Response

__all__ = ("CODERS", "Coder")


@dataclass(frozen=True)
class Coder:
    """One coding, as one of the layers makes it."""

    label: str
    coding: str
    make: Callable[..., ASGIApp]
    whole: Callable[[bytes], bytes]
    """Decode a body that must be complete."""
    decoder: Callable[[], Callable[[bytes], bytes]]
    """Begin to decode a stream."""

    @property
    def accepts(self) -> dict[str, str]:
        """Request headers of a client that takes just this coding."""
        return {"accept-encoding": self.coding}

    def so_far(self, chunks: Iterable[bytes]) -> bytes:
        """Return what a client has decoded of a stream that may not have ended."""
        decode = self.decoder()
        return b"".join(decode(chunk) for chunk in chunks)

    def read(self, response: Response) -> bytes:
        """Return the content of a response, which must be what its coding says."""
        coding = response.header("content-encoding")
        assert coding in (None, self.coding)
        return response.body if coding is None else self.whole(response.body)

    def __str__(self) -> str:
        return self.label


def _compress(app: ASGIApp, **options: Any) -> ASGIApp:
    return Compress(app, **options)


CODERS = (
    Coder("gzip", "gzip", GZip, gzip.decompress, lambda: zlib_ng.zlib_ng.decompressobj(31).decompress),
    Coder("br", "br", Brotli, brotli.decompress, lambda: brotli.Decompressor().process),
    Coder("zstd", "zstd", Zstd, zstd.decompress, lambda: zstd.ZstdDecompressor().decompress),
    Coder("compress-br", "br", _compress, brotli.decompress, lambda: brotli.Decompressor().process),
)
