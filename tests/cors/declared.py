"""Policies in the terms of whoever declares them, random ones among them, and what they mean for a page.

What an origin is, and whether a rule holds for it, is told from its parts, so that nothing is parsed here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.cors.browser import Page, unsafe_names

if TYPE_CHECKING:
    from random import Random

    from middlewares.asgi import Receive, Scope, Send

__all__ = (
    "EXPOSED",
    "METHODS",
    "NAMES",
    "VALUES",
    "Application",
    "Case",
    "Declared",
    "Place",
    "Rule",
    "random_application",
    "random_case",
    "random_place",
    "some",
)

LABELS = ("a", "b", "app", "example", "evil", "evilexample", "examplea", "xn--bcher-kva")
DOMAINS = (("example", "com"), ("b", "example", "com"), ("evil", "net"), ("examplecom",), ("com", "example"))
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "patch", "DELETE", "PURGE", "QUERY", "OPTIONS")
NAMES = ("Authorization", "X-A", "x-b", "Content-Type", "Accept-Language", "X-Requested-With")
VALUES = {"Content-Type": ("text/plain", "application/json"), "Accept-Language": ("de", "de" * 80)}
EXPOSED = ("ETag", "X-Total", "X-Request-ID")


@dataclass(frozen=True)
class Place:
    """An origin by its parts."""

    scheme: str
    labels: tuple[str, ...]
    port: int | None = None

    def __str__(self) -> str:
        return f"{self.scheme}://{'.'.join(self.labels)}" + ("" if self.port is None else f":{self.port}")


@dataclass(frozen=True)
class Rule:
    """What is allowed: a place, all below one, or one with any port."""

    place: Place
    is_below: bool = False
    is_any_port: bool = False

    def __str__(self) -> str:
        place = Place(self.place.scheme, ("*", *self.place.labels) if self.is_below else self.place.labels)
        port = "*" if self.is_any_port else self.place.port
        return str(place) + ("" if port is None else f":{port}")

    def holds(self, place: Place) -> bool:
        if place.scheme != self.place.scheme or not (self.is_any_port or place.port == self.place.port):
            return False
        if not self.is_below:
            return place.labels == self.place.labels
        return (
            len(place.labels) > len(self.place.labels) and place.labels[-len(self.place.labels) :] == self.place.labels
        )

    def expression(self) -> str:
        """Return a regular expression that says the same."""
        below = r"(?:[a-z0-9-]+\.)+" if self.is_below else ""
        host = re.escape(".".join(self.place.labels))
        port = "" if self.place.port is None else f":{self.place.port}"
        return f"{self.place.scheme}://{below}{host}{r'(?::[0-9]+)?' if self.is_any_port else port}"


@dataclass(frozen=True)
class Declared:
    """A policy."""

    rules: tuple[Rule, ...]
    expressed: tuple[Rule, ...] = ()
    """Rules that are given as a regular expression."""
    any_origin: bool = False
    null: bool = False
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    expose: tuple[str, ...] = ()
    credentials: bool = False

    def options(self) -> dict[str, Any]:
        """Return the options by which it is declared."""
        options: dict[str, Any] = {
            "allow_origins": ["*"] if self.any_origin else [str(rule) for rule in self.rules],
            "allow_methods": self.methods,
            "allow_headers": self.headers,
            "expose_headers": self.expose,
            "allow_credentials": self.credentials,
        }
        if self.expressed:
            options["allow_origin_regex"] = "|".join(rule.expression() for rule in self.expressed)
        if self.null:
            options["dangerously_allow_null_origin"] = True
        return options

    def allows(self, place: Place | None) -> bool:
        """Return whether pages of an origin may read responses; ``None`` is the origin ``null``."""
        if self.any_origin:
            return True
        if place is None:
            return self.null
        return any(rule.holds(place) for rule in (*self.rules, *self.expressed))


@dataclass(frozen=True)
class Application:
    """What the application answers by itself."""

    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = ()
    any_origin: bool = False
    """Whether it says itself that any origin may read."""
    reached: list[str] = field(default_factory=list[str])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.reached.append(scope["method"])
        headers = [*self.headers, (b"ETag", b'"1"'), (b"x-total", b"1"), (b"x-hidden", b"1"), (b"set-cookie", b"a=1")]
        if self.any_origin:
            headers.append((b"Access-Control-Allow-Origin", b"*"))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"app"})


@dataclass(frozen=True)
class Case:
    """A policy, an application, and a call of a page."""

    policy: Declared
    app: Application
    place: Place | None
    page: Page

    def is_permitted(self) -> bool:
        """Return whether the request itself may go out, as declared."""
        policy, names = self.policy, unsafe_names(self.page)
        if not names and self.page.method in ("GET", "HEAD", "POST"):
            return True
        allowed = {name.lower() for name in policy.headers} | {"accept", "accept-language", "content-type"}
        return (
            self._is_trusted()
            and (self.page.method in (*policy.methods, "GET", "HEAD", "POST") or "*" in policy.methods)
            and all(name in allowed or "*" in allowed for name in names)
        )

    def is_readable(self) -> bool:
        """Return whether the page may read the response, as declared; what the application says itself, counts."""
        if not self.is_permitted():
            return False
        return not self.page.credentials if self.app.any_origin else self._is_trusted()

    def visible(self) -> set[str]:
        """Return the headers that the page may read of it, of those that are not always visible."""
        if not self.is_readable() or self.app.any_origin:
            return set()
        exposed = {name.lower() for name in self.policy.expose}
        if "*" in exposed and not self.page.credentials:
            return {"etag", "x-total", "x-hidden"}
        return exposed & {"etag", "x-total", "x-hidden"}

    def _is_trusted(self) -> bool:
        if self.page.credentials and (self.policy.any_origin or not self.policy.credentials):
            return False  # '*' is a policy for requests without them (Fetch, 3.3.5)
        return self.policy.allows(self.place)


def random_place(random: Random) -> Place:
    labels = (*random.choices(LABELS, k=random.choice((0, 0, 1, 1, 2))), *random.choice(DOMAINS))
    return Place(random.choice(("https", "https", "http")), labels, random.choice((None, None, None, 3000, 8443)))


def random_case(random: Random, *, for_starlette: bool = False) -> Case:
    """Return a case; ``for_starlette``: one that its layer can be declared, ``*`` with credentials among them."""
    any_origin, credentials = random.random() < 0.15, random.random() < 0.4
    if any_origin and not for_starlette:
        credentials = False
    rules = tuple(_random_rule(random, credentials, exact=for_starlette) for _ in range(random.choice((0, 1, 1, 2, 5))))
    policy = Declared(
        rules,
        expressed=() if any_origin or random.random() < 0.7 else (_random_rule(random, credentials),),
        any_origin=any_origin,
        null=not any_origin and not credentials and not for_starlette and random.random() < 0.1,
        methods=some(random, METHODS, "*"),
        headers=some(random, NAMES, "*"),
        expose=some(random, EXPOSED, None if credentials else "*"),
        credentials=credentials,
    )
    place = _random_origin(random, policy)
    names = random.sample(NAMES, random.choice((0, 0, 1, 2)))
    page = Page(
        "null" if place is None else str(place),
        random.choice(METHODS),
        {name: random.choice(VALUES.get(name, ("1",))) for name in names},
        credentials=random.random() < 0.4,
    )
    return Case(policy, random_application(random), place, page)


def random_application(random: Random) -> Application:
    """Return what an application says by itself."""
    vary = random.choice(((), (b"Accept-Encoding",), (b"*",), (b"origin, Cookie",), (b"Cookie", b"Accept")))
    headers = [(b"Vary", value) for value in vary]
    if random.random() < 0.1:
        headers.append((b"access-control-allow-credentials", b"true"))
    return Application(random.choice((200, 204, 304, 404, 500)), tuple(headers), random.random() < 0.1)


def _random_rule(random: Random, credentials: bool, *, exact: bool = False) -> Rule:
    place = random_place(random)
    if credentials:  # plain http, and hosts of a public suffix, do not build
        place = Place("https", (*place.labels, "example"), place.port)
    is_any_port = not exact and random.random() < 0.2
    is_below = not exact and random.random() < 0.4
    return Rule(Place(place.scheme, place.labels, None if is_any_port else place.port), is_below, is_any_port)


def _random_origin(random: Random, policy: Declared) -> Place | None:
    """Return an origin: any, one that a rule is about, or one beside it."""
    rules = (*policy.rules, *policy.expressed)
    if random.random() < 0.1:
        return None
    if not rules or random.random() < 0.2:
        return random_place(random)
    place = random.choice(rules).place
    labels = random.choice(
        (
            place.labels,
            ("a", *place.labels),
            ("b", "a", *place.labels),
            (f"evil{place.labels[0]}", *place.labels[1:]),
            (*place.labels, "evil", "net"),
            place.labels[1:] or ("evil",),
        )
    )
    scheme = random.choice((place.scheme,) * 5 + ("http", "https"))
    return Place(scheme, labels, random.choice((place.port,) * 4 + (None, 3000, 8443)))


def some(random: Random, of: tuple[str, ...], star: str | None) -> tuple[str, ...]:
    """Return a few of them, now and then with ``star``."""
    chosen = random.sample(of, random.choice((0, 1, 3)))
    return (*chosen, star) if star and random.random() < 0.2 else tuple(chosen)
