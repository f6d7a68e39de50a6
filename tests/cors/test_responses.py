"""CORS obeys the Fetch standard: every header that matters is there or is not, in each case.

``CORS 1`` and so on number statements of the Fetch standard and of RFC 9110, ``attack 1`` and so on attacks on it.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from middlewares import CORS, GZip, When
from middlewares.testing import http_scope, request
from tests.cors.policies import (
    ANY,
    EVIL,
    FULL,
    LISTED,
    MATCHED,
    ONE,
    A,
    B,
    answering,
    assert_fields,
    assert_refused,
    get,
    preflight,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from middlewares.asgi import Message, Receive, Scope, Send


@pytest.mark.parametrize(
    ("policy", "origin", "wanted"),
    [
        # CORS 3, 13: what depends on the request says so, also where it is refused or has no origin
        (LISTED, A, {"origin": A, "vary": "Origin"}),
        (LISTED, B, {"origin": B, "vary": "Origin"}),
        (LISTED, EVIL, {"vary": "Origin"}),
        (LISTED, None, {"vary": "Origin"}),
        (MATCHED, A, {"origin": A, "vary": "Origin"}),
        (MATCHED, B, {"vary": "Origin"}),
        (MATCHED, None, {"vary": "Origin"}),
        (ONE | MATCHED, A, {"origin": A, "vary": "Origin"}),
        (ONE | MATCHED, "https://c.example.com", {"origin": "https://c.example.com", "vary": "Origin"}),
        # CORS 13: what is the same for all does not vary
        (ONE, A, {"origin": A}),
        (ONE, EVIL, {"origin": A}),
        (ONE, None, {"origin": A}),
        (ANY, A, {"origin": "*"}),
        (ANY, "null", {"origin": "*"}),
        (ANY, None, {"origin": "*"}),
        ({}, A, {}),
        ({}, None, {}),
        # CORS 4, 14
        (LISTED | FULL, A, {"origin": A, "credentials": "true", "expose": "X-Total, ETag", "vary": "Origin"}),
        (LISTED | FULL, EVIL, {"vary": "Origin"}),
        (LISTED | FULL, None, {"vary": "Origin"}),
        (ONE | FULL, A, {"origin": A, "credentials": "true", "expose": "X-Total, ETag"}),
        (MATCHED | FULL, A, {"origin": A, "credentials": "true", "expose": "X-Total, ETag", "vary": "Origin"}),
        (ANY | {"expose_headers": ["*"]}, A, {"origin": "*", "expose": "*"}),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "OPTIONS"])
async def test_responses_carry_the_policy(
    policy: Mapping[str, Any], origin: str | None, wanted: dict[str, str], method: str
) -> None:
    """CORS 1, 11, 12: every request reaches the application, whatever its origin; also OPTIONS that is no preflight."""
    for status in (200, 404, 500):
        response = await get(CORS(answering(status=status), **policy), origin, method)
        assert (response.status, response.body) == (status, b"from the app")
        assert_fields(response, **wanted)


OTHER_ORIGINS = [
    EVIL,
    "http://a.example.com",  # attack 8
    "https://a.example.com.evil.net",  # attack 1
    "https://axexample.com",  # attack 2
    "https://evila.example.com.evil.net",
    "https://eviltexample.com",  # attack 3
    "https://a.example.com:8443",
]
NOT_ORIGINS = [
    "null",  # attack 5
    "",
    "*",
    "https://evil.net/.example.com",  # attack 4
    "https://evil.net#.example.com",
    "https://evil.net?.example.com",
    "https://user@a.example.com",
    "https://a.example.com/",
    "https://a.example.com:443",
    "https://a.example.com:",
    "https://A.example.com",
    "HTTPS://a.example.com",
    "https://a.example.com ",
    "https://a.example.com\r\nset-cookie: x=1",
    "https://a.example.com, https://evil.net",  # attack 11
    "https://\xffa.example.com",
    "https://" + "a" * 60_000 + ".example.com",
]


@pytest.mark.parametrize("origin", [*OTHER_ORIGINS, *NOT_ORIGINS])
@pytest.mark.parametrize("policy", [LISTED, MATCHED], ids=["listed", "matched"])
async def test_origins_that_only_look_allowed_are_refused(origin: str, policy: dict[str, Any]) -> None:
    """CORS 16: compared as a whole, whether listed or matched."""
    app = CORS(answering(), **policy, **FULL)
    assert_fields(await get(app, origin), vary="Origin")
    assert_refused(await preflight(app, origin, "GET"))


@pytest.mark.parametrize("origin", NOT_ORIGINS)
async def test_a_pattern_is_asked_only_about_origins(origin: str) -> None:
    """CORS 16: what no browser sends for an origin matches not even the loosest pattern."""
    app = CORS(answering(), allow_origin_regex="(?s).*", dangerously_allow_any_origin_with_credentials=True, **FULL)
    assert_fields(await get(app, origin), vary="Origin")
    assert_refused(await preflight(app, origin, "GET"))


@pytest.mark.parametrize("second", [EVIL, A])
async def test_two_origins_are_none(second: str) -> None:
    """Attack 11: in either order, and also if they are equal; on an actual request and on a preflight."""
    app = CORS(answering(), **LISTED, **FULL)
    for lines in ([A, second], [second, A], [A, second, A]):
        headers = [("origin", line) for line in lines]
        assert_fields(await request(app, headers=headers), vary="Origin")
        headers.append(("access-control-request-method", "GET"))
        assert_refused(await request(app, "OPTIONS", headers=headers))


async def test_a_shared_cache_is_told_what_it_needs() -> None:
    """Attack 10: neither a copy without permission nor one for another origin may be served to an allowed page."""
    app = CORS(answering(), **LISTED)
    stored = {origin: await get(app, origin) for origin in (None, A, B, EVIL)}
    assert {response.header("vary") for response in stored.values()} == {"Origin"}
    assert [response.header("access-control-allow-origin") for response in stored.values()] == [None, A, B, None]


# -- what the application sets itself


@pytest.mark.parametrize(
    ("given", "merged"),
    [
        ([b"Accept-Encoding"], "Accept-Encoding, Origin"),
        ([b"origin"], "origin"),
        ([b"Cookie, ORIGIN", b"Accept"], "Cookie, ORIGIN, Accept"),
        ([b"*"], "*"),
        ([b"Cookie", b"*"], "*"),
    ],
)
@pytest.mark.parametrize("origin", [A, EVIL, None])
async def test_the_vary_of_the_application_is_kept(given: list[bytes], merged: str, origin: str | None) -> None:
    """CORS 17: names compare without case, and ``*`` stays alone."""
    app = answering([(b"Vary", value) for value in given])
    assert (await get(CORS(app, **LISTED), origin)).values("vary") == [merged]
    assert (await get(CORS(app, **ONE), origin)).values("vary") == [value.decode() for value in given]


@pytest.mark.parametrize("origin", [A, EVIL, None])
async def test_an_origin_that_the_application_allows_wins(origin: str | None) -> None:
    """CORS 3: one line, with the credentials and names that the application wrote, and no others."""
    own = [(b"Access-Control-Allow-Origin", b"*"), (b"Access-Control-Expose-Headers", b"X-Own")]
    for policy in (LISTED, ONE):
        response = await get(CORS(answering(own), **policy, **FULL), origin)
        assert_fields(response, origin="*", expose="X-Own", **({"vary": "Origin"} if policy is LISTED else {}))


@pytest.mark.parametrize(("origin", "credentials"), [(A, "true"), (EVIL, None)])
async def test_credentials_of_the_application_never_stand_alone_or_twice(origin: str, credentials: str | None) -> None:
    """CORS 4."""
    app = answering([(b"Access-Control-Allow-Credentials", b"true")])
    response = await get(CORS(app, **LISTED, allow_credentials=True), origin)
    assert response.values("access-control-allow-credentials") == ([credentials] if credentials else [])
    assert (await get(CORS(app, **LISTED), origin)).values("access-control-allow-credentials") == []


async def test_names_exposed_by_the_application_are_joined() -> None:
    app = answering([(b"access-control-expose-headers", b"X-Own, etag")])
    assert_fields(
        await get(CORS(app, **LISTED, **FULL), A),
        origin=A,
        credentials="true",
        expose="X-Own, etag, X-Total",
        vary="Origin",
    )
    assert_fields(await get(CORS(app, **LISTED), A), origin=A, expose="X-Own, etag", vary="Origin")


@pytest.mark.parametrize("origin", [A, B, EVIL, None])
async def test_a_second_layer_doubles_nothing_and_the_inner_policy_wins(origin: str | None) -> None:
    """An application-wide policy around one of a mounted application; the outer adds to what the inner leaves."""
    inner = CORS(answering(), allow_origins=[A, EVIL], expose_headers=["X-Inner"])

    async def router(scope: Scope, receive: Receive, send: Send) -> None:
        await inner(scope, receive, send)

    response = await get(CORS(router, **LISTED, **FULL), origin)
    wanted = {"vary": "Origin"}
    if origin in (A, EVIL):
        wanted |= {"origin": origin, "expose": "X-Inner"}
    elif origin == B:
        wanted |= {"origin": B, "credentials": "true", "expose": "X-Total, ETag"}
    assert_fields(response, **wanted)


@pytest.mark.parametrize("origin", [A, B, EVIL, None])
async def test_a_layer_that_wraps_another_leaves_everything_to_it(origin: str | None) -> None:
    """Also with other layers in between: requests, preflights and handshakes are what they are without it."""
    inner = CORS(answering(), allow_origins=[A, EVIL], allow_methods=["PUT"])
    outer = CORS(When(GZip, paths=["/"])(GZip(inner)), **LISTED, **FULL)
    assert (await get(outer, origin)).headers == (await get(GZip(inner), origin)).headers
    answers = [await preflight(app, origin or B) for app in (outer, GZip(inner))]
    assert answers[0].headers == answers[1].headers
    assert answers[0].status == answers[1].status == (204 if origin in (A, EVIL) else 403)
    assert await outer.policy_of(http_scope()) is None


@pytest.mark.parametrize("shape", [list, tuple, iter, lambda pairs: (pair for pair in pairs)])
@pytest.mark.parametrize("origin", [A, None])
async def test_headers_may_come_in_any_shape(shape: Any, origin: str | None) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": shape([(b"VARY", b"Cookie")])})
        await send({"type": "http.response.body"})

    assert (await get(CORS(app, **LISTED), origin)).headers[0] == (b"vary", b"Cookie, Origin")


@pytest.mark.parametrize("policy", [LISTED, ONE])
@pytest.mark.parametrize("origin", [A, EVIL, None])
async def test_headers_may_be_absent_and_nothing_handed_in_is_changed(
    policy: dict[str, Any], origin: str | None
) -> None:
    cookies = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    shapes: list[dict[str, Any]] = [{}, {"headers": []}, {"headers": [(b"vary", b"Cookie"), *cookies]}]
    for headers in shapes:
        start: Message = {"type": "http.response.start", "status": 200, **headers}
        before = copy.deepcopy(start)

        async def app(scope: Scope, receive: Receive, send: Send, start: Message = start) -> None:
            await send(start)
            await send({"type": "http.response.body"})

        layer = CORS(app, **policy)
        first, second = await get(layer, origin), await get(layer, origin)
        assert start == before
        assert first == second
        assert first.values("set-cookie") == (["a=1", "b=2"] if headers.get("headers") else [])


async def test_other_messages_and_exceptions_pass_through() -> None:
    failure = RuntimeError("no")
    messages: list[Message] = [
        {"type": "http.response.early_hint", "links": []},
        {"type": "http.response.start", "status": 200, "headers": []},
        {"type": "http.response.from_the_future"},
        {"type": "http.response.body", "body": b"a", "more_body": True},
    ]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)
        raise failure

    for origin in (A, None):
        for policy in (LISTED, ONE):
            headers = {"origin": origin} if origin else {}
            response = await request(CORS(app, **policy), headers=headers, raise_exceptions=False)
            assert response.exception is failure
            assert [message for message in response.messages if "status" not in message] == messages[:1] + messages[2:]


@pytest.mark.parametrize("kind", ["lifespan", "from_the_future"])
async def test_other_scopes_are_handed_on_untouched(kind: str) -> None:
    given: list[Any] = []

    async def app(*arguments: Any) -> None:
        given.extend(arguments)

    arguments: tuple[Any, Any, Any] = ({"type": kind, "headers": [(b"origin", EVIL.encode())]}, object(), object())
    await CORS(app, **LISTED)(*arguments)
    assert all(one is other for one, other in zip(given, arguments, strict=True))
