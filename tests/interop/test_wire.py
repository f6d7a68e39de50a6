"""The rules that no lint can see are shown on raw connections to real servers.

What a server does otherwise stands in `DEVIATIONS`, and is shown too.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from middlewares.testing.lint import RULES
from tests.interop import apps
from tests.interop.wire import CLOSE, CONTINUATION, PING, PONG, TEXT, connect
from tests.interop.wire_app import CHUNK, MOST

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.interop.servers import RunningServer

    Test = Callable[..., None]

SERVERS = {
    "uvicorn-httptools": ("uvicorn", "--http", "httptools"),
    "uvicorn-h11": ("uvicorn", "--http", "h11"),
    "hypercorn": ("hypercorn",),
}
DEVIATIONS = {
    ("G21", "hypercorn"): "knows no ASGI 2, and answers 500",
    ("H27", "uvicorn-httptools"): "sends the header on, beside the content-length or its own transfer-encoding",
    ("H27", "uvicorn-h11"): "drops the content-length for it, and the connection if it is not 'chunked'",
    ("H27", "hypercorn"): "drops the content-length for it, and answers 500 if it is not 'chunked'",
}
"""A rule, a server, and what that does instead: uvicorn 0.54, hypercorn 0.18."""

SHOWN: dict[str, set[str]] = {}
"""For each rule, the servers whose behaviour a test shows, be it as the rule says or not."""

FINAL = 0x80


def shows(rule: str, *, app: str = "tests.interop.wire_app:app") -> Callable[[Test], Test]:
    """Run a test with the servers that keep a rule."""
    return _on(rule, [name for name in SERVERS if (rule, name) not in DEVIATIONS], app)


def shows_deviation(rule: str, *, app: str = "tests.interop.wire_app:app") -> Callable[[Test], Test]:
    """Run a test with the servers that do not keep a rule."""
    return _on(rule, [name for name in SERVERS if (rule, name) in DEVIATIONS], app)


def _on(rule: str, names: list[str], app: str) -> Callable[[Test], Test]:
    SHOWN.setdefault(rule, set()).update(names)
    cases = [pytest.param((SERVERS[name][0], app, *SERVERS[name][1:]), id=f"{rule}-{name}") for name in names]
    return pytest.mark.parametrize("server", cases, indirect=True)


def get(server: RunningServer, path: str, *headers: str) -> tuple[int, object]:
    """Get a path on a connection of its own; return the status, and what the JSON of the answer says."""
    with connect(server) as wire:
        wire.request("GET", path, *headers)
        status, _, body = wire.response()
        return status, json.loads(body)


def test_each_rule_that_cannot_be_observed_is_shown_with_each_server() -> None:
    assert {rule.id: {*SERVERS} for rule in RULES.values() if rule.unobservable is not None} == SHOWN


# -- in general


@shows("G11")
def test_what_send_raises_after_the_client_has_gone_is_not_logged(server: RunningServer) -> None:
    before = len(server.output())
    with connect(server) as wire:
        assert wire.handshake("/ws/gone")[0] == 101
    raised = {"uvicorn": "ClientDisconnected, an OSError", "hypercorn": "no-op"}
    assert get(server, "/outcome") == (200, raised[server.name])
    with connect(server) as wire:
        wire.handshake("/ws/raise")  # any other exception is logged
    output = server.printed("RuntimeError: in the socket", since=before)
    assert output.count("Traceback") == 1
    assert "ClientDisconnected" not in output


@shows("G12")
def test_an_exception_of_the_application_ends_the_connection(server: RunningServer) -> None:
    with connect(server) as wire:
        wire.request("GET", "/raise")
        status, headers = wire.head()
        assert status == 500
        assert ("connection", "close") in headers
        wire.rest()
    with connect(server) as wire:
        wire.request("GET", "/raise/later")
        assert wire.head()[0] == 200
        assert wire.rest() == b"9\r\ntruncated\r\n", "the client must see that the body is not whole"
    with connect(server) as wire:
        wire.handshake("/ws/raise")
        closing = {"uvicorn": b"", "hypercorn": b"\x88\x02" + (1011).to_bytes(2, "big")}
        assert wire.rest() == closing[server.name]


@shows("G21", app="tests.interop.apps:asgi2")
def test_an_application_of_asgi_2_is_called_twice(server: RunningServer) -> None:
    assert get(server, "/") == (200, json.loads(apps.BODY))


@shows_deviation("G21", app="tests.interop.apps:asgi2")
def test_an_application_of_asgi_2_is_not_understood(server: RunningServer) -> None:
    with connect(server) as wire:
        wire.request("GET", "/")
        assert wire.response()[0] == 500
    assert "positional arguments" in server.printed("TypeError")


# -- HTTP


@shows("H11")
def test_several_cookie_headers_are_joined_by_the_application(server: RunningServer) -> None:
    joined = {"a": "1", "b": "2"}
    assert get(server, "/cookies", "cookie: a=1", "cookie: b=2") == (200, {"lines": ["a=1", "b=2"], "cookies": joined})
    if server.name == "hypercorn":  # over HTTP/2 a browser splits them (RFC 9113, 8.2.3), and hypercorn joins them
        with connect(server) as wire:
            _, body, _ = wire.over_http2("/cookies", ("cookie", "a=1"), ("cookie", "b=2"))
        assert json.loads(body) == {"lines": ["a=1; b=2"], "cookies": joined}


@shows("H15")
def test_the_framing_of_chunks_does_not_reach_the_application(server: RunningServer) -> None:
    with connect(server) as wire:
        chunks = b'3;ext="0"\r\nabc\r\n00A\r\n5\r\nabcde\r\n\r\n0\r\nx-trailer: 1\r\n\r\n'
        wire.request("POST", "/echo", "transfer-encoding: chunked", body=chunks)
        status, _, body = wire.response()
    assert (status, json.loads(body)) == (200, "abc5\r\nabcde\r\n")


@shows("H20")
def test_a_response_may_be_sent_before_the_request_is_received(server: RunningServer) -> None:
    with connect(server) as wire:
        wire.request("POST", "/hello", "content-length: 1000000")
        assert wire.response()[::2] == (200, b'"hello"')


@shows("H20")
def test_a_response_to_a_client_that_has_gone_is_dropped(server: RunningServer) -> None:
    with connect(server) as wire:
        wire.request("GET", "/gone")
        wire.until(b"here")
    assert get(server, "/outcome") == (200, "no-op")


@shows_deviation("H27")
def test_a_transfer_encoding_of_the_application_is_not_ignored(server: RunningServer) -> None:
    framing = ("content-length", "transfer-encoding")

    def framed(*headers: str) -> tuple[list[tuple[str, str]], bytes]:
        with connect(server) as wire:
            wire.request("GET", f"/headers?{'&'.join(headers)}", "connection: close")
            answer = wire.rest()
        head, _, body = answer.partition(b"\r\n\r\n")
        lines = (line.partition(": ") for line in head.decode().lower().split("\r\n"))
        return [(name, value) for name, _, value in lines if name in framing], body

    chunked, length = ("transfer-encoding", "chunked"), ("content-length", "4")
    whole = b"4\r\nbody\r\n0\r\n\r\n"
    is_httptools = "httptools" in server.process.args  # type: ignore[operator]  # the arguments are a list
    assert framed("transfer-encoding:chunked") == ([chunked], whole)
    both = framed("content-length:4", "transfer-encoding:chunked")
    assert both == ([length, chunked] if is_httptools else [chunked], whole)
    other = framed("transfer-encoding:gzip")
    if is_httptools:
        assert other == ([("transfer-encoding", "gzip"), chunked], whole)
    else:
        assert other == ([] if server.name == "uvicorn" else [("content-length", "0")], b"")


@shows("H28")
def test_the_order_of_headers_is_kept(server: RunningServer) -> None:
    sent = ["x-b:1", "set-cookie:a=1", "x-a:2", "content-length:4", "x-b:3", "accept-ranges:none", "set-cookie:b=2"]
    with connect(server) as wire:
        wire.request("GET", f"/headers?{'&'.join(sent)}")
        _, headers = wire.head()
    added = ("date", "server", "connection")
    assert [f"{name}:{value}" for name, value in headers if name not in added] == sent


@shows("H31")
def test_what_is_sent_leaves_before_anything_else_is_sent(server: RunningServer) -> None:
    with connect(server) as wire:
        wire.request("GET", "/chunk")
        wire.until(b"7\r\nat once\r\n")  # and the application waits
        assert get(server, "/go") == (200, "gone on")
        assert wire.until(b"0\r\n\r\n") == b"a\r\n and later\r\n0\r\n\r\n"


@shows("H31")
def test_send_waits_for_a_client_that_does_not_read(server: RunningServer) -> None:
    with connect(server, receive_buffer=4096) as wire:
        wire.request("GET", "/flood")
        wire.head()
        _, returned = get(server, "/outcome")
        assert isinstance(returned, int)
        assert returned < MOST / 4
        body = wire.until(b"\r\n0\r\n\r\n")
    chunk = b"10000\r\n" + bytes(CHUNK) + b"\r\n"
    assert body == chunk * (returned // CHUNK + 1) + b"0\r\n\r\n"


# -- WebSocket


@shows("W11")
def test_a_close_before_the_accept_answers_403(server: RunningServer) -> None:
    with connect(server) as wire:
        assert wire.handshake("/ws/refuse")[0] == 403
        wire.rest()


@shows("W11")
def test_a_close_after_the_accept_is_a_close_frame_with_its_code(server: RunningServer) -> None:
    with connect(server) as wire:
        assert wire.handshake("/ws/close")[0] == 101
        code = (4002).to_bytes(2, "big")
        assert wire.frame() == (FINAL | CLOSE, code + b"enough")
        wire.send_frame(CLOSE, code)
        assert wire.rest() == b""


@shows("W15")
def test_pings_and_fragments_do_not_reach_the_application(server: RunningServer) -> None:
    with connect(server) as wire:
        assert wire.handshake("/ws/events")[0] == 101
        wire.send_frame(PING, b"alone")
        assert wire.frame() == (FINAL | PONG, b"alone")
        wire.send_frame(TEXT, b"in ", is_final=False)
        wire.send_frame(PING, b"between")
        assert wire.frame() == (FINAL | PONG, b"between")
        wire.send_frame(CONTINUATION, b"three ", is_final=False)
        wire.send_frame(CONTINUATION, b"parts")
        assert wire.frame() == (FINAL | TEXT, b"websocket.receive: in three parts")
        wire.send_frame(PONG, b"nobody asked")
        wire.send_frame(CLOSE, (1000).to_bytes(2, "big"))
        assert wire.frame() == (FINAL | CLOSE, (1000).to_bytes(2, "big"))


# -- the lifespan, and extensions


@shows("L7", app="tests.interop.wire_app:no_lifespan")
def test_an_exception_at_startup_leaves_a_server_without_lifespan(server: RunningServer) -> None:
    assert get(server, "/hello") == (200, "hello")
    output = server.stop()
    assert output.count("lifespan event: ") == 1
    assert "lifespan event: lifespan.startup" in output


@shows("E6")
def test_trailers_are_transmitted_only_to_who_takes_them(server: RunningServer) -> None:
    if server.name == "hypercorn":  # has them over HTTP/2
        for headers, expected in (((), {}), ((("te", "trailers"),), {"x-end": "trailer"})):
            with connect(server) as wire:
                _, body, trailers = wire.over_http2("/trailers", *headers)
            assert (body, trailers) == (b"extension", expected)
    with connect(server) as wire:
        wire.request("GET", "/trailers", "te: trailers", "connection: close")
        wire.head()
        assert wire.rest() == b"4\r\nnone\r\n0\r\n\r\n", "over HTTP/1.1 no server has the extension"
