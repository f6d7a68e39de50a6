"""Shapes that are legal though rarely seen give no finding and arrive whole; the same shapes hide no fault."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest

from middlewares.testing import Lint, websocket_scope
from tests.testing.lint.course import CONNECT, body, ids, make_scope, serve, start

LINK = b"</style.css>; rel=preload"
CHAIN = {"server_cert": None, "tls_version": None, "cipher_suite": None, "client_cert_name": "CN=a"}


class Pairs:
    """An iterable that is no sequence."""

    def __init__(self, *pairs: Any) -> None:
        self.pairs = pairs

    def __iter__(self) -> Any:
        return iter(self.pairs)


def _sends(*messages: Any) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    return app


@pytest.mark.parametrize("make", [deque, Pairs, tuple, lambda pairs: dict(pairs).items()])
@pytest.mark.parametrize(
    ("pair", "rules"),
    [((b"x-a", b"1"), set()), ((b"X-A", b"1"), {"H24"}), ((b"x-a", b"1\r\nx-b: 2"), {"H26"}), ((b":a", b"1"), {"H25"})],
)
async def test_headers_may_be_any_iterable_and_are_checked_all_the_same(make: Any, pair: Any, rules: Any) -> None:
    headers = make([pair]) if make is not Pairs else Pairs(pair)
    lint = Lint(_sends({**start(), "headers": headers}, body(b"x")))
    await serve(lint)
    assert ids(lint.findings) == rules


@pytest.mark.parametrize("links", [[LINK], (LINK,), {LINK}, iter([LINK]), deque([LINK])])
async def test_links_of_a_hint_may_be_any_iterable(links: Any) -> None:
    lint = Lint(_sends({"type": "http.response.early_hint", "links": links}, start(), body()))
    sent = await serve(lint)
    assert lint.findings == []
    assert list(sent[0]["links"]) == [LINK]


@pytest.mark.parametrize("chain", [["PEM"], ("PEM",), deque(["PEM"]), iter(["PEM"])])
async def test_a_certificate_chain_may_be_any_iterable(chain: Any) -> None:
    lint = Lint(_sends(start(), body()))
    await serve(lint, make_scope(extensions={"tls": {**CHAIN, "client_cert_chain": chain}}))
    assert lint.findings == []
    assert list(chain) == ["PEM"]


@pytest.mark.parametrize("view", [memoryview(b"12345678").cast("I"), memoryview(b"12345678")[::2]])
async def test_a_view_is_counted_in_bytes(view: Any) -> None:
    lint = Lint(_sends(start(headers=[(b"content-length", b"%d" % view.nbytes)]), body(view)))
    await serve(lint)
    assert lint.findings == []


async def test_trailers_may_follow_a_path_and_must_if_they_were_announced() -> None:
    """The last event of a body may be that of an extension."""
    announced = start(headers=[(b"trailer", b"x-sum")], trailers=True)
    path = {"type": "http.response.pathsend", "path": "/etc/hostname"}
    trailers = {"type": "http.response.trailers", "headers": [(b"x-sum", b"1")]}
    whole, cut = Lint(_sends(announced, path, trailers)), Lint(_sends(announced, {**path}))
    await serve(whole)
    await serve(cut)
    assert whole.findings == []
    assert ids(cut.findings) == {"H34"}


async def test_a_denial_response_of_the_length_that_it_says() -> None:
    denial = {"type": "websocket.http.response.start", "status": 401, "headers": [(b"content-length", b"2")]}
    lint = Lint(_sends(denial, {"type": "websocket.http.response.body", "body": b"no"}))
    await serve(lint, make_scope("websocket"), [CONNECT])
    assert lint.findings == []


async def test_subprotocols_that_can_be_read_once_reach_the_application() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(scope["subprotocols"])
        await receive()
        await send({"type": "websocket.accept", "subprotocol": "chat"})
        await send({"type": "websocket.close"})

    lint = Lint(app)
    await serve(lint, {**websocket_scope(), "subprotocols": iter(["chat"])}, [CONNECT])
    assert seen == ["chat"]
    assert [(finding.id, finding.level, finding.party) for finding in lint.findings] == [("G18", "warning", "server")]


async def test_a_disconnect_needs_no_reason() -> None:
    """HTTP & WebSocket 2.5, disconnect: missing or None, it is the empty string."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()

    lint = Lint(app)
    await serve(lint, websocket_scope(), [CONNECT, {"type": "websocket.disconnect", "code": 1000}])
    assert lint.findings == []


@pytest.mark.parametrize("fails_at", ["http.response.start", "http.response.body"])
async def test_an_application_may_stop_where_send_says_that_the_client_has_gone(fails_at: str) -> None:
    """The application may swallow it: rule G11."""

    async def send(message: Any) -> None:
        if message["type"] == fails_at:
            raise ConnectionResetError

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await send(start())
            await send(body(b"x", more_body=True))
        except OSError:
            return

    lint = Lint(Lint(app))
    await serve(lint, send=send)
    assert [*lint.findings, *lint.app.findings] == []  # type: ignore[attr-defined]  # it is the inner lint


async def test_a_long_response_of_parts_of_a_file_does_not_fill_the_memory(tmp_path: Any) -> None:
    path = tmp_path / "file"
    path.touch()
    with path.open("rb") as file:
        part = {"type": "http.response.zerocopysend", "file": file, "more_body": True}
        seen: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(start())
            for _ in range(3000):
                await send({**part})
            face = scope["middlewares.testing.lint"]
            seen.append((len(face.carried), len(face.files)))
            await send(body())
            file.close()

        lint = Lint(Lint(app))
        await serve(lint)
    assert lint.findings == []
    assert seen == [(1000, 1)]
