"""CORS answers preflights as the Fetch standard has it, at a bounded cost, and does not ask the application.

``CORS 1`` and so on number statements of the Fetch standard; ``attack 1`` and so on attacks on policies.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette

from middlewares import CORS
from middlewares.core.exchange import EXCHANGE, Exchange
from middlewares.testing import Driver, http_scope, request
from tests.cors.policies import (
    ANY,
    EVIL,
    LISTED,
    MATCHED,
    ON_ALL,
    ONE,
    A,
    B,
    answering,
    assert_fields,
    assert_refused,
    preflight,
)

if TYPE_CHECKING:
    from middlewares.asgi import Receive, Scope, Send

PUT: dict[str, Any] = {"allow_methods": ["GET", "PUT"]}
ALL: dict[str, Any] = {"allow_methods": ["*"], "allow_headers": ["*"]}
CREDENTIALS: dict[str, Any] = {"allow_credentials": True, "expose_headers": ["X-Total"]}


async def never(scope: Scope, receive: Receive, send: Send) -> None:
    pytest.fail("a preflight is not for the application")


# -- allowed and refused


@pytest.mark.parametrize(
    ("policy", "origin", "wanted"),
    [
        (LISTED | PUT, A, {"origin": A, "methods": "GET, PUT"}),
        (LISTED | PUT, B, {"origin": B, "methods": "GET, PUT"}),
        (MATCHED | PUT, A, {"origin": A, "methods": "GET, PUT"}),
        (ONE | PUT, A, {"origin": A, "methods": "GET, PUT"}),
        (ANY | PUT, EVIL, {"origin": "*", "methods": "GET, PUT"}),
        (ANY | PUT, "null", {"origin": "*", "methods": "GET, PUT"}),
        # CORS 4, 14: exposed names belong to responses
        (LISTED | PUT | CREDENTIALS, A, {"origin": A, "methods": "GET, PUT", "credentials": "true"}),
        (MATCHED | PUT | CREDENTIALS, A, {"origin": A, "methods": "GET, PUT", "credentials": "true"}),
        # CORS 6: '*' would be literal where there are credentials
        (LISTED | ALL | CREDENTIALS, A, {"origin": A, "methods": "PUT", "credentials": "true"}),
        (ANY | ALL, A, {"origin": "*", "methods": "PUT"}),
        # refused
        (LISTED | PUT, EVIL, None),
        (LISTED | PUT, "null", None),
        (ONE | PUT, B, None),
        (MATCHED | PUT, B, None),
        (PUT, A, None),
        (LISTED, A, None),
    ],
)
async def test_a_preflight_is_answered_by_the_policy(
    policy: dict[str, Any], origin: str, wanted: dict[str, str] | None
) -> None:
    """CORS 1, 2, 3, 10: without asking the application, and without credentials."""
    response = await preflight(CORS(never, **policy), origin)
    if wanted is None:
        assert_refused(response)
    else:
        assert (response.status, response.body) == (204, b"")
        assert response.header("content-length") is None
        assert_fields(response, **wanted, age="600", vary=ON_ALL)


@pytest.mark.parametrize(
    ("method", "listed", "any_method"),
    [
        # CORS 5: three need no listing, and case counts
        ("GET", True, True),
        ("HEAD", True, True),
        ("POST", True, True),
        ("PATCH", True, True),
        ("patch", False, True),
        ("get", False, True),
        ("DELETE", False, True),
        ("PURGE", False, True),
        ("CHICKEN", False, True),
        # methods that no browser sends
        ("CONNECT", False, False),
        ("trace", False, False),
        ("Track", False, False),
        # attack 12; CORS 9: nothing is echoed that was not checked
        ("GET, DELETE", False, False),
        ("GET,PATCH", False, False),
        ("PATCH ", False, False),
        ("PATCH\r\nx: y", False, False),
        ("P\xffTCH", False, False),
        ("", False, False),
    ],
)
async def test_methods_compare_exactly(method: str, listed: bool, any_method: bool) -> None:
    patch: dict[str, Any] = {"allow_methods": ["PATCH"]}
    for policy, allowed, methods in ((patch, listed, "PATCH"), (ALL, any_method, method)):
        response = await preflight(CORS(never, **LISTED, **policy), method=method)
        if allowed:
            assert response.status == 204
            assert response.values("access-control-allow-methods") == [methods]
        else:
            assert_refused(response)


async def test_a_star_among_methods_is_never_taken_for_one() -> None:
    """CORS 6."""
    assert_refused(await preflight(CORS(never, **LISTED, **PUT), method="*"))


async def test_a_policy_without_methods_lists_none() -> None:
    response = await preflight(CORS(never, **LISTED, allow_methods=[]), method="POST")
    assert_fields(response, origin=A, age="600", vary=ON_ALL)


@pytest.mark.parametrize(
    ("lines", "listed", "any_header"),
    [
        # CORS 8: lower-case, sorted and joined by browsers; spaces, empty items and several lines by others
        ([], None, None),
        ([""], None, None),
        ([","], None, None),
        (["x-a"], "x-a", "x-a"),
        (["x-a,x-b"], "x-a, x-b", "x-a, x-b"),
        ([" ,x-a\t, ,x-b,,"], "x-a, x-b", "x-a, x-b"),
        (["x-a", "x-b"], "x-a, x-b", "x-a, x-b"),
        (["X-A"], "x-a", "x-a"),
        (["content-type,x-a"], "content-type, x-a", "content-type, x-a"),
        (["accept", "accept-language,content-language"], *["accept, accept-language, content-language"] * 2),
        (["x-c"], False, "x-c"),
        (["x-a", "x-c"], False, "x-a, x-c"),
        # CORS 7: listed by its name, since '*' does not cover it
        (["authorization"], False, "authorization"),
        # CORS 9
        (["x-a, x c"], False, False),
        (["x-a;x-b"], False, False),
        (["x-a\r\nset-cookie: x=1"], False, False),
        (["\xff"], False, False),
        (["x-a", "x:"], False, False),
    ],
)
async def test_requested_headers_must_all_be_allowed(
    lines: list[str], listed: str | bool | None, any_header: str | bool | None
) -> None:
    for names, wanted in ((["X-A", "x-b"], listed), (["*"], any_header), (["*", "X-A"], any_header)):
        response = await preflight(CORS(never, **{**ANY, **PUT, "allow_headers": names}), names=lines)
        if wanted is False:
            assert_refused(response)
        else:
            fields = {"headers": str(wanted)} if wanted else {}
            assert_fields(response, origin="*", methods="GET, PUT", age="600", vary=ON_ALL, **fields)


@pytest.mark.parametrize(
    "lines",
    [
        ["," * 60_000],
        ["," * 2_000],
        [", " * 1_000],
        ["x-a," * 15_000],
        ["a" * 60_000],
        [","] * 20_000,
        [""] * 20_000,
        ["x-a" * 20] * 20_000,
    ],
    ids=["commas", "fewer commas", "spaced commas", "names", "one name", "lines", "empty lines", "lines of names"],
)
async def test_long_lists_are_refused_quickly(lines: list[str]) -> None:
    """Attack 13: the work has a bound that no client can move; 20,000 lines cost no more than looking at each."""
    app = CORS(never, **LISTED, **ALL)
    pairs = [("origin", A), ("access-control-request-method", "GET")]
    scope = http_scope("OPTIONS", headers=[*pairs, *(("access-control-request-headers", line) for line in lines)])

    async def discard(message: object) -> None: ...

    async def nothing() -> Any:
        pytest.fail("a preflight has no body")

    times = []
    for _ in range(20):
        begun = time.perf_counter()
        await app(scope, nothing, discard)
        times.append(time.perf_counter() - begun)
    assert min(times) < (0.001 if len(lines) == 1 else 0.02)
    assert_refused(await preflight(app, names=lines))


async def test_as_many_names_as_a_page_may_want_are_allowed() -> None:
    names = ",".join(f"x-{number}" for number in range(120))
    response = await preflight(CORS(never, **LISTED, **ALL), names=names)
    assert response.header("access-control-allow-headers") == names.replace(",", ", ")


@pytest.mark.parametrize(("allowed", "asked"), [(True, True), (True, False), (False, True), (False, False)])
async def test_private_networks_are_opened_only_when_asked_and_allowed(allowed: bool, asked: bool) -> None:
    app = CORS(never, **LISTED, **PUT, allow_private_network=allowed)
    response = await preflight(app, network=asked)
    if asked and not allowed:
        assert_refused(response)
    else:
        fields = {"network": "true"} if asked else {}
        assert_fields(response, origin=A, methods="GET, PUT", age="600", vary=ON_ALL, **fields)


@pytest.mark.parametrize("max_age", [0, 5, 86_400])
async def test_max_age_is_in_seconds(max_age: int) -> None:
    """CORS 15: 0 is sent, for without the field a browser remembers for five seconds."""
    response = await preflight(CORS(never, **LISTED, **PUT, max_age=max_age))
    assert response.values("access-control-max-age") == [str(max_age)]


# -- what is a preflight


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("OPTIONS", {}),
        ("OPTIONS", {"origin": A}),
        ("OPTIONS", {"origin": EVIL}),
        ("OPTIONS", {"access-control-request-method": "PUT"}),
        ("options", {"origin": A, "access-control-request-method": "PUT"}),
        ("GET", {"origin": A, "access-control-request-method": "PUT"}),
        ("POST", {"origin": EVIL, "access-control-request-method": "PUT"}),
    ],
)
@pytest.mark.parametrize("policy", [LISTED, ONE, ANY, {}])
async def test_what_is_no_preflight_goes_to_the_application(
    method: str, headers: dict[str, str], policy: dict[str, Any]
) -> None:
    """CORS 1."""
    response = await request(CORS(answering(), **policy), method, headers=headers)
    assert response.body == b"from the app"
    assert response.header("access-control-allow-methods") is None


async def test_names_of_the_fields_may_be_in_any_case() -> None:
    headers = [(b"ORIGIN", A.encode()), (b"Access-Control-Request-Method", b"PUT")]
    headers += [(b"Access-Control-Request-Headers", b"x-a"), (b"Access-Control-Request-Private-Network", b"true")]
    app = CORS(never, **LISTED, **ALL, allow_private_network=True)
    async with Driver(app, {**http_scope("OPTIONS"), "headers": headers}) as call:
        start = await call.receive("http.response.start")
        await call.finish()
    assert (b"access-control-allow-headers", b"x-a") in start["headers"]
    assert (b"access-control-allow-private-network", b"true") in start["headers"]


async def test_a_preflight_of_an_unknown_route_is_answered() -> None:
    """The request that follows is told 404, which the page can read (CORS 11)."""
    app = CORS(Starlette(), **LISTED, **PUT)
    assert (await preflight(app)).status == 204
    response = await request(app, "PUT", "/nowhere", headers={"origin": A})
    assert response.status == 404
    assert_fields(response, origin=A, vary="Origin")


async def test_answers_share_nothing_that_can_be_changed() -> None:
    """Outer layers of other make may write into the list of headers that they are handed."""
    app = CORS(never, **LISTED, **PUT)
    first = await preflight(app)
    first.messages[0]["headers"].clear()
    assert_fields(await preflight(app), origin=A, methods="GET, PUT", age="600", vary=ON_ALL)


async def test_lists_changed_later_change_no_policy() -> None:
    origins, methods, names = [A], ["PUT"], ["x-a"]
    app = CORS(never, allow_origins=origins, allow_methods=methods, allow_headers=names)
    for listed in (origins, methods, names):
        listed.append("*")
    assert_refused(await preflight(app, EVIL))
    assert_refused(await preflight(app, method="DELETE"))
    assert_refused(await preflight(app, names="x-c"))


@pytest.mark.parametrize(
    ("origin", "method", "names", "network", "reason"),
    [
        (EVIL, "PUT", [], False, f"cors.origin: {EVIL} not allowed"),
        (A, "DELETE", [], False, "cors.method: DELETE not allowed"),
        (A, "PUT", ["x-a"], False, "cors.headers: a requested header is not allowed"),
        (A, "PUT", [], True, "cors.private_network: not allowed"),
    ],
)
async def test_the_exchange_tells_why_a_preflight_was_refused(
    origin: str, method: str, names: list[str], network: bool, reason: str
) -> None:
    """The response itself does not tell."""
    exchange = Exchange()
    policy = CORS(never, **LISTED, **PUT)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await policy({**scope, EXCHANGE: exchange}, receive, send)

    response = await preflight(app, origin, method, names, network)
    assert_refused(response)
    assert [f"{refusal.code}: {refusal.reason}" for refusal in exchange.refusals] == [reason]
    assert reason.partition(" ")[2].encode() not in response.body


async def test_a_method_is_not_repeated_at_any_length() -> None:
    """Attack 13: where any is allowed, the answer names it."""
    app = CORS(never, **LISTED, **ALL)
    assert (await preflight(app, A, "D" * 64)).status == 204
    assert_refused(await preflight(app, A, "D" * 65))


@pytest.mark.parametrize(("origin", "method"), [("https://" + "a" * 60_000, "PUT"), (A, "D" * 60_000)])
async def test_the_reason_of_a_refusal_does_not_grow_with_what_was_sent(origin: str, method: str) -> None:
    exchange = Exchange()
    policy = CORS(never, **LISTED, **PUT)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await policy({**scope, EXCHANGE: exchange}, receive, send)

    assert_refused(await preflight(app, origin, method))
    [refusal] = exchange.refusals
    assert len(refusal.reason) < 120
