"""Bodies that are made while they are sent: a long table, live events, and one that breaks off."""

from __future__ import annotations

import csv
import json
import time
from io import StringIO
from itertools import islice
from typing import TYPE_CHECKING

# anyio is what Starlette itself runs on, so these generators work wherever Starlette does.
import anyio
import anyio.lowlevel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

    from .catalog import Product

__all__ = ("MOST_EVENTS", "MOST_ROWS", "SLOWEST_EVENT", "broken_stream", "csv_rows", "events")

MOST_ROWS = 1_000_000
MOST_EVENTS = 10_000
SLOWEST_EVENT = 60.0
_ROWS_PER_CHUNK = 200
_COLUMNS = ("row", "id", "name", "category", "maker", "price", "currency", "stock")


async def csv_rows(products: Sequence[Product], rows: int) -> AsyncIterator[str]:
    """Yield a header line and ``rows`` lines of CSV (RFC 4180), going round and round the products.

    Memory holds one chunk at a time, however many rows there are.
    """
    yield _csv_lines([_COLUMNS])
    lines = _numbered_rows(products, rows)
    while chunk := _csv_lines(islice(lines, _ROWS_PER_CHUNK)):
        yield chunk
        # A quick client never makes the server wait: let other requests have their turn.
        await anyio.lowlevel.checkpoint()


async def events(count: int, interval: float) -> AsyncIterator[str]:
    """Yield server-sent events, ``interval`` seconds apart; each tells its number and when it was sent."""
    # A comment opens the stream at once: the client knows that it is connected before there is news.
    yield ": welcome to the shop\n\n"
    for number in range(1, count + 1):
        if number > 1:
            await anyio.sleep(interval)
        data = json.dumps({"number": number, "sent": time.time()})
        yield f"id: {number}\ndata: {data}\n\n"


async def broken_stream() -> AsyncIterator[str]:
    """Yield a few lines, then fail: the client must not take what it got for the whole."""
    for number in range(1, 4):
        yield f"line {number} of many\n"
        await anyio.lowlevel.checkpoint()
    raise RuntimeError("the stream broke on purpose")


def _numbered_rows(products: Sequence[Product], rows: int) -> Iterator[Sequence[object]]:
    for number in range(rows):
        product = products[number % len(products)]
        yield (number + 1, *(getattr(product, column) for column in _COLUMNS[1:]))


def _csv_lines(rows: Iterable[Sequence[object]]) -> str:
    text = StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()
