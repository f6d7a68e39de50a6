"""A request leaves nothing behind: no cycle for the collector to find, and no object that stays."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest
from anyio.lowlevel import checkpoint

from middlewares import CORS, GZip, Middleware, Stack, When
from middlewares.testing import http_scope
from tests.compression.answers import TEXT, answering, body, start, streaming, whole

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send

ORIGIN = "https://app.example.com"
GZ = {"accept-encoding": "gzip", "origin": ORIGIN}
PREFLIGHT = {"origin": ORIGIN, "access-control-request-method": "PUT"}


async def failing(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start())
    raise RuntimeError("no luck")


def stack(app: ASGIApp) -> ASGIApp:
    policy = Middleware(CORS, allow_origins=[ORIGIN, "https://b.example.com"], allow_methods=["PUT"])
    return Stack(policy, When(GZip, paths=["/*"], predicate=lambda connection: True))(app)


async def receive() -> Message:
    raise AssertionError("nothing is asked for")


async def send(message: Message) -> None:
    """Take every message."""


async def run(app: ASGIApp, times: int, **options: Any) -> None:
    for _ in range(times):
        try:
            await app(http_scope(**options), receive, send)
        except RuntimeError as error:
            assert str(error) == "no luck"  # noqa: PT017 - the failing application's own, which must pass through
    await checkpoint()  # what was called off before it was due is let go of when the loop turns


@pytest.mark.parametrize(
    ("app", "options"),
    [
        (whole(TEXT), {"headers": GZ}),
        (whole(TEXT), {}),
        (streaming([TEXT, b"", b"end"]), {"headers": GZ}),
        (whole(TEXT), {"headers": GZ, "extensions": ["http.response.zerocopysend"]}),
        (answering(start(content_type="text/event-stream"), body(b"data: 1\n\n")), {"headers": GZ}),
        (answering(start()), {"headers": GZ}),
        (failing, {"headers": GZ}),
        (whole(TEXT), {"method": "OPTIONS", "headers": PREFLIGHT}),
        (whole(TEXT), {"method": "OPTIONS", "headers": {**PREFLIGHT, "origin": "https://evil.example"}}),
    ],
    ids=["whole", "identity", "streamed", "zerocopy", "events", "no body", "failing", "preflight", "refused"],
)
async def test_requests_leave_no_garbage_and_no_objects(app: ASGIApp, options: dict[str, Any]) -> None:
    wrapped = stack(app)
    await run(wrapped, 10, **options)  # what is made once is made
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        await run(wrapped, 200, **options)
        kept = len(gc.get_objects()) - before
        assert gc.collect() == 0
    finally:
        gc.enable()
    assert kept < 20
