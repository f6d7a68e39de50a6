"""Every rule of order: the harm of the other order is shown by a request, and is gone in the advised order."""

from __future__ import annotations

import gzip
from collections import Counter
from functools import partial
from graphlib import TopologicalSorter
from hashlib import sha256
from itertools import permutations
from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.middleware.base import BaseHTTPMiddleware

from middlewares import (
    CORS,
    AccessLog,
    ConcurrencyLimit,
    Decompress,
    Drain,
    GZip,
    Health,
    Maintenance,
    Metrics,
    Middleware,
    ProblemDetails,
    RateLimit,
    RequestID,
    Sessions,
    Stack,
    Timeout,
    Tracing,
)
from middlewares.core.refusals import Refusal, refuse
from middlewares.order import ORDER_RULES, ROLES, TWICE, OrderRule
from middlewares.order.roles import ANYWHERE
from middlewares.stores.memory import MemoryStore
from middlewares.testing import Driver, http_scope, lifespan_scope, request
from tests.order.others import FailurePage, PlainLog, SchemeSessions, of_others
from tests.stand_ins import (
    CSRF,
    Auth,
    BodyLimit,
    BodyRewrite,
    Cache,
    ETag,
    HTTPSRedirect,
    ProxyHeaders,
    SecurityHeaders,
    Signature,
    Trailers,
    TrustedHosts,
)
from tests.virtual_time import run_virtually
from tests.watched import Counts, Lines

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from middlewares.asgi import ASGIApp, Receive, Scope, Send
    from middlewares.record import Entry
    from middlewares.testing import Response

    Build = Callable[[Entry, Entry], Stack]
    """Puts a layer that is better outside, and one that is better inside, into a stack in some order."""
    Harm = Callable[[Build], Awaitable[bool]]
    """Makes the requests of a rule through a stack, and returns whether they do harm."""

ORIGIN = "https://app.example.com"
POLICY = Middleware(CORS, allow_origins=[ORIGIN])
ONE = Middleware(RateLimit, limit="1/minute")
NOTHING_LEFT = Middleware(RateLimit, limit="1/minute", cost=2)
NOTHING_LEFT_FOR_USERS = Middleware(RateLimit, limit="1/minute", cost=2, key="user")
ONE_FOR_USERS = Middleware(RateLimit, limit="1/minute", key="user")
FULL = [b"x" * 50_000] * 2
SECRET = "Zr8wLxTngv1yXkQYJb4Sg0m5hQ0eD7p2"  # noqa: S105 - of nothing
SESSIONS = Middleware(Sessions, secret_key=SECRET)
PAGE = b"<body>" + b"hello " * 200 + b"</body>"


def answering(body: bytes) -> ASGIApp:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/html"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


page = answering(PAGE)


async def account(scope: Scope, receive: Receive, send: Send) -> None:
    user = scope["session"]["user"] if "session" in scope else "nobody"
    await answering(user.encode())(scope, receive, send)


async def visited(scope: Scope, receive: Receive, send: Send) -> None:
    scope["session"]["visits"] = 1
    await page(scope, receive, send)


async def failing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise ZeroDivisionError


async def hanging(_scope: Scope, _receive: Receive, _send: Send) -> None:
    await anyio.sleep_forever()


async def stalling(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"a piece", "more_body": True})
    await anyio.sleep_forever()


async def size_of_body(scope: Scope, receive: Receive, send: Send) -> None:
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await answering(b"%d" % size)(scope, receive, send)


class Plain(BaseHTTPMiddleware):
    async def dispatch(self, request: Any, call_next: Any) -> Any:
        return await call_next(request)


async def cookie_of(sessions: Entry, **data: str) -> dict[str, str]:
    """Return the header of a visitor in whose session a layer keeps some data."""

    async def log_in(scope: Scope, receive: Receive, send: Send) -> None:
        scope["session"].update(data)
        await page(scope, receive, send)

    response = await request(Stack(sessions)(log_in))
    return {"cookie": cast("str", response.header("set-cookie")).partition(";")[0]}


async def in_made_up_time(harm: Coroutine[Any, Any, bool]) -> bool:
    """Make requests that wait on a clock, which never runs out under them while the machine is busy."""
    return await anyio.to_thread.run_sync(run_virtually, harm)


# -- the harm of each rule

HARMS: dict[tuple[str, str], tuple[Entry, Entry, Harm]] = {}


def shows(outer: str, inner: str, *layers: Entry) -> Callable[[Harm], Harm]:
    """Say which rule the decorated requests show, and the two layers that they need."""

    def register(harm: Harm) -> Harm:
        HARMS[outer, inner] = layers[0], layers[1], harm
        return harm

    return register


@shows("health", "trusted_hosts", Health, TrustedHosts)
async def a_probe_is_of_another_host(build: Build) -> bool:
    app = build(Health, TrustedHosts)(page)
    return (await request(app, path="/readyz", headers={"host": "10.0.0.7:8000"})).status == 400


@shows("health", "https_redirect", Health, HTTPSRedirect)
async def a_probe_is_redirected(build: Build) -> bool:
    return (await request(build(Health, HTTPSRedirect)(page), path="/readyz")).status == 307


@shows("health", "auth", Health, Auth)
async def a_probe_must_log_in(build: Build) -> bool:
    return (await request(build(Health, Auth)(page), path="/readyz")).status == 401


@shows("health", "drain", Health, Drain)
async def what_shuts_down_is_taken_for_dead(build: Build) -> bool:
    app = build(Health, Drain)(living)
    await shut_down(app)
    assert (await request(app, path="/readyz")).status == 503
    return (await request(app, path="/livez")).status == 503


@shows("proxy_headers", "rate_limit", ProxyHeaders, ONE)
async def one_address_for_all(build: Build) -> bool:
    app = build(ProxyHeaders, ONE)(page)
    await request(app, headers={"x-forwarded-for": "203.0.113.7"})
    return (await request(app, headers={"x-forwarded-for": "203.0.113.8"})).status == 429


@shows("proxy_headers", "access_log", ProxyHeaders, AccessLog)
async def the_proxy_is_logged(build: Build) -> bool:
    lines = Lines()
    app = build(ProxyHeaders, lines.layer())(page)
    await request(app, headers={"x-forwarded-for": "203.0.113.7"})
    return lines.of("client.address") != ["203.0.113.7"]


@shows("proxy_headers", "https_redirect", ProxyHeaders, HTTPSRedirect)
async def redirects_for_ever(build: Build) -> bool:
    headers = {"host": "shop.example", "x-forwarded-proto": "https"}
    response = await request(build(ProxyHeaders, HTTPSRedirect)(page), headers=headers)
    return response.header("location") == "https://shop.example/"


GOES_BY_SCHEME = Middleware(SchemeSessions, secret_key=SECRET)


@shows("proxy_headers", "sessions", ProxyHeaders, GOES_BY_SCHEME)
async def the_cookie_is_not_secure(build: Build) -> bool:
    response = await request(build(ProxyHeaders, GOES_BY_SCHEME)(visited), headers={"x-forwarded-proto": "https"})
    return "secure" not in cast("str", response.header("set-cookie")).lower()


@shows("proxy_headers", "trusted_hosts", ProxyHeaders, TrustedHosts)
async def the_host_of_the_proxy_is_checked(build: Build) -> bool:
    headers = {"host": "backend", "x-forwarded-host": "shop.example"}
    return (await request(build(ProxyHeaders, TrustedHosts)(page), headers=headers)).status == 400


@shows("trusted_hosts", "https_redirect", TrustedHosts, HTTPSRedirect)
async def a_redirect_elsewhere(build: Build) -> bool:
    response = await request(build(TrustedHosts, HTTPSRedirect)(page), headers={"host": "evil.example"})
    return response.header("location") == "https://evil.example/"


@shows("trusted_hosts", "cache", TrustedHosts, Cache)
async def the_cache_answers_any_host(build: Build) -> bool:
    app = build(TrustedHosts, Cache)(page)
    await request(app, headers={"host": "shop.example"})
    return (await request(app, headers={"host": "evil.example"})).status == 200


CLOSED = Middleware(Maintenance, allow_clients=["203.0.113.7"])


@shows("proxy_headers", "maintenance", ProxyHeaders, CLOSED)
async def who_may_pass_is_refused(build: Build) -> bool:
    response = await request(build(ProxyHeaders, CLOSED)(page), headers={"x-forwarded-for": "203.0.113.7"})
    return response.status == 503


@shows("maintenance", "rate_limit", Maintenance, ONE)
async def a_refusal_is_charged(build: Build) -> bool:
    closed = [True, False]
    app = build(Middleware(Maintenance, active=lambda _: closed.pop(0)), ONE)(page)
    return [(await request(app)).status for _ in range(2)] == [503, 429]


async def while_full(app: ASGIApp, door: anyio.Event) -> int | None:
    """Return the status of a second request, while the first is still worked on."""
    async with Driver(app, http_scope()) as first:
        await first.assert_silent()
        status = (await request(app)).status
        door.set()
        await first.finish()
    return status


def behind(door: anyio.Event) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await door.wait()
        await page(scope, receive, send)

    return app


ONE_PLACE = Middleware(ConcurrencyLimit, limit=1, max_queue=0)


@shows("rate_limit", "concurrency_limit", ONE, ONE_PLACE)
async def who_is_over_the_limit_is_asked_to_come_back_soon(build: Build) -> bool:
    door = anyio.Event()
    return await while_full(build(ONE, ONE_PLACE)(behind(door)), door) == 503


HELD_UP = Middleware(Timeout, first_byte=1.0, rules=[{"paths": ["/held"], "first_byte": 0}])
PATIENT = Middleware(ConcurrencyLimit, limit=1, max_wait=60.0)


@shows("timeout", "concurrency_limit", HELD_UP, PATIENT)
async def the_wait_is_not_timed(build: Build) -> bool:
    return await in_made_up_time(waits_for_a_place(build(HELD_UP, PATIENT)))


async def waits_for_a_place(layers: Stack) -> bool:
    door = anyio.Event()
    app = layers(behind(door))
    async with Driver(app, http_scope(path="/held")) as first:
        await first.assert_silent()
        status = (await request(app, timeout=100)).status
        door.set()
        await first.finish()
    assert status in (503, 504)
    return status != 504


LOGGED_BY_OTHERS = Middleware(PlainLog, lines=[])
KNOWN_ID = Middleware(RequestID, generator=lambda: "id-1")


@shows("request_id", "access_log", RequestID, LOGGED_BY_OTHERS)
async def no_id_in_the_log(build: Build) -> bool:
    lines: list[tuple[str | None, str]] = []
    await request(build(KNOWN_ID, Middleware(PlainLog, lines=lines))(page))
    [(request_id, _)] = lines
    return request_id != "id-1"


@shows("request_id", "error_page", RequestID, FailurePage)
async def no_id_on_the_error_page(build: Build) -> bool:
    response = await request(build(KNOWN_ID, FailurePage)(failing))
    assert response.status == 500
    return response.header("x-request-id") != "id-1"


TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACE = {"traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01"}


@shows("tracing", "access_log", Tracing, LOGGED_BY_OTHERS)
async def no_trace_in_the_log(build: Build) -> bool:
    lines: list[tuple[str | None, str]] = []
    await request(build(Tracing, Middleware(PlainLog, lines=lines))(page), headers=TRACE)
    [(_, trace_id)] = lines
    return trace_id != TRACE_ID


@shows("tracing", "error_page", Tracing, FailurePage)
async def the_error_page_and_the_trace_know_nothing_of_each_other(build: Build) -> bool:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    # A span that ends with an exception takes 500 for granted, as most make of it: so the page answers otherwise.
    layers = build(Middleware(Tracing, tracer_provider=provider), Middleware(FailurePage, status=503))
    response = await request(layers(failing), headers=TRACE)
    assert response.status == 503
    [span] = exporter.get_finished_spans()
    is_known = (span.attributes or {})["http.response.status_code"] == 503
    assert (TRACE_ID in response.text) is is_known
    return not is_known


def watching(watcher: type) -> tuple[Entry, Lines | Counts]:
    """Return a layer that logs or counts, and what shows that."""
    kept = Counts() if watcher is Metrics else Lines()
    return kept.layer(), kept


async def does_not_see(watcher: type, answerer: Entry, app: ASGIApp, build: Build) -> bool:
    """What a layer answers is neither counted nor logged by one further in."""
    layer, kept = watching(watcher)
    response = await request(build(layer, answerer)(app))
    assert response.status in (429, 503, 504)
    return response.status not in kept.statuses


SHORT = Middleware(Timeout, first_byte=0.01)

for role, watcher in (("metrics", Metrics), ("access_log", AccessLog)):
    shows(role, "timeout", watcher, SHORT)(partial(does_not_see, watcher, SHORT, hanging))
    shows(role, "rate_limit", watcher, NOTHING_LEFT)(partial(does_not_see, watcher, NOTHING_LEFT, page))
    shows(role, "user_rate_limit", watcher, NOTHING_LEFT_FOR_USERS)(
        partial(does_not_see, watcher, NOTHING_LEFT_FOR_USERS, page)
    )


async def misses_the_refusal_when_full(watcher: type, build: Build) -> bool:
    door = anyio.Event()
    layer, kept = watching(watcher)
    assert await while_full(build(layer, ONE_PLACE)(behind(door)), door) == 503
    return 503 not in kept.statuses


async def shut_down(app: ASGIApp) -> None:
    async with Driver(app, lifespan_scope()) as life:
        life.feed({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
        await life.finish()


async def living(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        for event in (await receive(), await receive()):
            await send({"type": f"{event['type']}.complete"})


async def misses_the_refusal_at_the_end(watcher: type, build: Build) -> bool:
    layer, kept = watching(watcher)
    layers = build(layer, Drain)(living)
    await shut_down(layers)
    assert (await request(layers)).status == 503
    return 503 not in kept.statuses


for role, watcher in (("metrics", Metrics), ("access_log", AccessLog)):
    shows(role, "maintenance", watcher, Maintenance)(partial(does_not_see, watcher, Maintenance, page))
    shows(role, "concurrency_limit", watcher, ONE_PLACE)(partial(misses_the_refusal_when_full, watcher))
    shows(role, "drain", watcher, Drain)(partial(misses_the_refusal_at_the_end, watcher))


async def is_unreadable(answerer: Entry, status: int, app: ASGIApp, call: dict[str, Any], build: Build) -> bool:
    """What a layer of others outside CORS answers, no page may read."""
    response = await request(build(POLICY, answerer)(app), headers={"origin": ORIGIN}, **call)
    assert response.status == status
    return response.header("access-control-allow-origin") is None


ANSWERERS: tuple[tuple[str, Entry, int, ASGIApp, dict[str, Any]], ...] = (
    ("csrf", CSRF, 403, page, {"method": "POST"}),
    ("rate_limit", NOTHING_LEFT, 429, page, {}),
    ("user_rate_limit", NOTHING_LEFT_FOR_USERS, 429, page, {}),
    ("timeout", SHORT, 504, hanging, {}),
    ("body_limit", BodyLimit, 413, page, {"method": "POST", "body": FULL}),
)
for role, answerer, status, app, call in ANSWERERS:
    foreign = of_others(answerer, role)
    shows("cors", role, POLICY, foreign)(partial(is_unreadable, foreign, status, app, call))


@shows("cors", "error_page", POLICY, FailurePage)
async def the_page_made_for_people_is_not_seen(build: Build) -> bool:
    response = await request(build(POLICY, FailurePage)(failing), headers={"origin": ORIGIN}, raise_exceptions=False)
    assert response.status == 500
    assert response.header("access-control-allow-origin") == ORIGIN
    return "made for people" not in response.text


FOREIGN_AUTH = of_others(Auth, "auth")


@shows("cors", "auth", POLICY, FOREIGN_AUTH)
async def a_preflight_must_log_in(build: Build) -> bool:
    headers = {"origin": ORIGIN, "access-control-request-method": "GET"}
    return (await request(build(POLICY, FOREIGN_AUTH)(page), "OPTIONS", headers=headers)).status == 401


@shows("cors", "cache", Middleware(CORS, allow_origins=[ORIGIN, "https://other.example"]), Cache)
async def what_is_cached_is_unreadable(build: Build) -> bool:
    app = build(Middleware(CORS, allow_origins=[ORIGIN, "https://other.example"]), Cache)(page)
    await request(app)
    response = await request(app, headers={"origin": ORIGIN})
    return response.header("access-control-allow-origin") is None


@shows("security_headers", "error_page", SecurityHeaders, ProblemDetails)
async def a_bare_error_page(build: Build) -> bool:
    response = await request(build(SecurityHeaders, ProblemDetails)(failing))
    return response.header("x-content-type-options") is None


@shows("sessions", "csrf", SESSIONS, CSRF)
async def the_right_token_is_refused(build: Build) -> bool:
    headers = {**await cookie_of(SESSIONS, csrf="token"), "x-csrf": "token"}
    return (await request(build(SESSIONS, CSRF)(page), "POST", headers=headers)).status == 403


@shows("sessions", "auth", SESSIONS, Auth)
async def who_is_logged_in_is_a_stranger(build: Build) -> bool:
    headers = await cookie_of(SESSIONS, user="ada")
    return (await request(build(SESSIONS, Auth)(page), headers=headers)).status == 401


class FarStore(MemoryStore):
    """A store that does not answer at once, as one in another process; it counts what it is asked for."""

    get_now = None  # type: ignore[assignment]  # what makes it quick

    def __init__(self) -> None:
        super().__init__()
        self.loads = 0

    async def get(self, key: str) -> bytes | None:
        self.loads += 1
        return MemoryStore.get_now(self, key)


@shows("rate_limit", "sessions", NOTHING_LEFT, SESSIONS)
async def a_session_is_loaded_for_nothing(build: Build) -> bool:
    store = FarStore()
    sessions = Middleware(Sessions, secret_key=SECRET, store=store)
    headers = await cookie_of(sessions, user="ada")
    assert store.loads == 0
    response = await request(build(NOTHING_LEFT, sessions)(page), headers=headers)
    assert response.status == 429
    return store.loads > 0


@shows("auth", "user_rate_limit", Auth, ONE_FOR_USERS)
async def one_quota_for_all_users(build: Build) -> bool:
    app = build(Auth, ONE_FOR_USERS)(page)
    await request(app, headers={"authorization": "ada"})
    return (await request(app, headers={"authorization": "bob"})).status == 429


@shows("sessions", "cache", SESSIONS, Cache)
async def the_page_of_another_session(build: Build) -> bool:
    app = build(SESSIONS, Cache)(account)
    ada, bob = await cookie_of(SESSIONS, user="ada"), await cookie_of(SESSIONS, user="bob")
    assert (await request(app, path="/account", headers=ada)).body == b"ada"
    return (await request(app, path="/account", headers=bob)).body == b"ada"


@shows("auth", "cache", Auth, Cache)
async def strangers_are_let_in(build: Build) -> bool:
    app = build(Auth, Cache)(page)
    await request(app, headers={"authorization": "ada"})
    return (await request(app)).status == 200


@shows("decompress", "body_limit", Decompress, BodyLimit)
async def a_bomb_reaches_the_application(build: Build) -> bool:
    bomb = gzip.compress(bytes(1024 * 1024))
    assert len(bomb) < 2048
    app = build(Middleware(Decompress, max_ratio=2000), BodyLimit)(size_of_body)
    return (await request(app, "POST", headers={"content-encoding": "gzip"}, body=bomb)).text == "1048576"


@shows("signature", "decompress", Signature, Decompress)
async def a_right_signature_is_refused(build: Build) -> bool:
    body = gzip.compress(PAGE)
    headers = {"content-encoding": "gzip", "x-signature": sha256(body).hexdigest()}
    return (await request(build(Signature, Decompress)(page), "POST", headers=headers, body=body)).status == 401


@shows("compression", "cache", GZip, Cache)
async def gzip_for_whom_cannot_read_it(build: Build) -> bool:
    app = build(GZip, Cache)(page)
    await request(app, headers={"accept-encoding": "gzip"})
    return (await request(app)).body != PAGE


@shows("compression", "etag", GZip, ETag)
async def the_whole_body_again(build: Build) -> bool:
    app = build(GZip, ETag)(page)
    tag = (await request(app, headers={"accept-encoding": "gzip"})).header("etag")
    return (await request(app, headers={"if-none-match": cast("str", tag)})).status == 200


@shows("compression", "body_rewrite", GZip, BodyRewrite)
async def nothing_to_rewrite(build: Build) -> bool:
    response = await request(build(GZip, BodyRewrite)(page), headers={"accept-encoding": "gzip"})
    return b"<script>" not in gzip.decompress(response.body)


OF_ALL = Middleware(Timeout, total=1.0)


@shows("timeout", "base_http", OF_ALL, Plain)
async def a_piece_is_taken_for_the_whole(build: Build) -> bool:
    return await in_made_up_time(ends_as_if_it_were_whole(build(OF_ALL, Plain)))


async def ends_as_if_it_were_whole(layers: Stack) -> bool:
    response = await request(layers(stalling), raise_exceptions=False)
    assert response.body == b"a piece"
    return not response.messages[-1].get("more_body", False)


@shows("streaming", "base_http", Trailers, Plain)
async def no_trailers(build: Build) -> bool:
    app = build(Trailers, Plain)(page)
    response: Response = await request(app, headers={"te": "trailers"}, extensions=["http.response.trailers"])
    return response.trailers == []


def rule_name(rule: OrderRule) -> str:
    return f"{rule.outer}-{rule.inner}"


@pytest.mark.parametrize("rule", ORDER_RULES, ids=rule_name)
async def test_the_other_order_does_harm_and_the_advised_order_does_not(rule: OrderRule) -> None:
    *_, harm = HARMS[rule.outer, rule.inner]
    assert await harm(lambda outer, inner: Stack(inner, outer))
    assert not await harm(lambda outer, inner: Stack(inner, outer).sorted())


@pytest.mark.parametrize("rule", ORDER_RULES, ids=rule_name)
def test_the_other_order_is_warned_of_and_the_advised_order_is_not(rule: OrderRule) -> None:
    outer, inner, _ = HARMS[rule.outer, rule.inner]
    [warning] = Stack(inner, outer).check()
    assert warning.rule is rule
    assert (warning.outer.position, warning.inner.position) == ((1,), (2,))
    assert (warning.reason, warning.harm) == (rule.reason, rule.harm)
    assert [layer.role for layer in warning.order] == [rule.outer, rule.inner]
    assert Stack(outer, inner).check() == ()
    assert str(Stack(inner, outer).sorted()) == str(Stack(outer, inner).sorted()) == str(Stack(outer, inner))


OURS = (
    *ANSWERERS,
    ("auth", Auth, 401, page, {}),
    ("error_page", ProblemDetails, 500, failing, {}),
)


@pytest.mark.parametrize(("role", "answerer", "status", "app", "call"), OURS, ids=[case[0] for case in OURS])
async def test_what_holds_for_layers_of_others_alone_does_no_harm_among_ours(
    role: str, answerer: Entry, status: int, app: ASGIApp, call: dict[str, Any]
) -> None:
    """Nobody is warned of it either."""
    rules = [rule for rule in ORDER_RULES if (rule.outer, rule.inner) == ("cors", role)]
    assert [rule.among_ours for rule in rules] == [False]
    for stack in (Stack(answerer, POLICY), Stack(POLICY, answerer)):
        assert stack.check() == ()
        response = await request(stack(app), headers={"origin": ORIGIN}, **call)
        assert (response.status, response.header("access-control-allow-origin")) == (status, ORIGIN)
        preflight = {"origin": ORIGIN, "access-control-request-method": "GET"}
        assert (await request(stack(app), "OPTIONS", headers=preflight)).status == 204


@pytest.mark.parametrize("app", [page, hanging, failing])
async def test_a_log_of_ours_names_the_request_and_the_trace_in_any_order(app: ASGIApp) -> None:
    """A log of others further out does not, which is why there is a rule; see `PlainLog`."""
    for layers in permutations([KNOWN_ID, Middleware(Tracing), None]):
        lines = Lines()
        watching = Stack(SHORT, *(lines.layer() if layer is None else layer for layer in layers))
        await request(watching(app), headers=TRACE, raise_exceptions=False)
        assert (lines.of("http.request.id"), lines.of("trace_id")) == (["id-1"], [TRACE_ID])


async def test_the_cookie_of_our_sessions_does_not_go_by_the_scheme() -> None:
    """So that it is the same wherever a proxy is believed."""
    for stack in (Stack(ProxyHeaders, SESSIONS), Stack(SESSIONS, ProxyHeaders)):
        for proto in ("http", "https"):
            response = await request(stack(visited), headers={"x-forwarded-proto": proto})
            assert "; Secure" in cast("str", response.header("set-cookie"))


def test_every_rule_has_a_harm_and_speaks_of_roles_that_exist() -> None:
    assert {*HARMS} == {(rule.outer, rule.inner) for rule in ORDER_RULES}
    assert len(HARMS) == len(ORDER_RULES)
    assert {role for pair in HARMS for role in pair} == {*ROLES} - {ANYWHERE}


def test_the_rules_have_no_cycle() -> None:
    graph: dict[str, set[str]] = {}
    for rule in ORDER_RULES:
        graph.setdefault(rule.inner, set()).add(rule.outer)
    assert {*TopologicalSorter(graph).static_order()} == {*ROLES} - {ANYWHERE}


class ForeignLimit:
    """A limit of another kind than ours, which would not charge a request again."""

    order_role = "rate_limit"

    def __init__(self, app: ASGIApp, used: Counter[str]) -> None:
        self.app = app
        self.used = used

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.used["all"] += 1
        if self.used["all"] > 2:
            return await refuse(scope, receive, send, Refusal(status=429, code="foreign"))
        await self.app(scope, receive, send)


async def test_a_limit_that_stands_twice_charges_twice() -> None:
    used: Counter[str] = Counter()
    limit = Middleware(ForeignLimit, used=used)
    stack = Stack(limit, limit)
    [warning] = stack.check()
    assert warning.rule is TWICE
    assert [layer.position for layer in warning.order] == [(1,)]
    assert [(await request(stack(page))).status for _ in range(2)] == [200, 429]
    used.clear()
    mended = stack.remove(1)
    assert mended.check() == ()
    assert [(await request(mended(page))).status for _ in range(2)] == [200, 200]
