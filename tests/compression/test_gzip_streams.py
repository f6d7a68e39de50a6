"""GZip adds no waiting: each message leaves in its turn, each chunk can be decoded when it leaves."""

from __future__ import annotations

import asyncio
import gzip
import random
import threading
from typing import TYPE_CHECKING, Any

import pytest

from middlewares import GZip
from middlewares.compression.codecs import GZipCodec
from middlewares.compression.offload import EncodingThreads
from middlewares.testing import Driver, http_scope, request
from tests.compression.answers import GZ, TEXT, answering, body, decoded_so_far, start, streaming, whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send

EVENTS = [b"data: %d\n\n" % n for n in range(5)]
LARGE = TEXT * 100  # goes to a worker thread
NOISE = random.Random(1)  # noqa: S311 - the same noise each time


def echo(*, of: Message) -> ASGIApp:
    """Return an application that answers with a start, and then with a chunk for each event it receives."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(of)
        more = True
        while more:
            event = await receive()
            more = event["more_body"]
            await send(body(event["body"], more=more))

    return app


# -- when messages leave


@pytest.mark.parametrize("first", [b"x", TEXT])
async def test_each_chunk_can_be_decoded_before_the_next_is_produced(first: bytes) -> None:
    async with Driver(GZip(echo(of=start())), http_scope(headers=GZ)) as call:
        started = await call.receive("http.response.start")  # before there is a first chunk
        assert (b"content-encoding", b"gzip") in started["headers"]
        chunks: list[bytes] = []
        wanted = b""
        for data in (first, *EVENTS):
            await call.send({"type": "http.request", "body": data, "more_body": True})
            chunks.append((await call.receive("http.response.body"))["body"])
            wanted += data
            assert decoded_so_far(chunks) == wanted
        await call.send({"type": "http.request", "body": b"end", "more_body": False})
        chunks.append((await call.receive("http.response.body"))["body"])
        await call.finish()
        assert gzip.decompress(b"".join(chunks)) == wanted + b"end"


@pytest.mark.parametrize("content_type", ["text/event-stream", "Text/Event-Stream; charset=utf-8"])
async def test_the_start_of_an_event_stream_leaves_at_once(content_type: str) -> None:
    """The first event may be minutes away."""
    async with Driver(GZip(echo(of=start(content_type=content_type))), http_scope(headers=GZ)) as call:
        started = await call.receive("http.response.start")
        assert (b"content-encoding", b"gzip") in started["headers"]
        chunks: list[bytes] = []
        for event in EVENTS:
            await call.send({"type": "http.request", "body": event, "more_body": True})
            chunks.append((await call.receive("http.response.body"))["body"])
        assert decoded_so_far(chunks) == b"".join(EVENTS)


async def test_a_recorded_event_stream_sent_by_its_path_is_passed_on_as_it_is() -> None:
    """It has a length, so it is held like any file: a start that said gzip could not be taken back."""
    given = start({"content-length": "5000"}, content_type="text/event-stream")
    response = await request(
        GZip(answering(given, {"type": "http.response.pathsend", "path": "/srv/events"})), headers=GZ
    )
    assert [message["type"] for message in response.messages] == ["http.response.start", "http.response.pathsend"]
    assert response.header("content-encoding") is None
    assert response.header("content-length") == "5000"


async def test_empty_chunks_pass_without_becoming_bytes() -> None:
    app = streaming([b"", b"", TEXT, b"", TEXT])
    response = await request(GZip(app), headers=GZ)
    assert [bool(chunk) for chunk in response.chunks] == [False, False, True, False, True, True]
    assert gzip.decompress(response.body) == TEXT * 2


async def test_the_second_message_is_not_taken_before_the_first_has_left() -> None:
    """Backpressure: with a client that reads slowly, the application waits as it would without the layer."""
    sent: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        for number in range(3):
            await send(body(TEXT, more=number < 2))
            sent.append(number)

    async with Driver(GZip(app), http_scope(headers=GZ), hold_sends=True) as call:
        await call.settle()
        assert [message["type"] for message in call.sent] == ["http.response.start"]
        await call.receive("http.response.start")
        for number in range(3):
            await call.settle()
            assert len(call.sent) == number + 2
            assert sent == list(range(number))
            await call.receive("http.response.body")
        await call.finish()


# -- how much larger a stream may become


@pytest.mark.parametrize("size", [1, 2, 10, 100, 1000, 10_000, 16_000])
@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
async def test_bytes_that_do_not_shrink_grow_by_little(size: int, content_type: str) -> None:
    """At most 12 bytes a chunk, and 32 for the frame."""
    chunks = [NOISE.randbytes(size) for _ in range(20)]
    response = await request(GZip(streaming(chunks, content_type=content_type)), headers=GZ)
    assert len(response.body) <= size * 20 + 12 * 20 + 32
    assert gzip.decompress(response.body) == b"".join(chunks)


async def test_large_chunks_that_do_not_shrink_grow_by_the_blocks_of_deflate() -> None:
    """RFC 1951, 3.2.4: a stored block costs 5 bytes; zlib ends one after some 16,000 bytes."""
    chunks = [NOISE.randbytes(100_000) for _ in range(5)]
    response = await request(GZip(streaming(chunks)), headers=GZ)
    assert len(response.body) <= 500_000 + 12 * 5 + 32 + 5 * (500_000 // 16_000 + 5)


# -- failures


@pytest.mark.parametrize("started", [True, False])
async def test_an_exception_before_the_body_leaves_the_response_unstarted(started: bool) -> None:
    """So an outer layer can still answer 500."""
    failure = RuntimeError("no")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if started:
            await send(start())
        raise failure

    response = await request(GZip(app), headers=GZ, raise_exceptions=False)
    assert response.exception is failure
    assert response.messages == []


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
async def test_an_exception_in_the_body_leaves_it_visibly_truncated(content_type: str) -> None:
    failure = RuntimeError("no")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(content_type=content_type))
        await send(body(TEXT, more=True))
        raise failure

    response = await request(GZip(app), headers=GZ, raise_exceptions=False)
    assert response.exception is failure
    assert [message.get("more_body") for message in response.messages] == [None, True]
    with pytest.raises(EOFError):
        gzip.decompress(response.body)


async def test_a_failing_send_reaches_the_application_as_it_is() -> None:
    seen: list[BaseException] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await receive()
        try:
            await send(body(TEXT))
        except OSError as error:
            seen.append(error)
            raise

    async with Driver(GZip(app), http_scope(headers=GZ), fail_sends=True) as call:
        await call.settle()
        call.disconnect()
        with pytest.raises(OSError, match="disconnected") as caught:
            await call.finish()
    assert seen == [caught.value]


async def test_a_start_that_no_body_follows_goes_out_when_the_application_ends() -> None:
    """What comes of it is the server's business."""
    response = await request(GZip(answering(start({"etag": '"a"'}))), headers=GZ)
    assert [message["type"] for message in response.messages] == ["http.response.start"]
    assert response.header("content-encoding") is None
    assert response.header("etag") == '"a"'


async def test_what_follows_the_end_is_not_hidden_from_the_server() -> None:
    app = answering(start(), body(TEXT, more=True), body(b""), body(b"too much"))
    response = await request(GZip(app), headers=GZ)
    assert response.messages[-1]["body"] == b"too much"


async def test_two_starts_are_not_hidden_from_the_server() -> None:
    response = await request(GZip(answering(start(), start(status=500))), headers=GZ)
    assert [message["status"] for message in response.messages] == [200, 500]


# -- worker threads


async def test_large_bodies_are_encoded_away_from_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []
    encode = GZipCodec.whole

    def recorded(self: GZipCodec, data: bytes, *, padding: int = 0) -> bytes:
        threads.append(threading.current_thread().name)
        return encode(self, data, padding=padding)

    monkeypatch.setattr(GZipCodec, "whole", recorded)
    for data in (TEXT, LARGE):
        response = await request(GZip(whole(data)), headers=GZ)
        assert gzip.decompress(response.body) == data
    assert threads[0] == threading.main_thread().name
    assert threads[1] != threading.main_thread().name


async def test_large_and_small_chunks_leave_in_order() -> None:
    chunks = [LARGE, b"small", LARGE, LARGE, b"", b"end"]
    response = await request(GZip(streaming(chunks)), headers=GZ)
    assert gzip.decompress(response.body) == b"".join(chunks)


async def test_tasks_that_send_at_the_same_time_do_not_mix_their_bytes() -> None:
    """An application may send its keep-alive comments from a task of their own."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(content_type="text/event-stream"))
        async with asyncio.TaskGroup() as tasks:
            for data in (LARGE, b": ping\n\n", LARGE, b": ping\n\n"):
                sending: Any = send(body(data, more=True))
                tasks.create_task(sending)
        await send(body(b""))

    response = await request(GZip(app), headers=GZ)
    assert gzip.decompress(response.body) == (LARGE + b": ping\n\n") * 2


@pytest.mark.parametrize("app", [whole(LARGE), streaming([TEXT, LARGE])], ids=["whole", "streamed"])
async def test_cancelling_while_a_thread_encodes_sends_nothing_more(
    app: ASGIApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the thread makes of its bytes is heard by nobody."""
    encoding, go_on = threading.Event(), threading.Event()
    encode = EncodingThreads.encode

    async def slow(self: EncodingThreads, work: Callable[[bytes], bytes], data: bytes, seconds: float) -> bytes:
        def wait_first(data: bytes) -> bytes:
            encoding.set()
            assert go_on.wait(5)
            return work(data)

        return await encode(self, wait_first if len(data) == len(LARGE) else work, data, seconds)

    monkeypatch.setattr(EncodingThreads, "encode", slow)
    async with Driver(GZip(app), http_scope(headers=GZ)) as call:
        assert await asyncio.to_thread(encoding.wait, 5)
        before = list(call.sent)
        await call.cancel()
        go_on.set()
        await call.settle()
        assert call.cancelled
        assert call.sent == before


async def test_a_stream_that_lost_a_chunk_is_not_continued(monkeypatch: pytest.MonkeyPatch) -> None:
    """An application that gives up on one chunk and sends the next would leave a hole in the body."""
    begun, go_on = threading.Event(), threading.Event()
    encode = EncodingThreads.encode

    async def slow(self: EncodingThreads, work: Callable[[bytes], bytes], data: bytes, seconds: float) -> bytes:
        def wait_first(data: bytes) -> bytes:
            begun.set()
            assert go_on.wait(5)
            return work(data)

        return await encode(self, wait_first, data, seconds)

    monkeypatch.setattr(EncodingThreads, "encode", slow)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await send(body(TEXT, more=True))
        sending: Any = send(body(LARGE, more=True))
        task = asyncio.ensure_future(sending)
        assert await asyncio.to_thread(begun.wait, 5)
        task.cancel()
        await asyncio.wait([task])
        go_on.set()
        await send(body(b"the rest"))

    response = await request(GZip(app), headers=GZ, raise_exceptions=False)
    assert isinstance(response.exception, RuntimeError)
    assert [message.get("more_body") for message in response.messages] == [None, True]
