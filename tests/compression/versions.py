"""Two versions of one resource, requests by clients that hold the first, and decoders for what they get."""

from __future__ import annotations

import base64
import ctypes
import json
import random
from hashlib import sha256
from typing import TYPE_CHECKING

from backports import zstd

if TYPE_CHECKING:
    from middlewares.asgi import Scope
    from middlewares.core.headers import HeaderList

__all__ = ("ALL", "NEW", "OLD", "available", "decoded", "json_versions", "noise", "request")

ALL = b"gzip, deflate, br, zstd, dcb, dcz"
"""The ``Accept-Encoding`` of Chromium."""


def json_versions(rows: int = 100, changed: int = 16, seed: int = 1) -> tuple[bytes, bytes]:
    """Return a list of products, and the same with some of them replaced."""
    random_ = random.Random(seed)  # noqa: S311 - the same versions each time
    words = ("oak", "birch", "elm", "table", "chair", "lamp", "shelf", "round", "square", "small", "blue", "white")

    def row(number: int) -> dict[str, object]:
        name, text = " ".join(random_.choices(words, k=3)), " ".join(random_.choices(words, k=12))
        return {"id": number, "name": name, "price": random_.randrange(100_000) / 100, "text": text}

    products = [row(number) for number in range(rows)]
    old = json.dumps(products).encode()
    for number in random_.sample(range(rows), changed):
        products[number] = row(number)
    return old, json.dumps(products).encode()


def noise(size: int, seed: int = 0) -> bytes:
    """Return bytes that do not shrink, the same each time."""
    return random.Random(seed).randbytes(size)  # noqa: S311 - nothing depends on their being secret


OLD, NEW = json_versions()


def available(dictionary: bytes) -> bytes:
    """Return the value of ``Available-Dictionary`` of a client that holds these bytes."""
    return b":" + base64.b64encode(sha256(dictionary).digest()) + b":"


def request(
    path: str = "/products", *headers: tuple[bytes, bytes], method: str = "GET", scheme: str = "https"
) -> Scope:
    """Return the scope of a request."""
    lines: HeaderList = [(b"host", b"shop.example"), *headers]
    return {"type": "http", "method": method, "scheme": scheme, "path": path, "raw_path": None, "headers": lines}


def decoded(data: bytes, coding: bytes, dictionary: bytes) -> bytes:
    """Return what was encoded, after a look at the header: its magic number and the hash of the dictionary."""
    magic, decode = _FORMATS[coding]
    assert data.startswith(magic + sha256(dictionary).digest())
    return decode(data, len(magic) + 32, dictionary)


def _decode_dcz(data: bytes, header: int, dictionary: bytes) -> bytes:
    # RFC 9842, 5: the header is a skippable frame, so the decoder may have it too.
    return zstd.decompress(data, zstd_dict=zstd.ZstdDict(dictionary, is_raw=True).as_prefix)


def _decode_dcb(data: bytes, header: int, dictionary: bytes) -> bytes:
    """Decode by the C functions, since the Python module offers none for dictionaries."""
    import _brotli  # type: ignore[import-not-found]  # a compiled module without stubs

    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    library = ctypes.CDLL(_brotli.__file__)
    library.BrotliDecoderCreateInstance.restype = pointer
    state = pointer(library.BrotliDecoderCreateInstance(None, None, None))
    assert library.BrotliDecoderAttachDictionary(state, 0, size(len(dictionary)), ctypes.c_char_p(dictionary))
    source = ctypes.cast(ctypes.c_char_p(data[header:]), pointer)
    left, target = size(len(data) - header), ctypes.create_string_buffer(_ROOM)
    parts = []
    result = _NEEDS_ROOM
    while result == _NEEDS_ROOM:
        output, room = ctypes.cast(target, pointer), size(_ROOM)
        references = [ctypes.byref(each) for each in (left, source, room, output)]
        result = library.BrotliDecoderDecompressStream(state, *references, None)
        parts.append(target.raw[: _ROOM - room.value])
    library.BrotliDecoderDestroyInstance(state)
    assert (result, left.value) in ((1, 0), (2, 0))  # the end, or all there is so far
    return b"".join(parts)


_ROOM = 1 << 20
_NEEDS_ROOM = 3
_FORMATS = {
    b"dcz": (bytes.fromhex("5e2a4d1820000000"), _decode_dcz),
    b"dcb": (bytes.fromhex("ff444342"), _decode_dcb),
}
