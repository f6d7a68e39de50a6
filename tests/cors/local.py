"""Policies and calls that a browser can be taken through on one machine: all origins are below ``localhost``."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from tests.cors.browser import Page
from tests.cors.declared import (
    EXPOSED,
    METHODS,
    NAMES,
    VALUES,
    Application,
    Case,
    Declared,
    Place,
    Rule,
    random_application,
    some,
)

if TYPE_CHECKING:
    from middlewares.asgi import Receive, Scope, Send

__all__ = ("HOSTS", "Broken", "hosts_of", "local_case")

HOSTS = ("app", "a.app", "b.a.app", "evilapp", "app.evil", "other")
"""Where pages come from, without ``localhost``; a sandboxed page comes from nowhere besides."""


@dataclass(frozen=True)
class Broken(Application):
    """Raises before it answers."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.reached.append(scope["method"])
        raise ZeroDivisionError


def hosts_of(case: Case) -> str:
    """Return where the page of a case comes from, as `HOSTS` says it, or ``null``."""
    return "null" if case.place is None else ".".join(case.place.labels[:-1])


def local_case(seed: int, number: int, port: int) -> Case:
    """Return one case, always the same; its page comes from a server at ``port``."""
    random = Random(f"{seed} {number}")  # noqa: S311 - repeatable on purpose
    any_origin, credentials = random.random() < 0.15, random.random() < 0.5
    credentials = credentials and not any_origin
    place = None if random.random() < 0.08 else _place(random.choice(HOSTS), port)
    policy = Declared(
        tuple(_rule(random, place, port) for _ in range(random.choice((0, 1, 1, 2, 3)))),
        expressed=() if any_origin or random.random() < 0.7 else (_rule(random, place, port),),
        any_origin=any_origin,
        null=not any_origin and not credentials and random.random() < 0.2,
        methods=some(random, METHODS, "*"),
        headers=some(random, NAMES, "*"),
        expose=some(random, EXPOSED, None if credentials else "*"),
        credentials=credentials,
    )
    page = Page(
        "null" if place is None else str(place),
        random.choice(METHODS),
        {name: random.choice(VALUES.get(name, ("1",))) for name in random.sample(NAMES, random.choice((0, 0, 1, 2)))},
        credentials=random.random() < (0.6 if credentials else 0.2),
    )
    app = Broken() if random.random() < 0.15 else random_application(random)
    return Case(policy, app, place, page)


def _place(host: str, port: int | None) -> Place:
    return Place("http", (*host.split("."), "localhost"), port)


def _rule(random: Random, place: Place | None, port: int) -> Rule:
    """Return a rule about where the page comes from, or about another place."""
    host = random.choice(HOSTS)
    if place is not None and random.random() < 0.6:
        host = ".".join(place.labels[random.choice((0, 0, 1)) : -1]) or host
    is_any_port = random.random() < 0.2
    about = _place(host, None if is_any_port else random.choice((port, port, port, 3000)))
    if random.random() < 0.1:
        about = Place("https", about.labels, about.port)
    return Rule(about, is_below=random.random() < 0.3, is_any_port=is_any_port)
