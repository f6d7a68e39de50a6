"""Which compositions are run: all pairs, a covering design of triples, and strategies for whole stacks.

Everything follows from one seed, ``COMPOSITION_SEED`` in the environment; it is printed with what was covered.
"""

from __future__ import annotations

import os
from itertools import combinations, permutations
from random import Random
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from .applications import HTTP_APPLICATIONS, LIFESPAN_APPLICATIONS, WEBSOCKET_APPLICATIONS
from .calls import STYLES
from .cases import Case
from .clients import NORMAL, Client
from .entries import ENTRIES
from .requests import HTTP, LIFESPAN, WEBSOCKET

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ("APPS", "SEED", "TRIPLES", "case_of", "cases", "covering_rows", "some_stacks")

SEED = int(os.environ.get("COMPOSITION_SEED", "7"))

APPS = {
    **{app: tuple(HTTP) for app in HTTP_APPLICATIONS},
    **{app: tuple(WEBSOCKET) for app in WEBSOCKET_APPLICATIONS},
    **{app: tuple(LIFESPAN) for app in LIFESPAN_APPLICATIONS},
}
"""The requests that each application is for."""

TRIPLES = frozenset(permutations(ENTRIES, 3))
"""All ordered triples of layers."""

_ROW = 6
_CANDIDATES = 12


def case_of(layers: tuple[str, ...], app: str, variant: int = 0) -> Case:
    """Return a case whose request, shapes and client follow from the seed; a client that stays is as likely as not."""
    random = Random(f"{SEED} {variant} {layers} {app}")  # noqa: S311 - to be repeated
    return Case(
        layers,
        app,
        request=random.choice(APPS[app]),
        style=random.choice(STYLES),
        client=random.choice((NORMAL, NORMAL, Client("slow"), _leaving(random), _leaving(random), _cancelled(random))),
        frozen=random.random() < 0.2,
        strict=random.random() < 0.3,
        seed=random.randrange(4),
    )


def some_stacks(key: str, size: int, count: int) -> list[tuple[str, ...]]:
    """Return some stacks of a size, others for each key."""
    random = Random(f"{SEED} {key} {size}")  # noqa: S311 - to be repeated
    return [tuple(random.choices([*ENTRIES], k=size)) for _ in range(count)]


def covering_rows(names: Sequence[str]) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield rows of layers in which every ordered triple comes up, neighbours or not; with how many came up so far.

    A greedy sequence covering array: of some random rows, the one with most triples that are new.
    """
    random = Random(SEED)  # noqa: S311 - to be repeated
    missing = set(permutations(names, 3))
    total = len(missing)
    while missing:
        # Starting from a triple that is missing, each row brings at least one.
        first = min(missing)
        candidates = (_row(random, names, first) for _ in range(_CANDIDATES))
        row = max(candidates, key=lambda row: len(missing.intersection(combinations(row, 3))))
        missing.difference_update(combinations(row, 3))
        yield row, total - len(missing)


def _row(random: Random, names: Sequence[str], triple: tuple[str, ...]) -> tuple[str, ...]:
    others = random.sample([name for name in names if name not in triple], min(_ROW, len(names)) - len(triple))
    places = set(random.sample(range(_ROW), len(triple)))
    wanted, rest = iter(triple), iter(others)
    return tuple(next(wanted if place in places else rest) for place in range(len(triple) + len(others)))


def cases() -> st.SearchStrategy[Case]:
    """Return whole stacks around any application, met by any client."""
    clients = st.one_of(
        st.sampled_from((NORMAL, Client("slow"))),
        st.builds(Client, st.just("gone"), st.integers(0, 6), st.booleans()),
        st.builds(Client, st.just("half"), st.just(0), st.booleans()),
        st.builds(Client, st.just("cancelled"), st.integers(1, 40)),
    )
    return st.sampled_from([*APPS]).flatmap(
        lambda app: st.builds(
            Case,
            layers=st.lists(st.sampled_from([*ENTRIES]), max_size=12).map(tuple),
            app=st.just(app),
            request=st.sampled_from(APPS[app]),
            style=st.sampled_from(STYLES),
            client=clients,
            frozen=st.booleans(),
            strict=st.booleans(),
            seed=st.integers(0, 99),
        )
    )


def _leaving(random: Random) -> Client:
    kind = random.choice(("gone", "gone", "half"))
    return Client("half" if kind == "half" else "gone", random.randrange(5), random.random() < 0.5)


def _cancelled(random: Random) -> Client:
    return Client("cancelled", random.randrange(1, 30))
