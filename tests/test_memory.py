"""A middleware that nobody needs any more is gone at once: it stands in no reference cycle."""

from __future__ import annotations

import gc
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from middlewares import Middleware, When
from middlewares.compression.media_types import MediaTypes
from middlewares.core.negotiation import CodingChooser
from middlewares.registry import BUILTIN, load_builtin
from middlewares.testing import request

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares.asgi import Receive, Scope, Send

HEADERS = {
    "accept-encoding": "gzip",
    "origin": "https://app.example.com",
    "access-control-request-method": "PUT",
    "access-control-request-headers": "x-a, x-b",
}


@pytest.fixture(autouse=True)
def _without_collector() -> Any:
    gc.disable()
    yield
    gc.enable()


async def answering(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
    await send({"type": "http.response.body", "body": b"chair " * 200})


RECORDS: dict[str, Callable[[], Middleware]] = {
    **{name: partial(Middleware, load_builtin(name)) for name in BUILTIN},
    "when": lambda: When(Middleware(load_builtin("cors")), paths=["/"]),
}


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
async def test_a_middleware_is_gone_with_its_last_use(record: Callable[[], Middleware], method: str) -> None:
    app = record()(answering)
    await request(app, method, headers=HEADERS)
    reference = weakref.ref(app)
    del app
    assert reference() is None


@pytest.mark.parametrize(("memo", "values"), [(MediaTypes, ["text/*", "a/*+json"]), (CodingChooser, [b"gzip"])])
def test_what_a_middleware_remembers_is_gone_with_it(memo: Any, values: list[Any]) -> None:
    # Slotted itself, so that only a subclass can be watched.
    remembered = type("Watched", (memo,), {})(values)
    assert remembered[b"text/html"] is not remembered
    reference = weakref.ref(remembered)
    del remembered
    assert reference() is None
