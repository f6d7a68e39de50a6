"""Signals of Quart tell the rule of each request, to whom it may concern, and hold no application."""

from __future__ import annotations

import gc
import weakref

from quart import Quart

from middlewares.quart import publish_routes
from middlewares.testing import request
from tests.routes.probe import Probe


def shop(*, publishes: bool) -> Quart:
    app = Quart("shop")

    @app.get("/users/<id>")
    async def user(id: str) -> str:  # noqa: A002 - the name of the parameter in the path
        return id

    if publishes:
        publish_routes(app)
    return app


async def test_only_the_application_that_was_told_to_publishes() -> None:
    seen: list[str | None] = []
    for publishes in (True, False):
        await request(Probe(shop(publishes=publishes), seen), path="/users/7")  # type: ignore[arg-type]  # types of its own
    assert seen == ["/users/<id>", None]


async def test_where_nobody_asks_nothing_happens() -> None:
    response = await request(shop(publishes=True), path="/users/7")  # type: ignore[arg-type]  # types of its own
    assert response.text == "7"


def test_an_application_is_not_kept_alive() -> None:
    reference = weakref.ref(shop(publishes=True))
    gc.collect()
    assert reference() is None
