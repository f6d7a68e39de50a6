"""An exception that was answered is gone with its request: nothing refers to it, and it stands in no cycle."""

from __future__ import annotations

import gc
import logging
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from middlewares import ProblemDetails
from middlewares.testing import http_scope, websocket_scope

if TYPE_CHECKING:
    from middlewares.asgi import Receive, Scope, Send


class Failure(Exception):
    """What is watched."""


@pytest.mark.parametrize("scope", [http_scope(), websocket_scope()], ids=["http", "websocket"])
@pytest.mark.parametrize(
    "options",
    [{}, {"reraise": True}, {"debug": True}, {"handlers": {Failure: 404}}, {"handlers": {Failure: lambda *_: 1 / 0}}],
    ids=["plain", "reraise", "debug", "handled", "failing handler"],
)
async def test_nothing_is_left_of_it(scope: Any, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("middlewares"), "disabled", True)  # pytest keeps what is logged
    watched: list[weakref.ref[Any]] = []

    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        error = Failure()
        watched.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    async def channel(message: Any = None) -> Any:
        return {"type": "websocket.connect"}

    gc.disable()
    try:
        try:
            await ProblemDetails(failing, **options)(scope, channel, channel)
        except Failure:
            assert options == {"reraise": True}
        assert watched[0]() is None
    finally:
        gc.enable()
