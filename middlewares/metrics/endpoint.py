"""Tell a scraper what was counted."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from threading import get_ident
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

import anyio
import anyio.lowlevel
import anyio.to_thread
from prometheus_client import REGISTRY, CollectorRegistry

from middlewares.core.addresses import Network, is_in, parse_address, parse_networks
from middlewares.core.headers import joined
from middlewares.core.layer import freeze
from middlewares.core.negotiation import choose_coding
from middlewares.core.options import check_type, option_fields, option_types
from middlewares.core.refusals import Refusal, refuse
from middlewares.errors import OptionErrors

from .exposition import EOF, write
from .foreign import write_foreign
from .formats import choose_format
from .homes import books_of
from .messages import write_messages
from .packing import CODINGS, packed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from middlewares.asgi import Receive, Scope, Send

    from .exposition import Names
    from .formats import Format
    from .homes import Book
    from .store import Snapshot

__all__ = ("MetricsEndpoint",)

_DENIED: Final = Refusal(status=403, code="metrics.network", detail="Metrics are not for everybody.")
_NOT_FOUND: Final = Refusal(status=404, code="metrics.websocket", detail="There is no WebSocket here.")
_METHOD: Final = Refusal(
    status=405, code="metrics.method", detail="Metrics can be read only.", headers=((b"allow", b"GET, HEAD"),)
)
_BUSY: Final = Refusal(
    status=503, code="metrics.busy", detail="Too many scrapes at once.", headers=((b"retry-after", b"1"),)
)
_TURN: Final = 0.001
"""Seconds of writing after which other requests have their turn."""
_MOST_NAMES: Final = 1000

Page = list[bytes]
"""In pieces, as to put them together would hold up all others where there are many series."""
_Asked = tuple["Format", "Names | None", "bytes | None"]
"""The format, the names that are wanted, and the coding."""


class _Scrape:
    """One page in the making, for all who ask for the same."""

    __slots__ = ("done", "page")

    def __init__(self) -> None:
        self.done = anyio.Event()
        self.page: Page | None = None


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class MetricsEndpoint:
    """An application that answers every path with the metrics of a registry.

    A scraper gets OpenMetrics, protobuf or the text format, whichever its ``Accept`` prefers, compressed if it takes
    Zstandard (with the extra ``zstd``) or gzip; with ``name[]`` in the query only the metrics of these names. Several
    that ask at once for the same get one page. A collector of the registry that fails costs its own metrics alone.

    Standard: OpenMetrics 1.0; Prometheus text formats 0.0.4 and 1.0.0, and protobuf format; RFC 9110, 12.5.
    """

    registry: CollectorRegistry | None = None
    """Whose metrics are told; the default registry of prometheus_client unless given."""
    allow: Collection[str] = ()
    """Networks that may ask, such as ``10.0.0.0/8``; anybody if empty."""
    max_scrapes: int = 16
    """The most scrapes at one time; others are refused with 503."""
    _registry: CollectorRegistry = field(init=False, repr=False)
    _networks: tuple[Network, ...] = field(init=False, repr=False)
    _running: dict[Any, _Scrape] = field(init=False, repr=False)
    _count: list[int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        problems = OptionErrors(self)
        cls: Any = type(self)
        hints = option_types(cls)
        for option in option_fields(cls):
            check_type(problems, option, getattr(self, option.name), hints[option.name])
        problems.raise_if_any()
        networks = parse_networks(problems, "allow", self.allow)
        problems.check(self.max_scrapes >= 1, "max_scrapes", "must be at least 1", self.max_scrapes)
        problems.raise_if_any()
        registry = REGISTRY if self.registry is None else self.registry
        freeze(self, _registry=registry, _networks=networks, _running={}, _count=[0])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await _live(receive, send)
        refusal = self._refusal(scope)
        if refusal is not None:
            return await refuse(scope, receive, send, refusal)
        self._count[0] += 1
        try:
            await self._answer(scope, send)
        finally:
            self._count[0] -= 1

    def _refusal(self, scope: Scope) -> Refusal | None:
        if self._networks:
            client = scope.get("client")
            address = parse_address(client[0]) if client else None
            if address is None or not is_in(address, self._networks):
                return _DENIED
        if scope["type"] != "http":
            return _NOT_FOUND
        if scope["method"] not in ("GET", "HEAD"):
            return _METHOD
        return _BUSY if self._count[0] >= self.max_scrapes else None

    async def _answer(self, scope: Scope, send: Send) -> None:
        headers = scope["headers"]
        form = choose_format(joined(headers, b"accept"))
        chosen = choose_coding(joined(headers, b"accept-encoding"), CODINGS)
        coding = chosen if chosen in CODINGS else None
        page = await self._page((form, _names(scope.get("query_string", b"")), coding))
        lines = [
            (b"content-type", form.content_type.encode()),
            (b"content-length", b"%d" % sum(map(len, page))),
            (b"vary", b"Accept, Accept-Encoding"),
            (b"cache-control", b"no-store"),
        ]
        if coding is not None:
            lines.append((b"content-encoding", coding))
        await send({"type": "http.response.start", "status": 200, "headers": lines})
        for piece in page if scope["method"] != "HEAD" else ():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _page(self, asked: _Asked) -> Page:
        """Return a page; of several who ask one makes it, and another if that one leaves."""
        place = (get_ident(), *asked)  # an event belongs to the loop of its thread
        while True:
            scrape = self._running.get(place)
            if scrape is None:
                break
            await scrape.done.wait()
            if scrape.page is not None:
                return scrape.page
        scrape = self._running[place] = _Scrape()
        try:
            scrape.page = await self._make(*asked)
            return scrape.page
        finally:
            del self._running[place]
            scrape.done.set()

    async def _make(self, form: Format, names: Names | None, coding: bytes | None) -> Page:
        # First the collectors of others: what of them fails is counted among ours.
        pieces = [await anyio.to_thread.run_sync(write_foreign, self._registry, form, names)]
        turn = perf_counter()
        for book in books_of(self._registry):
            for piece in _written(book, await _snapshot(book), form, names):
                pieces.append(piece)
                if perf_counter() - turn > _TURN:
                    await anyio.lowlevel.checkpoint()
                    turn = perf_counter()
        if form.kind == "openmetrics":
            pieces.append(EOF)
        pieces = [piece for piece in pieces if piece]
        return pieces if coding is None else await anyio.to_thread.run_sync(packed, pieces, coding)


def _written(book: Book, snapshot: Snapshot, form: Format, names: Names | None) -> Iterator[bytes]:
    if form.kind == "protobuf":
        return write_messages(book, snapshot, names)
    return write(book, snapshot, is_open=form.kind == "openmetrics", names=names)


async def _snapshot(book: Book) -> Snapshot:
    if book.home.is_simple:
        return book.snapshot()
    return await anyio.to_thread.run_sync(book.snapshot)  # there are files to read, or sums to make


def _names(query: bytes) -> Names | None:
    """Return the names that a query asks for; ``None`` for all."""
    if b"name" not in query:
        return None
    try:
        found = parse_qs(query.decode("latin-1"), max_num_fields=_MOST_NAMES).get("name[]")
    except ValueError:
        return None
    return frozenset(found) if found else None


async def _live(receive: Receive, send: Send) -> None:
    """Take part in the lifespan, where the endpoint is served alone."""
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return
