"""A refusal answers in the form that the client prefers, over HTTP and WebSocket, and no input can break it."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from middlewares.core.exchange import EXCHANGE, Exchange
from middlewares.core.refusals import Refusal, refuse
from middlewares.testing import (
    Driver,
    Response,
    WebSocketRefused,
    http_scope,
    request,
    websocket,
    websocket_scope,
)

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Receive, Scope, Send

TEAPOT = Refusal(
    status=418, code="test.teapot", reason="short\r\nand stout", detail="Short & <stout>.", title="I'm a <teapot>"
)


def refusing(refusal: Refusal) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await refuse(scope, receive, send, refusal)

    return app


async def refused(refusal: Refusal = TEAPOT, method: str = "GET", **options: Any) -> Response:
    return await request(refusing(refusal), method, **options)


RENAMED = {413, 414, 416, 422}
"""Python names these differently from version to version."""

JSON = "application/problem+json"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("application/json", JSON),
        ("application/problem+json", JSON),
        ("text/plain", TEXT),
        ("TEXT/HTML", HTML),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", HTML),
        ("text/html;q=0.1, text/plain;q=0.2", TEXT),
        ("text/*", TEXT),
        ("application/json;q=0.5, text/html;q=0.4", JSON),
        ("*/*;q=0.1, application/problem+json;q=0, application/json;q=0, text/plain;q=0", HTML),
        # What cannot be had is answered all the same: to refuse the refusal would help nobody.
        ("image/png", JSON),
        ("*/*;q=0", JSON),
        ("text/html;q=2", JSON),
        (';;,,=";q=x/\x00', JSON),
        ("text/html, " * 700, HTML),
        ("text/html, " * 2000, JSON),  # longer than anything that is read
    ],
)
async def test_the_form_follows_accept(accept: str | None, content_type: str):
    response = await refused(headers={} if accept is None else {"accept": accept})
    assert response.status == 418
    assert response.values("content-type") == [content_type]
    assert response.values("vary") == ["Accept"]
    assert response.header("content-length") == str(len(response.body))


async def test_several_lines_of_accept_are_one_list():
    response = await refused(headers=[("Accept", "text/plain;q=0.5"), ("Accept", "text/html")])
    assert response.header("content-type") == HTML


async def test_a_problem_is_json_with_its_members():
    refusal = Refusal(
        status=429,
        code="rate_limit.quota",
        detail="Zu viele Anfragen: später.",
        type="https://errors.example/quota",
        members={"retry_after": 3},
        headers=((b"retry-after", b"3"),),
    )
    response = await refused(refusal)
    assert response.json() == {
        "type": "https://errors.example/quota",
        "title": "Too Many Requests",
        "status": 429,
        "detail": "Zu viele Anfragen: später.",
        "retry_after": 3,
    }
    assert response.values("retry-after") == ["3"]


async def test_a_problem_without_detail_has_no_such_member():
    response = await refused(Refusal(status=403, code="test"))
    assert response.json() == {"type": "about:blank", "title": "Forbidden", "status": 403}


async def test_plain_text_is_the_title_and_the_detail():
    headers = {"accept": "text/plain"}
    assert (await refused(headers=headers)).text == "I'm a <teapot>\nShort & <stout>.\n"
    assert (await refused(Refusal(status=403, code="test"), headers=headers)).text == "Forbidden\n"


async def test_html_is_escaped():
    page = (await refused(headers={"accept": "text/html"})).text
    assert "<h1>I&#x27;m a &lt;teapot&gt;</h1>" in page
    assert "<title>I&#x27;m a &lt;teapot&gt;</title>" in page
    assert "<p>Short &amp; &lt;stout&gt;.</p>" in page
    assert "<teapot>" not in page
    assert "<stout>" not in page


async def test_braces_in_a_detail_are_no_placeholders():
    refusal = Refusal(status=400, code="test", detail="{title.__class__} {0} {")
    assert "<p>{title.__class__} {0} {</p>" in (await refused(refusal, headers={"accept": "text/html"})).text


async def test_code_and_reason_are_never_sent():
    for accept in (JSON, "text/plain", "text/html"):
        response = await refused(headers={"accept": accept})
        for words in (b"test.teapot", b"and stout"):
            assert words not in response.body
            assert all(words not in value for _, value in response.headers)


@pytest.mark.parametrize("accept", [JSON, "text/plain", "text/html"])
async def test_head_gets_the_headers_of_get_and_no_body(accept: str):
    get = await refused(headers={"accept": accept})
    head = await refused(method="HEAD", headers={"accept": accept})
    assert head.status == get.status
    assert head.headers == get.headers
    assert head.body == b""
    assert get.body != b""


@pytest.mark.parametrize(
    ("headers", "vary"),
    [
        (((b"vary", b"Origin"),), "Origin, Accept"),
        (((b"Vary", b"accept"),), "accept"),
        (((b"vary", b"*"),), "*"),
        (((b"vary", b"Origin"), (b"x-a", b"1"), (b"vary", b"Cookie")), "Origin, Cookie, Accept"),
    ],
)
async def test_there_is_one_vary(headers: tuple[tuple[bytes, bytes], ...], vary: str):
    response = await refused(Refusal(status=403, code="test", headers=headers))
    assert response.values("vary") == [vary]


@pytest.mark.parametrize(
    ("status", "title"),
    [
        (404, "Not Found"),
        (413, "Content Too Large"),
        (422, "Unprocessable Content"),
        (499, "Status 499"),
        (599, "Status 599"),
    ],
)
async def test_every_status_has_a_title(status: int, title: str):
    response = await refused(Refusal(status=status, code="test"))
    assert response.status == status
    assert response.json()["title"] == title


@pytest.mark.parametrize("status", sorted(set(HTTPStatus) - RENAMED))
async def test_the_title_is_the_standard_phrase(status: HTTPStatus):
    assert (await refused(Refusal(status=status, code="test"))).json()["title"] == status.phrase


accepts = st.sampled_from([b"text/plain", b"text/html", JSON.encode()]) | st.binary(max_size=40)


@example(detail="\udc80", accept=b"text/plain")
@example(detail="\ud800", accept=b"text/html")
@given(detail=st.text(st.characters(exclude_categories=())), accept=accepts)
async def test_no_detail_and_no_accept_break_the_answer(detail: str, accept: bytes):
    """Not even lone surrogates, as they come from decoding what a client sent."""
    response = await refused(Refusal(status=400, code="test", detail=detail), headers=[(b"accept", accept)])
    assert response.status == 400
    assert response.header("content-length") == str(len(response.body))


# -- WebSockets


async def test_a_server_with_the_extension_denies_the_handshake_with_a_response():
    with pytest.raises(WebSocketRefused) as caught:
        async with websocket(
            refusing(TEAPOT), headers={"accept": "text/plain"}, extensions=["websocket.http.response"]
        ):
            pytest.fail("the handshake was accepted")
    response = caught.value.response
    assert [message["type"] for message in response.messages] == [
        "websocket.http.response.start",
        "websocket.http.response.body",
    ]
    assert response.status == 418
    assert response.header("content-type") == TEXT
    assert response.text == "I'm a <teapot>\nShort & <stout>.\n"


@pytest.mark.parametrize("extensions", [None, {}, ["tls"]])
async def test_other_servers_are_asked_to_close(extensions: Any):
    with pytest.raises(WebSocketRefused) as caught:
        async with websocket(refusing(TEAPOT), extensions=extensions):
            pytest.fail("the handshake was accepted")
    assert caught.value.response.messages == [{"type": "websocket.close", "code": 1008}]


async def test_the_close_code_can_be_chosen():
    with pytest.raises(WebSocketRefused) as caught:
        async with websocket(refusing(Refusal(status=503, code="test", close_code=1013))):
            pytest.fail("the handshake was accepted")
    assert caught.value.code == 1013


@pytest.mark.parametrize("extensions", [None, ["websocket.http.response"]])
async def test_a_client_that_left_before_the_handshake_gets_nothing(extensions: Any):
    async with Driver(refusing(TEAPOT), websocket_scope(extensions=extensions)) as call:
        call.disconnect()
        await call.finish()
    assert call.sent == []
    assert call.lost == []


async def test_nothing_is_sent_before_the_client_connects():
    async with Driver(refusing(TEAPOT), websocket_scope()) as call:
        await call.assert_silent()
        call.feed({"type": "websocket.connect"})
        await call.receive("websocket.close")
        await call.finish()


# -- exchange and log


@pytest.mark.parametrize(
    "scope", [http_scope(), http_scope("HEAD"), websocket_scope()], ids=["GET", "HEAD", "websocket"]
)
async def test_the_refusal_is_recorded_in_the_exchange(scope: Scope):
    scope[EXCHANGE] = exchange = Exchange()
    async with Driver(refusing(TEAPOT), scope) as call:
        call.feed({"type": "websocket.connect"})
        await call.finish()
    assert exchange.refusals == [TEAPOT]


async def test_a_log_line_stays_one_line_of_bounded_length(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG, logger="middlewares")
    await refused(path="/a\r\nINFO: all is well\u2028\x1b[31m" + "x" * 50_000)
    (line,) = caplog.messages
    assert line.startswith(r"test.teapot: refused '/a\r\nINFO: all is well\u2028\x1b[31mxxx")
    assert line.endswith(r" with 418 (short\r\nand stout)")
    assert line.isprintable()
    assert len(line) < 350
    caplog.clear()
    await refused(Refusal(status=403, code="test", reason="\x1b" * 5_000))
    await refused(Refusal(status=403, code="test"))
    long, short = caplog.messages
    assert long.isprintable()
    assert len(long) < 1_000
    assert short == "test: refused '/' with 403"


async def test_at_the_usual_level_nothing_is_logged(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, logger="middlewares")
    await refused()
    assert not caplog.messages


async def test_further_members_never_take_the_place_of_the_standard_ones():
    """RFC 9457, 3.2; what a person quotes stands in text and HTML."""
    members = {"type": "x", "title": "x", "status": 200, "detail": "x", "instance": "x", "left": 0}
    refusal = Refusal(status=409, code="test", members=members, instance="urn:a", reference="Request <7>")
    assert (await refused(refusal)).json() == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "instance": "urn:a",
        "left": 0,
    }
    assert (await refused(refusal, headers={"accept": "text/plain"})).text == "Conflict\nRequest <7>\n"
    assert "<small>Request &lt;7&gt;</small>" in (await refused(refusal, headers={"accept": "text/html"})).text
