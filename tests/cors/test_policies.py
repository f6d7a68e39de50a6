"""Policies that depend on more than a list: on patterns, paths, a callable, and switches that name their danger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from middlewares import CORS, ConfigError, CORSPolicy, from_config
from middlewares.core.refusals import Refusal
from middlewares.testing import http_scope, request
from tests.cors.policies import (
    EVIL,
    FULL,
    ON_ALL,
    A,
    B,
    answering,
    assert_fields,
    assert_refused,
    get,
    preflight,
)

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import HTTPConnection

BELOW = "https://*.example.com"
CREDENTIALS: dict[str, Any] = {"allow_credentials": True}


# -- patterns


@pytest.mark.parametrize("policy", [{"allow_origins": [BELOW]}, {"allow_origins": [EVIL, "https://a.example.com:*"]}])
async def test_a_pattern_allows_what_it_stands_for_and_responses_vary(policy: dict[str, Any]) -> None:
    app = CORS(answering(), **policy, allow_methods=["PUT"], **FULL)
    full = {"origin": A, "credentials": "true", "expose": "X-Total, ETag", "vary": "Origin"}
    assert_fields(await get(app, A), **full)
    assert_fields(await get(app, B), vary="Origin")
    assert_fields(await get(app, None), vary="Origin")
    assert_fields(await preflight(app, A), origin=A, credentials="true", methods="PUT", age="600", vary=ON_ALL)
    assert_refused(await preflight(app, "https://example.com"))


# -- switches


async def test_null_is_allowed_only_where_that_is_said() -> None:
    """Attack 5."""
    app = CORS(answering(), allow_origins=[A], dangerously_allow_null_origin=True, allow_methods=["PUT"])
    assert_fields(await get(app, "null"), origin="null", vary="Origin")
    assert_fields(await get(app, A), origin=A, vary="Origin")
    assert_fields(await get(app, EVIL), vary="Origin")
    assert_fields(await preflight(app, "null"), origin="null", methods="PUT", age="600", vary=ON_ALL)
    assert_fields(await get(CORS(answering(), dangerously_allow_null_origin=True), EVIL), origin="null")


@pytest.mark.parametrize("origin", [A, EVIL, "http://localhost:3000"])
async def test_any_origin_with_credentials_is_reflected_where_that_is_said(origin: str) -> None:
    """Attack 6; the origin of sandboxed pages, plain http and what is no origin stay out."""
    switch: dict[str, Any] = {"dangerously_allow_any_origin_with_credentials": True}
    app = CORS(answering(), allow_origins=["*"], **CREDENTIALS, **switch)
    assert_fields(await get(app, origin), origin=origin, credentials="true", vary="Origin")
    assert (await preflight(app, origin, "GET")).status == 204
    for other in ("null", "http://evil.example", "https://evil.example/", "*", ""):
        assert_fields(await get(app, other), vary="Origin")
        assert_refused(await preflight(app, other, "GET"))


async def test_an_expression_lets_no_plain_http_act_for_the_user() -> None:
    """Attack 8: what an expression matches cannot be told beforehand, so it is told of each origin."""
    pattern = r"https?://[a-z]+\.example\.com|http://localhost:\d+"
    app = CORS(answering(), allow_origin_regex=pattern, **CREDENTIALS)
    assert_fields(await get(app, "http://app.example.com"), vary="Origin")
    for origin in ("https://app.example.com", "http://localhost:3000"):
        assert_fields(await get(app, origin), origin=origin, credentials="true", vary="Origin")
    insecure: dict[str, Any] = {"dangerously_allow_insecure_origins": True}
    for opened, more in (
        (CORS(answering(), allow_origin_regex=pattern), {}),
        (CORS(answering(), allow_origin_regex=pattern, **CREDENTIALS, **insecure), {"credentials": "true"}),
    ):
        fields = {"origin": "http://app.example.com", **more}
        assert_fields(await get(opened, "http://app.example.com"), **fields, vary="Origin")


# -- a callable


async def _of_tenant(origin: str, connection: HTTPConnection) -> bool:
    return origin == f"https://{connection.headers.get('x-tenant')}.example.com"


def _ends_in_com(origin: str, connection: HTTPConnection) -> bool:
    return origin.endswith(".com")


async def test_a_callable_allows_further_origins() -> None:
    app = CORS(answering(), allow_origins=[B], allow_origin_callable=_ends_in_com, **FULL)
    for origin in (A, B):
        fields = {"origin": origin, "credentials": "true", "expose": "X-Total, ETag"}
        assert_fields(await get(app, origin), **fields, vary="Origin")
        assert (await preflight(app, origin, "GET")).status == 204
    assert_fields(await get(app, EVIL), vary="Origin")
    assert_fields(await get(app, None), vary="Origin")
    assert_refused(await preflight(app, EVIL, "GET"))


@pytest.mark.parametrize(("tenant", "allowed"), [("a", True), ("b", False), (None, False)])
async def test_responses_vary_by_what_a_callable_looks_at(tenant: str | None, allowed: bool) -> None:
    app = CORS(answering(), allow_origin_callable=_of_tenant, allow_origin_vary=["X-Tenant", "origin"])
    headers = {"origin": A} | ({"x-tenant": tenant} if tenant else {})
    response = await request(app, headers=headers)
    assert_fields(response, **({"origin": A} if allowed else {}), vary="Origin, X-Tenant")
    assert_fields(await get(app, None), vary="Origin, X-Tenant")


@pytest.mark.parametrize("origin", ["null", "", "https://a.example.com/", "https://evil.net/.com"])
async def test_a_callable_is_asked_only_about_origins(origin: str) -> None:
    def never(*_: object) -> bool:
        pytest.fail("asked about what is no origin")

    app = CORS(answering(), allow_origin_callable=never)
    assert_fields(await get(app, origin), vary="Origin")
    assert_refused(await preflight(app, origin))


async def test_a_callable_that_fails_fails_the_request() -> None:
    failure = RuntimeError("no database")

    def fail(*_: object) -> bool:
        raise failure

    response = await request(
        CORS(answering(), allow_origin_callable=fail), headers={"origin": A}, raise_exceptions=False
    )
    assert response.exception is failure


# -- paths


async def test_the_first_policy_whose_path_matches_holds() -> None:
    app = CORS(
        answering(),
        allow_origins=[A],
        policies=[
            {"paths": ["/public/*"], "allow_origins": ["*"]},
            CORSPolicy(paths=["/partner/*", "/public/partner"], allow_origins=[B, EVIL], allow_methods=["PUT"], **FULL),
            CORSPolicy(paths=["/closed"]),
        ],
    )
    full = {"origin": B, "credentials": "true", "expose": "X-Total, ETag", "vary": "Origin"}
    for path, wanted in {
        "/public/logo": {"origin": "*"},
        "/public/partner": {"origin": "*"},
        "/partner/orders": full,
        "/closed": {},
        "/closed/": {"origin": A},
        "/": {"origin": A},
    }.items():
        assert_fields(await request(app, path=path, headers={"origin": B}), **wanted)
    asks = {"origin": B, "access-control-request-method": "PUT"}
    for path, status in {"/partner/orders": 204, "/public/logo": 403, "/closed": 403, "/": 403}.items():
        assert (await request(app, "OPTIONS", path, headers=asks)).status == status


async def test_a_file_gives_policies_as_tables(tmp_path: Path) -> None:
    file = tmp_path / "m.toml"
    table = '[[middleware]]\nuse = "cors"\n[[middleware.policies]]\npaths = ["/public/*"]\nallow_origins = '
    file.write_text(f'{table}["*"]')
    app = from_config(file)(answering())
    assert_fields(await request(app, path="/public/x", headers={"origin": A}), origin="*")
    assert_fields(await request(app, path="/", headers={"origin": A}))
    file.write_text(f'{table}["null"]')
    with pytest.raises(ConfigError, match=r"middleware\[1\] \(cors\): policies\[1\].allow_origins must hold origins"):
        from_config(file)


async def test_paths_are_those_that_the_router_at_this_place_sees() -> None:
    """Attack 40: the path without the prefix of a mount, with case."""
    app = CORS(answering(), policies=[{"paths": ["/public/*"], "allow_origins": ["*"]}])
    policy = await app.policy_of({**http_scope(path="/mounted/public/x"), "root_path": "/mounted"})
    assert policy is not None
    assert policy.always == ((b"access-control-allow-origin", b"*"),)
    for path in ("/Public/x", "//public/x", "/publicx", "/x/public/y"):
        assert_fields(await request(app, path=path, headers={"origin": A}))


# -- asked from outside


async def test_a_policy_can_be_asked_without_sending() -> None:
    policy = await CORS(answering(), allow_origins=[A, B], allow_methods=["PUT"]).policy_of(http_scope())
    assert policy is not None
    scope = http_scope("OPTIONS")
    answer = await policy.decide(scope, A.encode())
    assert dict(answer) == {b"vary": b"Origin", b"access-control-allow-origin": A.encode()}
    assert await policy.decide(scope, EVIL.encode()) == await policy.decide(scope, None) == ((b"vary", b"Origin"),)
    one = await CORS(answering(), allow_origins=[A]).policy_of(scope)
    assert one is not None
    assert await one.decide(scope, EVIL.encode()) == await one.decide(scope, None) == one.always
    assert isinstance(await policy.preflight(scope, A.encode(), b"PUT"), list)
    refused = await policy.preflight(scope, EVIL.encode(), b"PUT")
    assert isinstance(refused, Refusal)
    assert (refused.code, refused.reason) == ("cors.origin", f"{EVIL} not allowed")
