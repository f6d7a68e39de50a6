"""Requests have the template of their route, wherever the layer that asks stands."""

from __future__ import annotations

import pytest

from tests.routes.applications import APPLICATIONS
from tests.routes.probe import WAYS, Copying, Probe, around, templates
from tests.routes.table import TABLE

PUBLISHED = ("/wrapped", "/django", "/quart")
"""Where a layer of ours, or an adapter, stands inside the application of a framework."""


CASES = [
    (framework, way)
    for framework in TABLE
    for way in WAYS
    if not (framework == "django" and way.endswith("inside"))  # its middlewares are of another kind
]


@pytest.mark.parametrize(("framework", "way"), CASES)
async def test_every_layer_sees_the_same_templates(framework: str, way: str) -> None:
    seen: list[str | None] = []
    app = around(APPLICATIONS[framework], way, seen)
    rows = TABLE[framework]
    found = await templates(app, seen, [(method, path) for method, path, *_ in rows])
    expected = [(status, template) for *_, status, template in rows]
    asked = [(method, path) for method, path, *_ in rows]
    assert dict(zip(asked, found, strict=True)) == dict(zip(asked, expected, strict=True))


@pytest.mark.parametrize("framework", ["starlette", "fastapi", "litestar"])
async def test_without_a_layer_of_ours_inside_a_copy_hides_the_route(framework: str) -> None:
    """So it is the layer that makes it known, and not luck."""
    seen: list[str | None] = []
    app = Probe(Copying(APPLICATIONS[framework]()), seen)
    asks = [(method, path) for method, path, *_ in TABLE[framework] if not path.startswith(PUBLISHED)]
    assert {template for _, template in await templates(app, seen, asks)} == {None}
