"""Errors that say nothing are replaced, and everything else is left as it is, as soon as it is known to be that."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewares import ProblemDetails
from middlewares.testing import Driver, http_scope, request

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send

JSON = "application/problem+json"
MODES = ("none", "empty", "bare", "json", "all")


def start(status: int, *headers: tuple[str, str], **keys: Any) -> Message:
    pairs = [(name.encode(), value.encode()) for name, value in headers]
    return {"type": "http.response.start", "status": status, "headers": pairs, **keys}


def body(data: bytes = b"", *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


def sending(*messages: Message) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


def whole(status: int, media_type: str | None, data: bytes, *headers: tuple[str, str]) -> list[Message]:
    kind = [("content-type", media_type)] if media_type else []
    return [start(status, *kind, ("content-length", str(len(data))), *headers), body(data)]


TEXT = "text/plain; charset=utf-8"
HTML = "text/html"

CASES: dict[str, tuple[list[Message], str | None]] = {
    # what is sent, and the first mode in which it is replaced
    "empty": (whole(404, None, b""), "empty"),
    "empty, with a type": (whole(500, HTML, b""), "empty"),
    "empty, without a length": ([start(404), body()], "empty"),
    "empty, without keys": ([{"type": "http.response.start", "status": 404}, {"type": "http.response.body"}], "empty"),
    "empty, in pieces": ([start(404, ("content-length", "0")), body(more=True), body()], "empty"),
    "empty, in capitals": ([start(404, ("Content-Length", "0")), body()], "empty"),
    "the phrase": (whole(404, TEXT, b"Not Found"), "bare"),
    "the phrase, spelt otherwise": (whole(404, "TEXT/PLAIN", b" not found\r\n"), "bare"),
    "the phrase and the status": (whole(404, TEXT, b"404 Not Found"), "bare"),
    "the phrase of old": (whole(413, TEXT, b"Request Entity Too Large"), "bare"),
    "the phrase of now": (whole(413, TEXT, b"Content Too Large"), "bare"),
    "the phrase, in pieces": (
        [start(404, ("content-type", TEXT), ("content-length", "9")), body(b"Not ", more=True), body(b"Found")],
        "bare",
    ),
    "the phrase, and an end of its own": (
        [start(404, ("content-type", TEXT), ("content-length", "9")), body(b"Not Found", more=True), body()],
        "bare",
    ),
    "another status": (whole(599, None, b""), "empty"),
    "a detail": (whole(404, "application/json", b'{"detail":"Not Found"}'), "json"),
    "a detail of Litestar": (whole(404, "application/json", b'{"status_code":404,"detail":"No tea"}'), "json"),
    "errors": (whole(422, "application/json", b'{"detail":[{"loc":["query","a"]}]}'), "json"),
    "words": (whole(404, TEXT, b"No tea today"), "all"),
    "words as long as the phrase": (whole(404, TEXT, b"Not there"), "all"),
    "another phrase": (whole(404, TEXT, b"Forbidden"), "all"),
    "long words": (whole(404, TEXT, b"Not Found" + b" " * 60), "all"),
    "a page": (whole(404, HTML, b"Not Found"), "all"),
    "a stream": (
        [start(500, ("content-type", HTML)), body(b"<p>", more=True), body(b"</p>", more=True), body()],
        "all",
    ),
    "JSON without a detail": (whole(404, "application/json", b'{"error":"no"}'), "all"),
    "JSON that is a list": (whole(404, "application/json", b"[]"), "all"),
    "JSON that is none": (whole(404, "application/json", b'{"detail":'), "all"),
    "JSON that is deep": (whole(404, "application/json", b"[" * 60_000), "all"),
    "JSON with NaN": (whole(404, "application/json", b'{"detail":NaN}'), "all"),
    "JSON with a name that no member has": (whole(404, "application/json", b'{"detail":"a","x-y":1}'), "all"),
    "JSON that is long": (whole(404, "application/json", b'{"detail":"%s"}' % (b"a" * 70_000)), "all"),
    "a problem": (whole(404, JSON, b'{"title":"Not Found"}'), None),
    "an empty problem": (whole(404, JSON, b""), None),
    "a problem in XML": (whole(404, "application/problem+xml", b"<problem/>"), None),
    "events": ([start(500, ("content-type", "text/event-stream")), body(b"data: 1\n\n", more=True), body()], None),
    "encoded": (whole(404, TEXT, b"Not Found", ("content-encoding", "gzip")), None),
    "trailers": (
        [start(404, ("content-length", "0"), trailers=True), body(), {"type": "http.response.trailers"}],
        None,
    ),
    "no error": (whole(200, None, b""), None),
    "not modified": ([start(304), body()], None),
    "a redirect": (whole(307, None, b""), None),
    "no status that HTTP has": ([start(600, ("content-length", "0")), body()], None),
    "a stream without a type": ([start(404), body(b"a", more=True), body(b"b")], "all"),
    "more than was announced": (
        [start(404, ("content-type", TEXT), ("content-length", "4")), body(b"Not Found", more=True), body()],
        "all",
    ),
    "less than was announced": ([start(404, ("content-type", TEXT), ("content-length", "20")), body(b"No")], "all"),
    "a file": (
        [start(404, ("content-type", TEXT), ("content-length", "9")), {"type": "http.response.pathsend", "path": "/x"}],
        "all",
    ),
    "a push": ([start(404, ("content-length", "0")), {"type": "http.response.push", "path": "/"}, body()], "all"),
    "nothing after the start": ([start(404, ("content-length", "9"), ("content-type", TEXT))], "all"),
}


@pytest.mark.parametrize("convert", MODES)
@pytest.mark.parametrize(("messages", "first"), CASES.values(), ids=CASES)
async def test_what_says_nothing_is_replaced(messages: list[Message], first: str | None, convert: Any) -> None:
    async with Driver(ProblemDetails(sending(*messages), convert=convert), http_scope()) as call:
        await call.finish()
    is_due = first is not None and MODES.index(convert) >= MODES.index(first)
    if not is_due:
        assert call.sent == messages
        return
    sent, data = call.sent
    headers = dict(sent["headers"])
    assert sent["status"] == messages[0]["status"]
    assert headers[b"content-type"] == JSON.encode()
    assert headers[b"content-length"] == b"%d" % len(data["body"])
    assert json.loads(data["body"])["status"] == sent["status"]


@pytest.mark.parametrize(
    ("found", "members"),
    [
        ({"detail": "Not Found"}, {}),
        ({"detail": "No tea", "status_code": 404}, {"detail": "No tea"}),
        ({"detail": ["a", {"b": 1}]}, {"errors": ["a", {"b": 1}]}),
        ({"detail": "x", "extra": [1]}, {"detail": "x", "extra": [1]}),
        ({"detail": "x", "status": 200, "title": "T", "type": "/t"}, {"detail": "x", "title": "T", "type": "/t"}),
        ({"detail": None}, {"errors": None}),
    ],
)
async def test_the_words_of_a_detail_are_kept(found: Any, members: dict[str, Any]) -> None:
    """And the status is the one that was sent."""
    app = ProblemDetails(sending(*whole(404, "application/json", json.dumps(found).encode())), convert="json")
    assert (await request(app)).json() == {"type": "about:blank", "title": "Not Found", "status": 404, **members}


async def test_headers_that_are_not_of_the_body_stay() -> None:
    kept = [
        ("www-authenticate", "Bearer"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("content-range", "bytes */9"),
    ]
    gone = [("etag", '"x"'), ("last-modified", "today"), ("content-language", "en"), ("Content-Disposition", "inline")]
    app = ProblemDetails(sending(*whole(401, TEXT, b"Unauthorized", *kept, *gone, ("vary", "Cookie, accept"))))
    response = await request(app)
    assert [pair for pair in response.headers if pair[0] not in (b"vary", b"content-type", b"content-length")] == [
        (name.encode(), value.encode()) for name, value in kept
    ]
    assert response.values("vary") == ["Cookie, accept"]
    assert response.values("content-type") == [JSON]


@pytest.mark.parametrize("data", [b"", b"Not Found"])
@pytest.mark.parametrize(
    ("headers", "is_replaced"),
    [
        ((("content-type", TEXT), ("content-length", "9")), True),
        ((("content-type", TEXT), ("content-length", "12")), False),
        ((("content-type", HTML), ("content-length", "9")), False),
        ((("content-length", "0"),), True),
        ((), True),
    ],
)
async def test_the_answer_to_head_is_that_to_get_without_its_body(headers: Any, is_replaced: bool, data: bytes) -> None:
    """Some frameworks send the body of a GET, and leave it to the server to drop it."""
    if headers in ((), (("content-length", "0"),)) and data:
        return
    if dict(headers).get("content-length") == "12" and data:
        return  # a body that is shorter than its length is nothing that a framework sends
    response = await request(ProblemDetails(sending(start(404, *headers), body(data))), "HEAD")
    assert (response.header("content-type") == JSON) is is_replaced
    assert response.body == (b"" if is_replaced else data)


async def test_a_start_that_says_something_leaves_at_once() -> None:
    modes: Any = MODES[:-1]
    for convert in modes:
        app = ProblemDetails(sending(*whole(404, HTML, b"<p>Not here.</p>")), convert=convert)
        async with Driver(app, http_scope(), hold_sends=True) as call:
            assert (await call.receive())["type"] == "http.response.start"


async def test_headers_that_can_be_read_once_are_enough() -> None:
    for status, data, is_replaced in (
        (404, b"Not Found", True),
        (404, b"No such tea", False),
        (200, b"Not Found", False),
    ):
        [first, second] = whole(status, TEXT, data)
        first["headers"] = iter(first["headers"])
        response = await request(ProblemDetails(sending(first, second)))
        assert response.header("content-type") == (JSON if is_replaced else TEXT)
        assert is_replaced or response.body == data


async def test_it_is_replaced_as_soon_as_all_has_come_that_was_announced() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(404, ("content-type", TEXT), ("content-length", "9")))
        await send(body(b"Not Found", more=True))
        await anyio.sleep_forever()

    async with Driver(ProblemDetails(app), http_scope()) as call:
        assert dict((await call.receive())["headers"])[b"content-type"] == JSON.encode()
        assert not (await call.receive()).get("more_body", False)


async def test_what_is_held_when_the_application_fails_makes_room_for_the_500() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(404, ("content-length", "0")))
        raise ZeroDivisionError

    response = await request(ProblemDetails(app))
    assert response.status == 500
    assert response.json()["status"] == 500


async def test_what_fails_after_a_replaced_response_goes_on() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in whole(500, TEXT, b"Internal Server Error"):
            await send(message)
        raise ZeroDivisionError

    response = await request(ProblemDetails(app), raise_exceptions=False)
    assert (response.status, response.header("content-type")) == (500, JSON)
    assert isinstance(response.exception, ZeroDivisionError)
    assert len(response.messages) == 2


@given(
    st.sampled_from(MODES),
    st.sampled_from([200, 404, 413, 500]),
    st.sampled_from([None, TEXT, HTML, "application/json", "text/event-stream"]),
    st.lists(st.sampled_from([b"", b"Not Found", b"Not ", b"Found", b'{"detail":"x"}', b"x" * 100]), max_size=4),
    st.sampled_from(["right", "none"]),
    st.sampled_from(["GET", "HEAD"]),
)
def test_however_it_is_split_it_is_replaced_whole_or_left_alone(
    convert: Any, status: int, media_type: str | None, parts: list[bytes], length: str, method: str
) -> None:
    data = b"".join(parts)
    headers = [("content-type", media_type)] if media_type else []
    headers += [("content-length", str(len(data)))] if length == "right" else []
    messages = [start(status, *headers), *(body(part, more=True) for part in parts), body()]
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = http_scope(method)
    layer: Any = ProblemDetails(sending(*messages), convert=convert)
    anyio.run(layer, scope, send, send)
    if dict(sent[0]["headers"]).get(b"content-type") == JSON.encode():
        assert status >= 400
        assert len(sent) == 2
        length_sent = int(dict(sent[0]["headers"])[b"content-length"])
        assert sent[1]["body"] == b"" if method == "HEAD" else len(sent[1]["body"]) == length_sent
    else:
        assert sent == messages
