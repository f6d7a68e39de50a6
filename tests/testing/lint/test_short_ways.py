"""The short ways that plain events and scopes take through the lint find, and tell, what the long ones do."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewares.testing import Lint, http_scope
from middlewares.testing.lint.http import HTTPFace
from tests.testing.lint.course import ids, serve, start

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
_STARTS = st.fixed_dictionaries(
    {"type": st.just("http.response.start")},
    optional={
        "status": st.sampled_from([200, 200, 204, 304, 99, True, "200"]),
        "headers": st.sampled_from(_LISTS).map(list),
        "trailers": st.booleans(),
        "extra": st.just(1),
    },
)
_BODIES = st.fixed_dictionaries(
    {"type": st.just("http.response.body")},
    optional={
        "body": st.sampled_from([b"", b"1", b"12", b"123", bytearray(b"1"), memoryview(b"1"), "1"]),
        "more_body": st.sampled_from([True, True, False, 1]),
        "extra": st.just(object()),
    },
)
_OTHERS = st.sampled_from([{"type": "http.response.trailers"}, {"type": "websocket.send"}, {"type": 1}, {}])
_MESSAGES = st.lists(st.tuples(st.one_of(_STARTS, _BODIES, _BODIES, _OTHERS), st.booleans()), max_size=6)


async def _findings(messages: list[tuple[dict[str, Any], bool]], method: str) -> list[str]:
    """Return what is found where ``messages`` are sent, of which some change as soon as they are."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message, changes in messages:
            sent = {**message, "headers": [*message["headers"]]} if "headers" in message else {**message}
            await send(sent)
            if changes:
                sent.get("headers", []).append((b"x-late", b"1"))

    async def take(message: Any) -> None:
        pass

    lint = Lint(app)
    await serve(lint, http_scope(method), send=take)
    return [str(finding) for finding in lint.findings]


@given(_MESSAGES, st.sampled_from(["GET", "HEAD"]))
def test_a_response_that_took_the_short_way_has_the_findings_of_the_long_one(messages, method):
    short = anyio.run(_findings, messages, method)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HTTPFace, "passes", lambda _face, _message: False)
        assert short == anyio.run(_findings, messages, method)


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
