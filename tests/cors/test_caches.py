"""A shared cache between pages and application never gives a page another's permission, and keeps no copy needlessly.

The cache is that of RFC 9111: copies never grow stale, and a copy is given where the request headers that its
``Vary`` names are those that it was stored for (4.1).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from middlewares import CORS
from middlewares.asgi import ASGIApp
from tests.cors.browser import Answer, ask
from tests.cors.policies import ANY, EVIL, FULL, LISTED, MATCHED, ONE, A, B

if TYPE_CHECKING:
    from middlewares.asgi import Receive, Scope, Send

ORIGINS = (None, A, B, EVIL, "null", "https://x.below.example", "http://localhost:3000")
TENANTS = (None, "a", "b")
OF_CORS = ("access-control-allow-origin", "access-control-allow-credentials", "access-control-expose-headers")


def _of_tenant(origin: str, connection: Any) -> bool:
    return origin == f"https://{connection.headers.get('x-tenant')}.example.com"


POLICIES: dict[str, dict[str, Any]] = {
    "listed": LISTED | FULL,
    "one": ONE,
    "any": ANY,
    "none": {},
    "matched": MATCHED | FULL,
    "below": {"allow_origins": ["https://*.below.example"], "allow_credentials": True},
    "any port": {"allow_origins": ["http://localhost:*"]},
    "null": LISTED | {"dangerously_allow_null_origin": True},
    "null alone": {"dangerously_allow_null_origin": True},
    "asked": {"allow_origins": [B]} | {"allow_origin_callable": _of_tenant, "allow_origin_vary": ["X-Tenant"]},
    "any with credentials": ANY | {"allow_credentials": True, "dangerously_allow_any_origin_with_credentials": True},
    "by path": ONE | {"policies": [{"paths": ["/1"], **LISTED}, {"paths": ["/2"], **ANY}]},
}


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer each path with its own ``Vary``."""
    vary = {"/": [], "/1": [(b"vary", b"Accept")]}.get(scope["path"], [(b"Vary", b"Accept, Origin")])
    await send({"type": "http.response.start", "status": 200, "headers": vary})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


@dataclass
class Cache:
    """A shared cache in front of an application."""

    app: ASGIApp
    stored: dict[str, list[tuple[dict[str, str], Answer]]] = field(default_factory=dict[str, Any])
    hits: int = 0

    def get(self, path: str, headers: dict[str, str]) -> Answer:
        for asked, answer in self.stored.get(path, []):
            names = members(answer)
            if "*" not in names and all(asked.get(name) == headers.get(name) for name in names):
                self.hits += 1
                return answer
        answer = ask(self.app, "GET", [*headers.items()], path=path)
        self.stored.setdefault(path, []).append((headers, answer))
        return answer


def members(answer: Answer) -> set[str]:
    return {member.strip().lower() for line in answer.lines("vary") for member in line.split(",")}


def request_headers(origin: str | None, tenant: str | None) -> dict[str, str]:
    return {name: value for name, value in (("origin", origin), ("x-tenant", tenant)) if value is not None}


def granted(answer: Answer) -> list[list[str]]:
    return [answer.lines(name) for name in OF_CORS]


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_a_copy_carries_what_a_fresh_answer_would(policy: dict[str, Any]) -> None:
    """Attack 10, in every order of requests."""
    app, random, hits = CORS(page, **policy), Random(10), 0  # noqa: S311 - repeatable on purpose
    for _ in range(60):
        cache = Cache(app)
        for _ in range(30):
            path = random.choice(("/", "/1", "/2"))
            headers = request_headers(random.choice(ORIGINS), random.choice(TENANTS))
            fresh = ask(app, "GET", [*headers.items()], path=path)
            assert granted(cache.get(path, headers)) == granted(fresh)
        hits += cache.hits
    assert hits > 100


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_no_member_of_vary_is_superfluous(policy: dict[str, Any]) -> None:
    """For each there are two requests that differ in it alone, and get different answers."""
    app = CORS(page, **policy)
    requests = [request_headers(origin, tenant) for origin in ORIGINS for tenant in TENANTS]
    answers = [(headers, ask(app, "GET", [*headers.items()])) for headers in requests]
    for name in {name for _, answer in answers for name in members(answer)}:
        assert any(
            granted(one) != granted(other)
            for headers, one in answers
            for others, other in answers
            if {**headers, name: ""} == {**others, name: ""}
        ), name
