"""One word turns on all that watches, at its place, as one layer."""

from __future__ import annotations

import pytest
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from middlewares import AccessLog, GZip, Metrics, Middleware, RequestID, Stack, Tracing
from middlewares.testing import request

ALL = [Tracing, RequestID, AccessLog, Metrics]


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], ALL),
        ([GZip], [*ALL, GZip]),
        ([ProxyHeadersMiddleware, GZip], [ProxyHeadersMiddleware, *ALL, GZip]),
        ([GZip, Middleware(Metrics, exclude_paths=["/none"])], [Tracing, RequestID, AccessLog, GZip, Metrics]),
    ],
)
def test_what_is_missing_is_added_in_the_advised_order(entries: list[object], expected: list[type]) -> None:
    stack = Stack(*entries, observability=True)  # type: ignore[arg-type]  # classes and records
    assert [entry.cls for entry in stack] == expected
    assert stack.check() == ()


async def test_they_watch_through_one_pair_of_channels() -> None:
    senders: list[object] = []

    async def app(scope, receive, send):
        senders.append(send.__self__.send)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    response = await request(Stack(observability=True)(app))
    assert response.header("x-request-id")
    assert type(getattr(senders[0], "__self__", None)).__name__ != "HTTPCall"
