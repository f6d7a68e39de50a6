"""While a large body is compressed, the event loop goes on: a timer of a millisecond is at most 2 ms later."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.compression.answers import answering, body, start
from tests.compression.coders import CODERS, Coder
from tests.compression.decoding import seeded, text
from tests.compression.heartbeat import least_delay

if TYPE_CHECKING:
    from middlewares.asgi import Message

MB = 1 << 20
MOST = 2.0  # milliseconds

pytestmark = pytest.mark.parametrize("coder", CODERS[:3], ids=str)


def messages_of(size: int, chunk: int | None) -> list[Message]:
    """Return a body of so many bytes, whole or in chunks of a size."""
    data = text(MB, seeded(size)) * (size // MB)
    if chunk is None:
        return [body(data)]
    return [*(body(data[at : at + chunk], more=True) for at in range(0, size, chunk)), body(b"")]


async def check(coder: Coder, size: int, chunk: int | None, ticks: int) -> None:
    app = answering(start(), *messages_of(size, chunk))
    assert await least_delay(app, coder.make(app), coder.accepts, ticks=ticks, enough=MOST) <= MOST


@pytest.mark.parametrize(
    ("size", "chunk"),
    [(MB, None), (8 * MB, None), (MB, 4096), (8 * MB, 65_536), (8 * MB, 8 * MB)],
    ids=["1 MB", "8 MB", "1 MB by 4 KB", "8 MB by 64 KB", "8 MB in a chunk"],
)
async def test_the_loop_goes_on(coder: Coder, size: int, chunk: int | None) -> None:
    """Of 300 gaps the longest counts. A server that takes chunks without waiting is no excuse for holding the loop."""
    await check(coder, size, chunk, ticks=300)


@pytest.mark.sweep
@pytest.mark.parametrize(
    ("size", "chunk"), [(64 * MB, None), (64 * MB, 65_536), (64 * MB, 64 * MB), (8 * MB, 4096), (MB, 300)]
)
async def test_the_loop_goes_on_for_64_mb(coder: Coder, size: int, chunk: int | None) -> None:
    """And for many thousands of small chunks."""
    await check(coder, size, chunk, ticks=1000)
