"""GZip and CORS together, in a stack around the example shop's list of products."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from starlette.routing import Route

from benchmarks.answer import Answer, compressed
from benchmarks.apps import LEVEL, ours_around, starlette_around
from benchmarks.case import Case, Subject
from examples.shop.app import list_products
from examples.shop.catalog import Catalog, make_catalog

from .cors import allowed, cors_scope

if TYPE_CHECKING:
    from middlewares.asgi import Scope

__all__ = ("CASES",)

_PRODUCTS = 40
"""About 10 KB of JSON."""


@cache
def _catalog(index: int) -> Catalog:
    return make_catalog(_PRODUCTS, seed=index)


def _scope(index: int) -> Scope:
    return {
        **cors_scope(index, size=100),
        "path": "/products",
        "raw_path": b"/products",
        "query_string": b"",
        "state": {"catalog": _catalog(index)},
    }


def _verify(got: Answer, bare: Answer, scope: Scope) -> None:
    compressed(got, bare, scope)
    allowed(got, scope)


CASES = (
    Case(
        "stack",
        f"CORS and GZip (level {LEVEL}) around the example shop's list of {_PRODUCTS} products",
        Route("/products", list_products),
        _scope,
        (
            Subject("ours Stack(CORS, GZip)", ours_around, peer=False),
            Subject("starlette CORS, GZip", starlette_around, peer=True),
        ),
        _verify,
        totals=True,
    ),
)
