"""The short ways that plain events and scopes take through the lint find, and tell, what the long ones do."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from middlewares.testing import Lint, http_scope
from middlewares.testing.lint.http import HTTPFace
from tests.testing.lint.course import ids, serve, start

if TYPE_CHECKING:
    from collections.abc import Iterator

_LISTS: list[list[Any]] = [
    [],
    [(b"content-length", b"2")],
    [(b"content-length", b"0")],
    [(b"content-length", b"2"), (b"content-length", b"2")],
    [(b"content-length", b"two")],
    [(b"set-cookie", b"a"), (b"set-cookie", b"b")],
    [(b"X-A", b"1")],
    [(b"x-a", b"1\n")],
    [[b"x-a", b"1"]],
    [(b"x-a", "1")],
    [(memoryview(b"x-a"), b"1")],
    [(b"trailer", b"x-sum")],
]
_STATUSES: list[dict[str, Any]] = [{"status": status} for status in (204, 304, 99, 1000, True, "200")]
_STARTS: list[dict[str, Any]] = [
    {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")], **change}
    for change in (
        *({"headers": headers} for headers in _LISTS),
        *_STATUSES,
        {"headers": ()},
        {"headers": None},
        {"extra": 1},
        {"trailers": True},
        {"headers": [(b"trailer", b"x-sum")], "trailers": True},
    )
]
_BODIES: list[dict[str, Any]] = [
    {"type": "http.response.body", **body}
    for body in (
        {},
        {"body": b"12"},
        {"body": b"12", "more_body": False},
        {"body": b"12", "more_body": True},
        {"body": b"", "more_body": True},
        {"body": b"1", "more_body": 1},
        {"body": b"123"},
        {"body": bytearray(b"12")},
        {"body": memoryview(b"12")},
        {"body": "12"},
        {"body": b"12", "extra": 1j},
        {"more_body": True},
        {"extra": 1},
    )
]
_OTHERS: list[dict[str, Any]] = [{"type": "http.response.trailers"}, {"type": "websocket.send"}, {"type": 1}, {}]


async def _findings(messages: list[dict[str, Any]], method: str, changed: int | None) -> list[str]:
    """Return what is found where ``messages`` are sent, one of which changes as soon as it is."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for number, message in enumerate(messages):
            sent = {**message}
            if type(sent.get("headers")) is list:
                sent["headers"] = [*sent["headers"]]
            await send(sent)
            if number == changed:
                sent["headers"].append((b"x-late", b"1")) if type(sent.get("headers")) is list else sent.clear()

    async def take(message: Any) -> None:
        pass

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    lint = Lint(app)
    with suppress(Exception):
        await lint(http_scope(method), receive, take)
    return [str(finding) for finding in lint.findings]


def _responses() -> Iterator[list[dict[str, Any]]]:
    """Yield responses in which one event or two are odd."""
    good = _STARTS[1]
    yield from ([first, second, *rest] for first in _STARTS for second in _BODIES for rest in ([], [_BODIES[1]]))
    yield from ([first, second] for first in (good, *_BODIES) for second in (*_STARTS, *_BODIES, *_OTHERS))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("changed", [None, 0, 1])
async def test_a_response_that_took_the_short_way_has_the_findings_of_the_long_one(method, changed, monkeypatch):
    short = [await _findings(response, method, changed) for response in _responses()]
    monkeypatch.setattr(HTTPFace, "passes", lambda _face, _message: False)
    assert short == [await _findings(response, method, changed) for response in _responses()]


async def test_a_plain_response_takes_the_short_way(monkeypatch):
    def refuse(_face: Any, message: Any) -> None:
        raise AssertionError(message)

    monkeypatch.setattr(HTTPFace, "check_sent", refuse)
    assert await _findings([_STARTS[1], _BODIES[4], _BODIES[2]], "GET", None) == []


@pytest.mark.parametrize("headers", [[], [(b"x-a", b"1")], [[b"x-a", b"1"]]])
async def test_a_header_list_that_changes_while_the_response_runs_is_found(headers):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        message = {**start(), "headers": headers}
        await send(message)
        headers.append((b"x-b", b"2"))
        await send({"type": "http.response.body"})

    lint = Lint(app)
    await serve(lint)
    assert ids(lint.findings) == {"G18"}


@pytest.mark.parametrize("headers", [[], [(b"x-a", b"1")], [[b"x-a", b"1"]]])
async def test_a_header_list_of_the_scope_that_changes_is_found(headers):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["headers"].append((b"x-b", b"2"))
        await send(start())
        await send({"type": "http.response.body"})

    lint = Lint(app)
    await serve(lint, {**http_scope(), "headers": headers})
    assert ids(lint.findings) == {"G14"}
