"""A body that is not as long as the application announced never looks whole because it was encoded."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import pytest

from middlewares import GZip
from middlewares.compression.codecs import GZipCodec, NoBody
from middlewares.testing import request
from tests.compression.answers import GZ, TEXT, answering, body, start
from tests.compression.coders import CODERS, Coder

if TYPE_CHECKING:
    from middlewares.asgi import Message, Receive, Scope, Send

each_coding = pytest.mark.parametrize("coder", CODERS, ids=str)


@each_coding
@pytest.mark.parametrize("announced", [len(TEXT) - 1, len(TEXT) + 1])
async def test_the_server_sees_a_wrong_length_of_a_whole_body(coder: Coder, announced: int) -> None:
    """It is the server that tells the client, as if nothing stood between."""
    app = answering(start({"content-length": str(announced)}), body(TEXT))
    response = await request(coder.make(app), headers=coder.accepts)
    assert response.header("content-encoding") is None
    assert response.values("content-length") == [str(announced)]
    assert response.body == TEXT


@each_coding
@pytest.mark.parametrize("last", [b"", b"end"])
async def test_a_stream_that_ends_early_gets_no_end(coder: Coder, last: bytes) -> None:
    app = answering(start({"content-length": str(len(TEXT) + 4)}), body(TEXT, more=True), body(last))
    response = await request(coder.make(app), headers=coder.accepts, raise_exceptions=False)
    assert isinstance(response.exception, RuntimeError)
    assert (
        str(response.exception) == f"a body of {len(TEXT) + 4} bytes was announced, and ended after {len(TEXT + last)}"
    )
    assert coder.so_far(response.chunks) == TEXT
    assert response.messages[-1]["more_body"] is True


@each_coding
async def test_head_announces_what_get_would_send(coder: Coder) -> None:
    app = answering(start({"content-length": "5000"}), body(b""))
    response = await request(coder.make(app), "HEAD", headers=coder.accepts)
    assert response.header("content-encoding") == coder.coding


async def test_an_encoder_is_let_go_of_at_the_end_of_the_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that the application does after its response may take long, and need not keep a megabyte."""

    class Encoder(NoBody):
        """An encoder that can be looked for."""

    made: list[weakref.ref[Encoder]] = []

    def stream(codec: GZipCodec, **options: Any) -> Encoder:
        encoder = Encoder()
        made.append(weakref.ref(encoder))
        return encoder

    monkeypatch.setattr(GZipCodec, "stream", stream)
    alive: list[bool] = []
    messages: list[Message] = [start(), body(TEXT, more=True), body(TEXT)]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)
            alive.append(any(encoder() for encoder in made))

    await request(GZip(app), headers=GZ)
    assert alive == [False, True, False]
