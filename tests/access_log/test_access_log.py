"""One line for each call, however it ends; one line whatever it holds; and never a response that waits for it."""

from __future__ import annotations

import gc
import json
import logging
import os
import pty
import re
import resource
import select
import subprocess
import sys
import threading
import time
from contextvars import ContextVar
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse

from middlewares import GZip, Middleware, RateLimit, Stack
from middlewares.access_log import AccessLog
from middlewares.access_log.formats import FORMATS, notice, pretty
from middlewares.access_log.record import without_values
from middlewares.access_log.writer import Writer
from middlewares.core.exchange import EXCHANGE
from middlewares.errors import OptionError
from middlewares.request_id import RequestID
from middlewares.testing import Driver, http_scope, lifespan, request, websocket

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from middlewares.asgi import Receive, Scope, Send

NAME = "tests.access"
COMBINED = re.compile(
    r'(\S+) - - \[[^\]]+\] "((?:[^"\\]|\\.)*)" (\d+|-) (\d+|-) '
    r'"((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)"'
)
PAIR = re.compile(r'([^ =]+)=("(?:[^"\\]|\\.)*"|[^ "]*)(?: |$)')


@pytest.fixture
def lines() -> Iterator[list[logging.LogRecord]]:
    kept: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kept.append(record)

    logger, handler = logging.getLogger(NAME), Keep()
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield kept
    logger.removeHandler(handler)


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("hello")(scope, receive, send)


def parse_logfmt(line: str) -> dict[str, str]:
    pairs, end = {}, 0
    while end < len(line):
        match = PAIR.match(line, end)
        assert match, line[end:]
        pairs[match[1]] = match[2]
        end = match.end()
    return pairs


# -- how calls end


async def raising(scope: Scope, receive: Receive, send: Send) -> None:
    raise LookupError


async def breaking(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200})
    raise LookupError


async def silent(scope: Scope, receive: Receive, send: Send) -> None:
    pass


async def truncated(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"abc", "more_body": True})


async def bad_gateway(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("no", status_code=502)(scope, receive, send)


@pytest.mark.parametrize(
    ("app", "outcome", "status", "error", "level"),
    [
        (page, "completed", 200, None, "INFO"),
        (bad_gateway, "completed", 502, "502", "ERROR"),
        (raising, "raised", 500, "LookupError", "ERROR"),
        (breaking, "raised", 200, "LookupError", "ERROR"),
        (silent, "unanswered", 500, "no_response", "ERROR"),
        (truncated, "truncated", 200, "incomplete_response", "ERROR"),
    ],
)
async def test_every_end_is_logged_once(
    app: Any, outcome: str, status: int, error: str | None, level: str, lines: list[logging.LogRecord]
) -> None:
    try:
        await request(AccessLog(app, logger=NAME), path="/a", raise_exceptions=False)
    except AssertionError:
        assert outcome in ("unanswered", "truncated")
    (record,) = lines
    told = json.loads(record.getMessage())
    assert (told["outcome"], told["http.response.status_code"], told.get("error.type")) == (outcome, status, error)
    assert (record.levelname, told["severity_text"]) == (level, level)


@pytest.mark.parametrize("is_cancelled", [True, False])
async def test_who_leaves_or_is_cancelled_is_logged_once(is_cancelled: bool, lines: list[logging.LogRecord]) -> None:
    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    async with Driver(AccessLog(waiting, logger=NAME), http_scope()) as call:
        call.feed({"type": "http.request"})
        await call.settle()
        if is_cancelled:
            await call.cancel()
        else:
            call.disconnect()
            await call.finish()
    (record,) = lines
    told = json.loads(record.getMessage())
    assert told["outcome"] == ("cancelled" if is_cancelled else "disconnected")
    assert "http.response.status_code" not in told


async def test_a_websocket_is_one_line_when_it_is_closed(lines: list[logging.LogRecord]) -> None:
    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": (await receive())["text"]})
        await send({"type": "websocket.close", "code": 1000})

    async with websocket(AccessLog(echo, logger=NAME)) as ws:
        await ws.send_text("hello")
        assert await ws.receive_text() == "hello"
        assert lines == [] or len(lines) == 1
    (record,) = lines
    told = json.loads(record.getMessage())
    assert told["http.response.status_code"] == 101
    assert (told["websocket.messages.sent"], told["websocket.close_code"]) == (1, 1000)


# -- what is in a line


async def test_a_line_holds_what_layers_know(lines: list[logging.LogRecord]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await PlainTextResponse("x" * 2_000)(scope, receive, send)

    stack = Stack(RequestID, Middleware(AccessLog, logger=NAME, headers=["Accept", "Cookie"]), GZip)
    headers = {"x-request-id": "abc", "accept-encoding": "gzip", "accept": "text/*", "cookie": "s=SECRET"}
    await request(stack(app), "POST", "/a", query="token=SECRET&flag", headers=headers, body=b"12345")
    (record,) = lines
    line = record.getMessage()
    told = json.loads(line)
    assert told["http.request.id"] == "abc"
    assert told["http.request.body.size"] == 5
    assert 0 < told["http.response.body.size"] < 2_000
    assert told["url.query"] == "token=REDACTED&flag"
    assert told["http.request.header.accept"] == "text/*"
    assert told["http.request.header.cookie"] == "REDACTED"
    assert "SECRET" not in line


@pytest.mark.parametrize("form", FORMATS)
@given(hostile=st.binary(max_size=80))
def test_whatever_a_client_sends_is_one_line_that_reads_back(form: str, hostile: bytes) -> None:
    record = {
        "http.request.method": hostile.decode("latin-1"),
        "url.path": hostile.decode("utf-8", "surrogateescape"),
        "url.query": without_values(hostile.decode("latin-1")),
        "http.response.status_code": 200,
        "outcome": "completed",
        "http.server.request.duration": 0.001,
        "http.response.body.size": 1,
        "client.address": hostile.decode("utf-8", "replace"),
        "user_agent.original": hostile.decode("utf-8", "backslashreplace"),
    }
    line = FORMATS[form](0.0, "INFO", {name: value for name, value in record.items() if value is not None})
    assert line.isprintable() or not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\ud800-\udfff]", line)
    assert len(line.splitlines()) == 1
    if form in ("json", "ecs"):
        assert json.loads(line)["user_agent.original"] == record["user_agent.original"]
    elif form == "logfmt":
        assert parse_logfmt(line)["outcome"] == "completed"
    elif form == "combined":
        assert COMBINED.fullmatch(line)


def test_the_names_of_ecs_are_its_own() -> None:
    record = {
        "http.request.method": "GET",
        "url.path": "/",
        "outcome": "raised",
        "http.server.request.duration": 0.5,
        "http.response.status_code": 500,
        "trace_id": "abc",
    }
    told = json.loads(FORMATS["ecs"](0.0, "ERROR", record))
    assert (told["event.duration"], told["event.outcome"], told["trace.id"]) == (500_000_000, "failure", "abc")
    assert told["@timestamp"] == "1970-01-01T00:00:00.000Z"


def test_colours_are_for_terminals() -> None:
    record = {"http.request.method": "GET", "url.path": "/", "outcome": "completed", "http.server.request.duration": 1}
    assert "\x1b[" in pretty(0.0, "INFO", record, colour=True)
    assert "\x1b[" not in pretty(0.0, "INFO", record)


async def test_a_line_tells_of_the_trace_the_route_and_what_is_left_of_quotas(lines: list[logging.LogRecord]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        exchange = scope[EXCHANGE]
        exchange.trace_id, exchange.span_id, exchange.route = "ab" * 16, "cd" * 8, "/items/{id}"
        await page(scope, receive, send)

    stack = Stack(Middleware(AccessLog, logger=NAME), Middleware(RateLimit, limit="2/hour", name="hourly"))(app)
    for _ in range(3):
        await request(stack)
    told = [json.loads(record.getMessage()) for record in lines]
    assert (told[0]["trace_id"], told[0]["span_id"], told[0]["http.route"]) == ("ab" * 16, "cd" * 8, "/items/{id}")
    assert [line["quotas"] for line in told] == ["hourly;r=1", "hourly;r=0", "hourly;r=0"]
    assert told[2]["refused"]


async def test_a_file_that_is_sent_by_its_path_is_one_line(tmp_path: Path, lines: list[logging.LogRecord]) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"12345")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.pathsend", "path": str(file)})

    async with Driver(AccessLog(app, logger=NAME), http_scope()) as call:
        await call.finish()
    (record,) = lines
    told = json.loads(record.getMessage())
    assert (told["outcome"], told["http.response.body.size"]) == ("completed", 5)


@pytest.mark.parametrize("form", FORMATS)
async def test_a_status_that_is_none_is_logged_all_the_same(form: Any, lines: list[logging.LogRecord]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": "a\nb", "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with Driver(AccessLog(app, logger=NAME, format=form), http_scope()) as call:
        await call.finish()
    (record,) = lines
    assert len(record.getMessage().splitlines()) == 1


async def test_no_value_makes_a_line_long(lines: list[logging.LogRecord]) -> None:
    huge = "x" * 100_000
    scope = http_scope(huge, f"/{huge}", query=huge, headers={"user-agent": huge, "referer": huge, "a": huge})
    async with Driver(AccessLog(page, logger=NAME, headers=["a"], query="full"), scope) as call:
        await call.finish()
    (record,) = lines
    assert len(record.getMessage()) < 20_000


@pytest.mark.parametrize(
    ("client", "address"),
    [("192.0.2.1", "192.0.2.1"), ("fe80::1%eth0", "fe80::1"), ("testclient", None), ("", None)],
)
def test_only_addresses_are_client_ip_in_ecs(client: str, address: str | None) -> None:
    record = {"http.request.method": "GET", "url.path": "/", "outcome": "completed", "http.server.request.duration": 0}
    told = json.loads(FORMATS["ecs"](0.0, "INFO", {**record, "client.address": client}))
    assert (told["client.address"], told.get("client.ip")) == (client, address)


@pytest.mark.parametrize("missing", ["client", "scheme", "http_version", "raw_path", "query_string"])
async def test_what_is_not_known_is_left_out(missing: str, lines: list[logging.LogRecord]) -> None:
    scope = http_scope()
    scope.pop(missing, None)
    async with Driver(AccessLog(page, logger=NAME), scope) as call:
        await call.finish()
    (record,) = lines
    told = json.loads(record.getMessage())
    assert told["url.path"] == "/"
    assert None not in told.values()


async def test_a_format_of_ones_own_is_told_the_time_the_level_and_what_happened(
    lines: list[logging.LogRecord],
) -> None:
    def form(at: float, level: str, record: dict[str, Any]) -> str:
        return f"{at - time.time() < 1} {level} {next(iter(record))} {'timestamp' in record} {'body' in record}"

    await request(AccessLog(page, logger=NAME, format=form))
    assert [record.getMessage() for record in lines] == ["True INFO http.request.method False False"]


@pytest.mark.parametrize(
    ("trace_id", "span_id", "shown"),
    [(0xAB, 0xCD, ("ab".zfill(32), "cd".zfill(16))), (1 << 128, 1, ("1" + "0" * 32, "1".zfill(16)))],
)
async def test_ids_of_spans_have_all_their_digits(
    trace_id: int, span_id: int, shown: tuple[str, str], lines: list[logging.LogRecord]
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope[EXCHANGE].span = SimpleNamespace(trace_id=trace_id, span_id=span_id)
        await page(scope, receive, send)

    await request(AccessLog(app, logger=NAME))
    (record,) = lines
    told = json.loads(record.getMessage())
    assert (told["trace_id"], told["span_id"]) == shown


# -- which lines are left out


async def test_quiet_paths_and_samples_are_logged_when_they_fail_or_are_slow(lines: list[logging.LogRecord]) -> None:
    quiet: dict[str, Any] = {"logger": NAME, "sample_rate": 0.0}
    for app, path, expected in (
        (AccessLog(page, logger=NAME), "/healthz", 0),
        (AccessLog(bad_gateway, logger=NAME), "/healthz", 1),
        (AccessLog(page, **quiet), "/", 0),
        (AccessLog(bad_gateway, **quiet), "/", 1),
        (AccessLog(page, **quiet, slow=1e-9), "/", 1),
    ):
        lines.clear()
        await request(app, path=path)
        assert len(lines) == expected


# -- where lines go


async def test_a_pipe_that_nobody_reads_delays_nothing_and_lines_are_counted() -> None:
    reader, writer = os.pipe()
    app = AccessLog(page, output=writer, queue_size=100)
    began = time.monotonic()
    for _ in range(2_000):
        assert (await request(app)).status == 200
    assert time.monotonic() - began < 10
    assert app.dropped > 0
    os.close(reader)
    os.close(writer)
    assert (await request(app)).status == 200
    assert app._writer is not None
    app._writer.flush()  # nothing is left for whoever gets the number of this descriptor next


async def test_what_is_queued_is_written_by_the_time_the_application_has_shut_down() -> None:
    reader, writer = os.pipe()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            return await page(scope, receive, send)
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    log = AccessLog(app, output=writer, format="logfmt")
    async with lifespan(log):
        for _ in range(10):
            await request(log)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        written = pipe.read().splitlines()
    assert [parse_logfmt(line)["outcome"] for line in written] == ["completed"] * 10


def test_a_writer_tells_of_the_lines_that_it_dropped() -> None:
    reader, descriptor = os.pipe()
    writer = Writer(descriptor, capacity=2, interval=3600)
    writer._is_open = True  # no thread: the test writes
    for number in range(5):
        writer.put(f"line {number}")
    assert writer.flush()
    os.close(descriptor)
    with os.fdopen(reader) as pipe:
        assert pipe.read() == "access_log: 3 lines dropped\nline 0\nline 1\n"


def test_what_was_dropped_is_told_in_the_format_of_the_log() -> None:
    assert json.loads(notice("json")(3))["access_log.dropped"] == 3
    assert json.loads(notice("ecs")(3))["log.level"] == "warning"
    assert parse_logfmt(notice("logfmt")(3))["dropped"] == "3"
    assert notice("pretty")(3) == notice(print)(3) == "access_log: 3 lines dropped"


def test_lines_are_written_whole_so_that_processes_can_share_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    chunks: list[bytes] = []

    def keep(descriptor: int, data: bytes) -> int:
        chunks.append(data)
        return len(data)

    reader, descriptor = os.pipe()
    writer = Writer(descriptor)
    writer._is_open = True  # no thread: the test writes
    monkeypatch.setattr("middlewares.access_log.writer.os.write", keep)
    sizes = (300, 1_000, 3_900, 4_095, 10_000)
    for number in range(50):
        writer.put("x" * sizes[number % 5])
    assert writer.flush()
    monkeypatch.undo()
    os.close(descriptor)
    os.close(reader)
    assert all(len(chunk) <= select.PIPE_BUF for chunk in chunks)
    whole = [line for chunk in chunks if chunk.endswith(b"\n") for line in chunk.splitlines()]
    assert [len(line) for line in whole if len(line) in sizes[:4]] == [*sizes[:4]] * 10


def test_descriptors_can_have_high_numbers() -> None:
    reader, descriptor = os.pipe()
    high = 1_500
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[0] <= high:  # pragma: no cover - as the machine is set up
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, limits[1]), limits[1]))
    os.dup2(descriptor, high)
    writer = Writer(high)
    writer.put("a line")
    assert writer.flush()
    os.close(high)
    os.close(descriptor)
    with os.fdopen(reader) as pipe:
        assert pipe.read() == "a line\n"
    assert writer.dropped == 0
    writer.close()


def test_a_descriptor_that_asks_to_come_again_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: bytes) -> int:
        raise BlockingIOError

    reader, descriptor = os.pipe()
    writer = Writer(descriptor)
    writer._is_open = True  # no thread: the test writes
    writer.put("a line")
    with monkeypatch.context() as patched:
        patched.setattr("middlewares.access_log.writer.os.write", full)
        assert not writer.flush(0.01)
    assert writer.flush()
    os.close(descriptor)
    with os.fdopen(reader) as pipe:
        assert pipe.read() == "a line\n"
    assert writer.dropped == 0


def run(program: str, **options: Any) -> str:
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, timeout=60, check=True, **options)
    return bytes(done.stdout).decode()


def test_a_process_that_ends_leaves_no_line_behind() -> None:
    written = run("from middlewares.access_log.writer import Writer\nw = Writer(1)\nfor n in range(500): w.put(str(n))")
    assert written.split() == [str(number) for number in range(500)]


def test_lines_of_a_parent_are_not_written_again_by_a_forked_process() -> None:
    program = """
import os, sys
from middlewares.access_log.writer import Writer
writer = Writer(1, interval=3600)
writer.put("parent 0")
while writer._lines or writer._rest: pass
writer.put("parent 1")
writer._writing.acquire()  # as its thread may have it at that moment
child = os.fork()
if not child:
    writer.put("child")
    sys.exit()
writer._writing.release()
os.waitpid(child, 0)
"""
    assert sorted(run(program).splitlines()) == ["child", "parent 0", "parent 1"]


@pytest.mark.parametrize(
    ("environment", "is_coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True)]
)
async def test_colours_are_welcome_unless_the_environment_says_no(
    environment: dict[str, str], is_coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    terminal, other = pty.openpty()
    app = AccessLog(page, format="pretty", output=other)
    await request(app)
    await anyio.to_thread.run_sync(app._writer.flush)  # type: ignore[union-attr] # it has one
    line = os.read(terminal, 1000).decode()
    os.close(other)
    os.close(terminal)
    assert (" 200 " in line, "\x1b[32m200" in line) == (not is_coloured, is_coloured)


async def test_a_handler_that_is_slow_comes_after_the_response() -> None:
    events: list[str] = []

    class Slow(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            events.append("logged")

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        events.append(message["type"])

    logger, handler = logging.getLogger(NAME), Slow()
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        await AccessLog(page, logger=NAME)(http_scope(), receive, send)
    finally:
        logger.removeHandler(handler)
    assert events == ["http.response.start", "http.response.body", "logged"]


async def test_a_layer_that_takes_the_place_of_another_goes_on_with_its_queue() -> None:
    reader, descriptor = os.pipe()
    old, new = (AccessLog(page, output=descriptor, format="logfmt") for _ in range(2))
    await request(old, path="/old")
    new.take_over(old)
    assert new._writer is old._writer
    del old
    gc.collect()
    await request(new, path="/new")
    writer = new._writer
    assert writer is not None
    del new
    gc.collect()
    await anyio.to_thread.run_sync(writer.flush)
    for thread in _threads_of(writer):
        await anyio.to_thread.run_sync(thread.join, 5)
    assert not _threads_of(writer)
    os.close(descriptor)
    with os.fdopen(reader) as pipe:
        assert [parse_logfmt(line)["url.path"] for line in pipe.read().splitlines()] == ["/old", "/new"]


async def test_a_line_made_later_tells_what_was_so_when_the_call_ended() -> None:
    reader, descriptor = os.pipe()
    more = [{"type": "http.request", "body": b"abc", "more_body": True}, {"type": "http.request", "body": b"def"}]
    captured = [(b"x-tenant", b"first")]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await page(scope, receive, send)
        await send({"type": "http.response.body", "body": b"which no server takes"})
        await receive()

    async def receive() -> Any:
        return more.pop(0)

    async def discard(_message: Any) -> None:
        pass

    log = AccessLog(app, output=descriptor, headers=["x-tenant"])
    assert log._writer is not None
    log._writer._is_open = True  # no thread: the test writes
    scope = {**http_scope(path="/first"), "headers": captured}
    await log(scope, receive, discard)
    scope |= {"path": "/second", "raw_path": b"/second", "client": ("192.0.2.2", 2)}
    captured[:] = [(b"x-tenant", b"second")]
    assert log._writer.flush()
    os.close(descriptor)
    with os.fdopen(reader) as pipe:
        told = json.loads(pipe.read())
    assert (told["url.path"], told["client.address"]) == ("/first", "127.0.0.1")
    assert told["http.request.header.x-tenant"] == "first"
    assert (told["http.request.body.size"], told["http.response.body.size"]) == (3, len("hello"))


async def test_a_format_of_ones_own_finds_the_context_of_its_request() -> None:
    reader, descriptor = os.pipe()
    tenant: ContextVar[str] = ContextVar("tenant", default="nobody")
    log = AccessLog(page, output=descriptor, format=lambda at, level, record: tenant.get())

    async def visit(name: str) -> None:
        tenant.set(name)
        await request(log)

    async with anyio.create_task_group() as group:
        for name in ("a", "b", "c"):
            group.start_soon(visit, name)
    assert log._writer is not None
    await anyio.to_thread.run_sync(log._writer.flush)
    os.close(descriptor)
    with os.fdopen(reader) as pipe:
        assert sorted(pipe.read().splitlines()) == ["a", "b", "c"]


async def test_calls_do_not_pile_up_where_no_thread_can_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    log = AccessLog(page, output=os.open(os.devnull, os.O_WRONLY), queue_size=10)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        for _ in range(200):
            assert (await request(log)).status == 200
    assert log._writer is not None
    assert len(log._writer._ended) < 64
    assert log.dropped > 100
    log._writer.flush()
    os.close(log._writer.descriptor)


def test_calls_that_end_while_lines_are_made_do_not_keep_the_writer_from_writing() -> None:
    reader, descriptor = os.pipe()
    ended: Any = ()
    made: list[str] = []

    def make(_ended: object) -> str:
        if len(made) < 100:
            writer.put_ended(ended)
        made.append("line")
        return "line"

    writer = Writer(descriptor, interval=3600, make=make)
    writer._is_open = True  # no thread: the test writes
    writer.put_ended(ended)
    assert writer.flush()
    assert len(made) == 1
    os.close(descriptor)
    os.close(reader)
    writer.reborn()  # nothing is left for whoever gets the number of this descriptor next


def test_nobody_takes_for_written_what_another_thread_has_just_taken() -> None:
    reader, descriptor = os.pipe()
    taken, go_on = threading.Event(), threading.Event()

    def make(ended: object) -> str:
        taken.set()
        assert go_on.wait(5)
        return "line"

    writer = Writer(descriptor, interval=3600, make=make)
    writer._is_open = True  # no thread but that of the test
    writer.put_ended(())  # type: ignore[arg-type]  # what is made of it is not read
    thread = threading.Thread(target=writer.flush)
    thread.start()
    assert taken.wait(5)
    assert not writer.flush(timeout=0)
    go_on.set()
    thread.join(5)
    os.close(descriptor)
    with os.fdopen(reader) as pipe:
        assert pipe.read() == "line\n"


def test_a_writer_that_is_closed_while_it_starts_starts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers are freed at any moment, and what is left of them closes the writer that others go on with."""
    reader, descriptor = os.pipe()
    writer = Writer(descriptor, interval=0.01)
    start = threading.Thread.start

    def start_and_close(thread: threading.Thread) -> None:
        start(thread)
        writer.close()
        thread.join(5)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start_and_close)
        writer.put("first")
    writer.put("second")
    assert len(_threads_of(writer)) == 1
    writer.close()
    for thread in _threads_of(writer):
        thread.join(5)
    os.close(descriptor)
    with os.fdopen(reader) as pipe:
        assert pipe.read() == "first\nsecond\n"


async def test_lines_are_written_also_when_their_layer_is_gone_at_once() -> None:
    reader, descriptor = os.pipe()
    await request(AccessLog(page, output=descriptor, format="logfmt"))
    gc.collect()
    with anyio.fail_after(5):
        told = await anyio.to_thread.run_sync(os.read, reader, 4096)
    assert parse_logfmt(told.decode().strip())["outcome"] == "completed"
    os.close(descriptor)
    os.close(reader)


def _threads_of(writer: Writer) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if getattr(thread, "_target", None) == writer._run]


async def test_a_handler_that_fails_breaks_no_response() -> None:
    class Failing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError("disk full")

    logger, handler = logging.getLogger(NAME), Failing()
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        assert (await request(AccessLog(page, logger=NAME))).status == 200
    finally:
        logger.removeHandler(handler)


async def test_a_thousand_calls_at_once_are_a_thousand_lines(lines: list[logging.LogRecord]) -> None:
    stack = Stack(RequestID, Middleware(AccessLog, logger=NAME))(page)
    async with anyio.create_task_group() as tasks:
        for number in range(1_000):
            tasks.start_soon(lambda number: request(stack, headers={"x-request-id": f"id-{number}"}), number)
    told = [json.loads(record.getMessage())["http.request.id"] for record in lines]
    assert sorted(told) == sorted(f"id-{number}" for number in range(1_000))


@pytest.mark.parametrize(
    "options",
    [
        {"format": "xml"},
        {"output": "file"},
        {"output": -1},
        {"sample_rate": 2.0},
        {"slow": 0.0},
        {"queue_size": 0},
        {"quiet_paths": ["health"]},
        {"headers": ["a b"]},
        {"query": "all"},
    ],
)
def test_options_that_cannot_be_right_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        AccessLog(page, **options)
