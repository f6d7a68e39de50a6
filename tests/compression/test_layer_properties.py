"""Any body in any chunks, coding and level arrives as it was, decoded by libraries that share nothing with ours."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from middlewares import Brotli, Compress, GZip, Zstd
from middlewares.testing import http_scope
from tests.compression.answers import body, start
from tests.compression.decoding import SUBJECTS, Subject, decoded, part, seeded

if TYPE_CHECKING:
    from random import Random

    from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send

_SUBJECTS = {subject.name: subject for subject in SUBJECTS}
CODINGS: dict[str, tuple[Subject, Any, str, str]] = {
    "gzip": (_SUBJECTS["gzip-fast"], GZip, "compresslevel", "gzip_level"),
    "br": (_SUBJECTS["br"], Brotli, "quality", "brotli_quality"),
    "zstd": (_SUBJECTS["zstd"], Zstd, "level", "zstd_level"),
}
TYPES = ("application/json", "text/plain", "text/event-stream", "application/x-ndjson")


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    for message in scope["messages"]:
        await send(message)


@cache
def layer_of(coding: str, level: int | None, flush: str, breach: str, is_alone: bool) -> ASGIApp:
    """Return a layer with these options: the one for its coding alone, or that for all."""
    _, alone, its_level, level_of_all = CODINGS[coding]
    options: dict[str, Any] = {
        its_level if is_alone else level_of_all: level,
        "flush": flush,
        "breach": breach,
        "minimum_size": 0,
    }
    layer: ASGIApp = (alone if is_alone else Compress)(_app, **options)
    return layer


class Exchange:
    """One request and its response, chosen at random."""

    def __init__(self, random: Random) -> None:
        self.coding = random.choice([*CODINGS])
        subject = self.subject = CODINGS[self.coding][0]
        is_slow = random.random() < 0.01
        largest = 3_000 if is_slow or random.random() < 0.97 else 60_000
        levels = [level for level in subject.levels if level is None or level > 0]
        self.level = random.choice(subject.slow if is_slow else levels)
        self.options = random.choice(("always", "events")), random.choice(("off", "pad")), random.random() < 0.5
        chunks = [part(random, largest) for _ in range(random.choice((1, 1, 2, 3, 6)))]
        if random.random() < 0.4:
            chunks.append(b"")
        self.body = b"".join(chunks)
        headers = {} if random.random() < 0.7 else {"content-length": str(len(self.body))}
        content_type = random.choice(TYPES)
        # Events whose length is known are a recording.
        self.is_flushed = self.options[0] == "always" or (content_type in TYPES[2:] and not headers)
        self.messages: list[Message] = [start(headers, content_type=content_type)]
        self.messages += [body(chunk, more=number < len(chunks)) for number, chunk in enumerate(chunks, 1)]

    async def check(self) -> None:
        """Send it through its layer, and assert that what leaves decodes, chunk by chunk where they are flushed."""
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request"}

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {**http_scope(headers={"accept-encoding": self.coding}), "messages": self.messages}
        await layer_of(self.coding, self.level, *self.options)(scope, receive, send)
        first, *rest = sent
        headers = dict(first["headers"])
        pieces = [message["body"] for message in rest]
        encoded = b"".join(pieces)
        assert headers.get(b"content-length", b"%d" % len(encoded)) == b"%d" % len(encoded)
        if b"content-encoding" not in headers:
            assert encoded == self.body
            return
        assert headers[b"content-encoding"] == self.coding.encode()
        assert decoded(self.subject, encoded) == self.body
        if self.is_flushed:
            self._check_flushes(pieces)

    def _check_flushes(self, pieces: list[bytes]) -> None:
        decoder, seen, due = self.subject.decoder(), b"", b""
        for piece, message in zip(pieces, self.messages[1:], strict=True):
            seen += decoder.decompress(piece) if piece else b""
            due += message["body"]
            assert seen == due


async def _check(seed: str, count: int) -> None:
    random = seeded(seed)
    for number in range(count):
        exchange = Exchange(random)
        try:
            await exchange.check()
        except Exception as error:
            error.add_note(f"seed {seed!r}, number {number}: {exchange.coding}, {exchange.level}, {exchange.options}")
            raise


@pytest.mark.parametrize("batch", range(4))
async def test_any_body_arrives_as_it_was(batch: int) -> None:
    await _check(f"layer {batch}", 500)


@pytest.mark.sweep
@pytest.mark.parametrize("batch", range(50))
async def test_every_body_arrives_as_it_was(batch: int) -> None:
    """In all 100,000 of them."""
    await _check(f"layers {batch}", 2000)
