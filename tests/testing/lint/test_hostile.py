"""Whatever servers and applications hand over, the lint only reports: it raises nothing of its own."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from middlewares.testing import Lint
from tests.testing.lint.course import CONNECT, REQUEST, STARTUP, make_scope


class Spiteful:
    """A value that can be neither compared nor hashed."""

    def __repr__(self) -> str:
        return "Spiteful()"

    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError

    __hash__ = None  # type: ignore[assignment]  # as of lists


ODD: list[Any] = [
    *(
        None,
        True,
        -1,
        10**400,
        float("nan"),
        "",
        "\udcff%?",
        "9" * 5000 + ".1",
        b"",
        b"\xff\r\n",
        bytearray(b"x"),
        [],
        [5],
    ),
    *([(b"a",)], [[b"A", b"\n"], (b"b", 1)], {}, {"tls": 5}, {"tls": {"cipher_suite": "x"}}, {1: {"a": object()}}),
    *((), ("h", "p"), {b"a"}, {"version": [], "spec_version": {}}, object(), Spiteful(), [Spiteful()]),
]
KINDS = ["http", "websocket", "lifespan", "other"]
KEYS = [
    "type",
    "status",
    "headers",
    "body",
    "more_body",
    "trailers",
    "text",
    "bytes",
    "code",
    "reason",
    "subprotocol",
    "path",
    "links",
    "file",
    "info",
]
TYPES = [
    *(
        f"http.response.{name}"
        for name in ["start", "body", "push", "pathsend", "zerocopysend", "early_hint", "trailers", "debug"]
    ),
    *(f"websocket.{name}" for name in ["accept", "send", "close", "http.response.start", "http.response.body"]),
    *("lifespan.startup.complete", "lifespan.startup.failed", "lifespan.shutdown.complete", "other.kind"),
]


@st.composite
def scopes(draw: Any) -> Any:
    scope = make_scope(draw(st.sampled_from(KINDS)))
    for key in draw(st.lists(st.sampled_from([*make_scope(), "subprotocols", 7]), max_size=3)):
        if draw(st.booleans()):
            scope[key] = draw(st.sampled_from(ODD))
        else:
            scope.pop(key, None)
    return scope


def events() -> Any:
    odd = st.dictionaries(st.sampled_from([*KEYS, 7]), st.sampled_from(ODD), max_size=3)
    typed = st.builds(lambda kind, more: {"type": kind, **more}, st.sampled_from(TYPES), odd)
    return st.lists(st.one_of(typed, typed, odd, st.sampled_from(ODD)), max_size=4)


async def _converse(scope: Any, given_events: list[Any], sent: list[Any], *, strict: bool, refuses: bool) -> None:
    kind = scope.get("type")
    waiting = [
        REQUEST
        if type(kind) is str and kind == "http"
        else CONNECT
        if type(kind) is str and kind == "websocket"
        else STARTUP,
        *given_events,
    ]

    async def receive() -> Any:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        if refuses:
            raise RuntimeError(7)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        for message in sent:
            try:
                await send(message)
            except RuntimeError as error:
                assert error.args == (7,)  # noqa: PT017 - the server's, and no other
            if waiting:
                await receive()

    lint = Lint(Lint(app, strict=strict, deadline=0.01), deadline=0.01)
    await lint(scope, receive, send)


@settings(max_examples=300)
@given(scopes(), events(), events(), st.booleans(), st.booleans())
def test_the_lint_raises_nothing_of_its_own(
    scope: Any, given_events: list[Any], sent: list[Any], strict: bool, refuses: bool
) -> None:
    anyio.run(lambda: _converse(scope, given_events, sent, strict=strict, refuses=refuses))


@pytest.mark.parametrize(
    "key", ["type", "http_version", "headers", "extensions", "subprotocols", "asgi", "state", "path"]
)
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: type(odd).__name__)
@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_no_value_of_a_scope_stops_a_call(kind: str, key: str, odd: Any) -> None:
    accept = {"type": "websocket.accept", "subprotocol": "a", "headers": []}
    answer = accept if kind == "websocket" else {"type": "http.response.start", "status": 200}
    await _converse({**make_scope(kind), key: odd}, [], [answer], strict=False, refuses=False)
