"""Hostile bodies: refused for what they are, within bounded time and memory, and never taken for something whole."""

from __future__ import annotations

import gzip
import os
import random
import subprocess
import sys
import time
import tracemalloc
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import brotli  # type: ignore[import-untyped]  # it has no types
import pytest
from backports import zstd

from middlewares import Decompress
from tests.decompress.bodies import ENCODERS, NOISY, TEXT, Reader, encoded, post, reason

if TYPE_CHECKING:
    from collections.abc import Callable

MB = 1 << 20
SKIPPABLE = b"\x50\x2a\x4d\x18\x05\x00\x00\x00hello"  # RFC 8878, 3.1.2
LARGE_WINDOW: dict[int, int] = {
    zstd.CompressionParameter.compression_level: 19,
    zstd.CompressionParameter.window_log: 24,
}


def raw_deflate(data: bytes) -> bytes:
    return zlib.compress(data, wbits=-zlib.MAX_WBITS)


def flipped(data: bytes, at: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 0xFF
    return bytes(changed)


def streamed_zstd(data: bytes) -> bytes:
    compressor = zstd.ZstdCompressor(options=LARGE_WINDOW)
    return compressor.compress(data, zstd.ZstdCompressor.FLUSH_BLOCK) + compressor.flush()


def with_dictionary(data: bytes) -> bytes:
    compressor = zlib.compressobj(zdict=b"chair")
    return compressor.compress(data) + compressor.flush()


GZ = encoded(TEXT, "gzip")

WHOLE: dict[str, tuple[str, bytes, bytes]] = {
    "members": ("gzip", GZ + GZ, TEXT * 2),
    "empty members": ("gzip", encoded(b"", "gzip") * 40 + GZ, TEXT),
    "frames": ("zstd", encoded(TEXT, "zstd") * 2, TEXT * 2),
    "skippable frames": ("zstd", SKIPPABLE + encoded(TEXT, "zstd") + SKIPPABLE * 30, TEXT),
    "skippable frames alone": ("zstd", SKIPPABLE, b""),
    "metadata": ("br", b"\x0c" + b"\x06" * 10 + b"\x03", b""),  # RFC 7932, 9.2: empty blocks of it, and the end
}
"""Requirements 20, 22 and 23: coding, bytes, and what they stand for."""

CORRUPT: dict[str, tuple[str, bytes]] = {
    "not gzip": ("gzip", TEXT),
    "not zlib": ("deflate", TEXT),
    "raw deflate": ("deflate", raw_deflate(TEXT)),
    "a preset dictionary": ("deflate", with_dictionary(TEXT)),
    "not brotli": ("br", b"\xff" * 20),
    "not zstd": ("zstd", TEXT),
    "gzip CRC": ("gzip", flipped(GZ, -8)),
    "gzip length": ("gzip", flipped(GZ, -1)),
    "zlib checksum": ("deflate", flipped(encoded(TEXT, "deflate"), -1)),
    "gzip method": ("gzip", flipped(GZ, 2)),
    "garbage behind gzip": ("gzip", GZ + b"garbage"),
    "zeros behind gzip": ("gzip", GZ + bytes(512)),
    "garbage behind deflate": ("deflate", encoded(TEXT, "deflate") + b"x"),
    "garbage behind br": ("br", encoded(TEXT, "br") + b"x"),
    "garbage behind zstd": ("zstd", encoded(TEXT, "zstd") + b"garbage"),
    "a zstd window of 16 MB": ("zstd", streamed_zstd(NOISY)),
    "a large brotli window": ("br", b"\x11" + encoded(TEXT, "br")),
    "a broken second member": ("gzip", GZ + flipped(GZ, -8)),
}
"""Requirements 20 to 23: coding and bytes of a body that is refused with 400."""


@pytest.mark.parametrize("case", WHOLE)
async def test_bodies_of_several_parts_are_decoded(case: str) -> None:
    coding, body, data = WHOLE[case]
    reader = Reader()
    assert (await post(Decompress(reader), body, coding)).status == 200
    assert reader.body == data


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "byte by byte"])
@pytest.mark.parametrize("case", CORRUPT)
async def test_corrupt_bodies_are_refused(case: str, at_once: bool) -> None:
    coding, body = CORRUPT[case]
    reader = Reader()
    chunks = [body] if at_once or len(body) > 4000 else [body[n : n + 1] for n in range(len(body))]
    response = await post(Decompress(reader), chunks, coding)
    assert (response.status, reader.is_whole) == (400, False)
    assert response.header("accept-encoding") is None


@pytest.mark.parametrize("coding", ENCODERS)
async def test_a_body_cut_short_anywhere_is_refused(coding: str) -> None:
    """Requirement 20: partial data is never treated as complete."""
    reader, body = Reader(), encoded(TEXT, coding)
    for length in range(1, len(body)):
        response = await post(Decompress(reader), body[:length], coding)
        assert (response.status, reader.is_whole) == (400, False), length
        assert reason(response) == "The request body ends before its coding does."


async def test_raw_deflate_is_accepted_by_option() -> None:
    """Requirement 21."""
    reader = Reader()
    app = Decompress(reader, raw_deflate=True)
    for body in (raw_deflate(TEXT), encoded(TEXT, "deflate"), raw_deflate(b""), encoded(b"", "deflate")):
        for chunks in ([body], [body[n : n + 1] for n in range(len(body))]):
            assert (await post(app, chunks, "deflate")).status == 200
    assert (await post(app, raw_deflate(TEXT) + b"x", "deflate")).status == 400
    assert (await post(app, b"\x78", "deflate")).status == 400


@pytest.mark.parametrize("coding", ENCODERS)
@pytest.mark.parametrize("chunked", [True, False])
async def test_a_byte_too_many_is_refused_before_the_application_sees_it(coding: str, chunked: bool) -> None:
    for size, status in ((100_000, 200), (100_001, 413)):
        reader, body = Reader(), encoded(NOISY[:size], coding)
        chunks = [body[n : n + 999] for n in range(0, len(body), 999)] if chunked else [body]
        response = await post(Decompress(reader, max_size=100_000), chunks, coding)
        assert (response.status, reader.is_whole) == (status, status == 200)
        assert len(reader.body) <= 100_000


async def test_bytes_that_stand_for_nothing_are_bounded() -> None:
    """Padding can be endless: on the wire, in a coding below another, and in empty members."""
    reader = Reader()
    app = Decompress(reader, max_size=10_000)
    assert (await post(app, GZ, "gzip", **{"content-length": "20001"})).status == 413
    assert reader.calls == 0
    padded = b"\x50\x2a\x4d\x18" + (30_000).to_bytes(4, "little") + bytes(30_000) + encoded(TEXT, "zstd")
    assert (await post(app, [padded[:9000], padded[9000:]], "zstd")).status == 413
    assert (await post(app, encoded(padded, "gzip"), "zstd", "gzip")).status == 413
    response = await post(Decompress(reader), encoded(b"", "gzip") * 1001, "gzip")
    assert (response.status, reason(response)) == (413, "The request body has more than 1000 parts.")


@pytest.mark.parametrize("coding", ENCODERS)
async def test_the_ratio_is_judged_above_the_floor(coding: str) -> None:
    body, reader = encoded(bytes(MB), coding), Reader()
    for ratio, floor, status in ((500, 128_000, 413), (None, 0, 200), (500, MB, 200)):
        response = await post(Decompress(reader, max_ratio=ratio, ratio_floor=floor), body, coding)
        assert response.status == status
    response = await post(Decompress(reader), body, coding)
    assert reason(response) == "The request body unpacks to more than 100 times its encoded size."
    assert len(reader.body) <= max(128_000, 100 * len(body))


# -- what a bomb costs

BR_BOMB = bytes(brotli.compress(bytes(64 * MB), quality=5))

BOMBS: dict[str, tuple[tuple[str, ...], Callable[[], bytes]]] = {
    "br of 102 bytes": (("br",), lambda: BR_BOMB),
    "gzip": (("gzip",), lambda: gzip.compress(bytes(32 * MB))),
    "zstd": (("zstd",), lambda: zstd.compress(bytes(64 * MB), 19)),
    "gzip twice": (("gzip", "gzip"), lambda: gzip.compress(gzip.compress(bytes(64 * MB)))),
    "gzip in br": (("gzip", "br"), lambda: encoded(gzip.compress(bytes(64 * MB)), "br")),
    "100 members": (("gzip",), lambda: gzip.compress(bytes(MB)) * 100),
    "100 frames": (("zstd",), lambda: zstd.compress(bytes(MB)) * 100),
}


@pytest.mark.parametrize("bomb", BOMBS)
async def test_a_bomb_costs_little(bomb: str) -> None:
    codings, make = BOMBS[bomb]
    body, app = make(), Decompress(Reader(keeps=False))
    await post(app, body, *codings)
    tracemalloc.start()
    try:
        started = time.perf_counter()
        response = await post(app, body, *codings)
        took = time.perf_counter() - started
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert response.status == 413
    assert peak < MB
    assert took < 1


_MEASURE = """
import asyncio, resource, sys
from middlewares import Decompress
from middlewares.testing import request
from tests.decompress.bodies import Reader
from tests.decompress.test_hostile import BOMBS

codings, make = BOMBS[sys.argv[1]]
body = make()
async def main():
    headers = {"content-encoding": ", ".join(codings)}
    app = Decompress(Reader(keeps=False))
    await request(app, "POST", body=b"", headers=headers)
    apps = [Decompress(Reader(keeps=False)) for _ in range(int(sys.argv[2]))]
    calls = [request(app, "POST", body=body, headers=headers, timeout=60) for app in apps]
    resident = int(open("/proc/self/statm").read().split()[1])
    open("/proc/self/clear_refs", "w").write("5")
    assert {response.status for response in await asyncio.gather(*calls)} == {413}
    peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print(peak - resident * resource.getpagesize() // 1024)
asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of resident memory is read from /proc")
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_costs_less_than_a_megabyte_of_memory(bomb: str) -> None:
    """Also what C libraries take, of which Python knows nothing; thirty at once, for a measure above the noise."""
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-W", "ignore", "-c", _MEASURE, bomb, "30"]
    environment = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 30 * 1024


async def test_noise_never_crashes() -> None:
    """Whatever is in a body, it is decoded, or refused with one of three statuses."""
    noise = random.Random(7)  # noqa: S311 - the same noise each time
    reader = Reader()
    app = Decompress(reader, raw_deflate=True, max_size=50_000)
    for _ in range(2000):
        coding = noise.choice([*ENCODERS])
        body = bytearray(encoded(TEXT, coding))
        for _ in range(noise.randint(1, 4)):
            body[noise.randrange(len(body))] = noise.randrange(256)
        response = await post(app, bytes(body), coding)
        assert response.status in (200, 400, 413)
        assert reader.is_whole == (response.status == 200)
