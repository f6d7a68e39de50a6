"""Layers know each other by their base class, and are built to be checked before there is an application."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware

from middlewares import CORS, GZip
from middlewares.core.layer import Layer, freeze, is_foreign, is_self_checking, placeholder
from middlewares.testing import request


async def test_the_placeholder_answers_nothing():
    with pytest.raises(RuntimeError, match="has no application"):
        await request(GZip(placeholder))


@pytest.mark.parametrize(
    ("app", "foreign"),
    [
        (GZip(placeholder), False),
        (CORS(GZip(placeholder)), False),
        (Starlette(), True),
        (GZipMiddleware(placeholder), True),
    ],
)
def test_what_is_no_layer_is_foreign(app: Any, foreign: bool):
    assert is_foreign(app) is foreign


class Bare(Layer):
    """A layer that is no dataclass, and so does not declare its options."""


@pytest.mark.parametrize(
    ("cls", "checks"),
    [(GZip, True), (CORS, True), (Bare, False), (GZipMiddleware, False), (GZip(placeholder), False), (None, False)],
)
def test_dataclasses_of_ours_check_themselves(cls: object, checks: bool):
    assert is_self_checking(cls) is checks


def test_a_layer_never_changes_but_by_freeze():
    layer = GZip(placeholder)
    with pytest.raises(FrozenInstanceError):
        layer.minimum_size = 1  # type: ignore[misc]  # what is shown
    freeze(layer, minimum_size=1)
    assert layer.minimum_size == 1
