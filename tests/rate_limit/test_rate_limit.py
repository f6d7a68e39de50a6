"""The layer lets clients make as many requests as their quota has, in whatever store it is counted."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.lowlevel
import pytest

from middlewares import OptionError
from middlewares.core.exchange import EXCHANGE, Exchange
from middlewares.order.roles import role_of
from middlewares.rate_limit import MemoryLimits, RateLimit, Rule
from middlewares.testing import ManualClock, http_scope, request

from .apps import answering, hello, statuses

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Receive, Scope, Send

OTHER = ("192.0.2.9", 1)


async def test_requests_within_the_quota_pass_and_others_get_429(store: dict[str, Any]) -> None:
    app = RateLimit(hello, limit="3/hour", **store)
    assert await statuses(app, 5) == [200, 200, 200, 429, 429]
    assert await statuses(app, 1, client=OTHER) == [200]


@pytest.mark.parametrize("algorithm", ["gcra", "strict", "fixed_window", "sliding_window"])
async def test_every_algorithm_counts_in_every_store(store: dict[str, Any], algorithm: Any) -> None:
    app = RateLimit(hello, limit="6/hour", algorithm=algorithm, **store)
    passed = 3 if algorithm == "strict" else 6
    assert await statuses(app, 8) == [200] * passed + [429] * (8 - passed)
    answer = await request(app)
    assert 0 < int(answer.header("retry-after") or 0) <= 7200


async def test_several_windows_are_charged_together_or_not_at_all(store: dict[str, Any]) -> None:
    app = RateLimit(hello, limit="2/hour;4/day", algorithm="fixed_window", **store)
    assert await statuses(app, 6) == [200, 200, 429, 429, 429, 429]
    denied = await request(app)
    assert denied.header("ratelimit") is not None
    assert '"4/day";r=2' in (denied.header("ratelimit") or "")
    assert json.loads(denied.body)["violated-policies"] == ["2/hour"]


async def test_a_quota_comes_back_when_it_is_told_to(clock: ManualClock) -> None:
    app = RateLimit(hello, limit="2/minute", clock=clock.ns)
    await statuses(app, 2)
    denied = await request(app)
    assert denied.header("retry-after") == "30"
    clock.advance(29.999999999)
    assert await statuses(app, 1) == [429]
    clock.advance(0.000000001)
    assert await statuses(app, 2) == [200, 429]


async def test_the_answer_explains_itself(clock: ManualClock) -> None:
    app = RateLimit(hello, limit="1/minute", clock=clock.ns)
    await request(app)
    denied = await request(app, headers={"accept": "application/json"})
    problem = json.loads(denied.body)
    assert problem["type"] == "https://iana.org/assignments/http-problem-types#quota-exceeded"
    assert problem["status"] == denied.status == 429
    assert problem["violated-policies"] == ["1/minute"]
    assert denied.header("content-type") == "application/problem+json"
    assert denied.header("cache-control") == "no-store"
    text = await request(app, headers={"accept": "text/plain"})
    assert text.header("content-type") == "text/plain; charset=utf-8"
    assert (await request(app, "HEAD")).body == b""


async def test_what_can_never_pass_tells_no_time_to_wait() -> None:
    app = RateLimit(hello, limit="5/minute", cost=6)
    denied = await request(app)
    assert (denied.status, denied.header("retry-after")) == (429, None)
    assert await statuses(RateLimit(hello, limit="5/minute", cost=10**18), 1) == [429]


async def test_a_cost_of_nothing_only_looks() -> None:
    app = RateLimit(hello, limit="1/minute", cost=lambda connection: int(connection.query_params["n"]))
    assert await statuses(app, 3, query="n=0") == [200] * 3
    assert await statuses(app, 2, query="n=1") == [200, 429]
    assert await statuses(app, 1, query="n=0") == [200]


@pytest.mark.parametrize("cost", [-1, 1.5, float("nan"), True, None, "1"])
async def test_a_cost_that_is_none_is_the_error_of_the_application(cost: Any) -> None:
    async def give(connection: Any) -> Any:
        return cost

    with pytest.raises(ValueError, match="whole number from 0 on"):
        await request(RateLimit(hello, limit="1/minute", cost=give))


async def test_a_function_that_fails_fails_as_it_is() -> None:
    def fail(connection: Any) -> int:
        raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such thing"):
        await request(RateLimit(hello, limit="1/minute", cost=fail))


async def test_rules_hold_for_their_requests_and_the_limit_for_all_others() -> None:
    rules: list[Rule | dict[str, Any]] = [
        Rule(limit="1/minute", paths=["/login"], methods=["POST"], name="login"),
        {"limit": "2/minute", "paths": ["/api/*"], "name": "api"},
        {"limit": "3/minute", "hosts": ["a.example"], "name": "host"},
        {"limit": "1/hour", "predicate": lambda connection: "x" in connection.headers, "name": "asked"},
    ]
    app = RateLimit(hello, limit="4/minute", rules=rules)
    assert await statuses(app, 2, "POST", "/login") == [200, 429]
    assert await statuses(app, 5, "GET", "/login") == [200] * 4 + [429]
    assert await statuses(app, 3, path="/api/1") == [200, 200, 429]
    assert await statuses(app, 4, path="/other", headers={"host": "a.example"}) == [200] * 3 + [429]
    assert await statuses(app, 2, path="/", headers={"x": "1"}) == [200, 429]


async def test_all_rules_that_apply_are_charged_together() -> None:
    rules = [Rule(limit="5/minute", name="all"), Rule(limit="2/minute", paths=["/a"], name="a")]
    app = RateLimit(hello, limit=None, rules=rules)
    assert await statuses(app, 3, path="/a") == [200, 200, 429]
    assert await statuses(app, 4, path="/b") == [200, 200, 200, 429], "the refused request was charged"


async def test_paths_are_those_of_the_router_under_a_mount() -> None:
    app = RateLimit(hello, limit="9/minute", rules=[{"limit": "1/minute", "paths": ["/i"]}])
    assert await statuses(app, 2, path="/mounted/i", root_path="/mounted") == [200, 429]


async def test_parameters_do_not_make_buckets() -> None:
    app = RateLimit(hello, limit=None, rules=[{"limit": "3/minute", "paths": ["/i/{id}"]}])
    assert [(await statuses(app, 1, path=f"/i/{n}"))[0] for n in range(4)] == [200, 200, 200, 429]


async def test_a_variant_of_a_path_that_no_rule_knows_is_still_limited() -> None:
    app = RateLimit(hello, limit="2/minute", rules=[{"limit": "1/minute", "paths": ["/admin"]}])
    paths = ["/Admin", "//admin", "/admin/"]
    assert [(await statuses(app, 1, path=path))[0] for path in paths] == [200, 200, 429]


async def test_tiers_are_told_by_a_function() -> None:
    async def tier(connection: Any) -> str | None:
        return {"gold": "3/minute", "free": "1/minute"}.get(connection.headers.get("tier", ""))

    app = RateLimit(hello, limit=tier, key="header:tier")
    assert await statuses(app, 4, headers={"tier": "gold"}) == [200] * 3 + [429]
    assert await statuses(app, 2, headers={"tier": "free"}) == [200, 429]
    assert await statuses(app, 5, headers={"tier": "staff"}) == [200] * 5


async def test_tiers_are_few() -> None:
    """A tier that is new for each request would be a new quota for each."""
    app = RateLimit(hello, limit=lambda connection: f"{connection.query_params['n']}/minute")
    assert await statuses(app, 1, query="n=1") == [200]
    for number in range(2, 257):
        await request(app, query=f"n={number}")
    with pytest.raises(ValueError, match="no more than 256 different limits"):
        await request(app, query="n=257")
    with pytest.raises(TypeError, match="must return a string"):
        await request(RateLimit(hello, limit=lambda connection: 5))


async def test_listed_networks_are_let_in_or_kept_out() -> None:
    app = RateLimit(hello, limit="1/minute", allow=["10.0.0.0/8", "2001:db8::/32"], deny=["203.0.113.0/24"])
    assert await statuses(app, 3, client=("10.1.2.3", 1)) == [200] * 3
    assert await statuses(app, 3, client=("2001:db8::1", 1)) == [200] * 3
    assert await statuses(app, 1, client=("203.0.113.5", 1)) == [403]
    assert await statuses(app, 1, client=("::ffff:203.0.113.5", 1)) == [403]
    assert await statuses(app, 2, client=("198.51.100.1", 1)) == [200, 429]


@pytest.mark.parametrize("address", ["10.0.0.1", "::ffff:10.0.0.1", "::ffff:a00:1"])
async def test_a_network_in_the_notation_of_ipv6_is_that_of_ipv4(address: str) -> None:
    app = RateLimit(hello, limit="1/minute", deny=["::ffff:10.0.0.0/104"])
    assert await statuses(app, 1, client=(address, 1)) == [403]
    assert await statuses(app, 1, client=("11.0.0.1", 1)) == [200]


@pytest.mark.parametrize("client", [None, (None, None), ("", 0), (b"/run/x.sock", 0), ("x" * 10_000, 0)])
async def test_a_client_without_address_is_limited_too(client: Any) -> None:
    assert await statuses(RateLimit(hello, limit="1/minute"), 2, client=client) == [200, 429]


async def test_monitoring_is_not_charged_unless_told() -> None:
    app = RateLimit(hello, limit="1/minute")
    assert await statuses(app, 3, path="/healthz") == [200] * 3
    assert await statuses(RateLimit(hello, limit="1/minute", exclude_paths=()), 2, path="/healthz") == [200, 429]


async def test_chosen_statuses_cost_nothing(store: dict[str, Any]) -> None:
    app = RateLimit(answering(404), limit="1/hour", refund_on=[404, "5xx"], **store)
    assert await statuses(app, 3) == [404] * 3
    other = RateLimit(answering(403), limit="1/hour", refund_on=["5xx"], name="other", **store)
    assert await statuses(other, 2) == [403, 429]


async def test_an_exception_can_cost_nothing() -> None:
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("no luck")

    app = RateLimit(failing, limit="1/hour", refund_on=["exception"])
    for _ in range(3):
        with pytest.raises(RuntimeError, match="no luck"):
            await request(app)


async def test_who_leaves_early_gets_nothing_back() -> None:
    """Were an aborted request free, to abort it would be the way around the limit."""

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep_forever()

    async def nothing(*_: Any) -> Any: ...

    app = RateLimit(slow, limit="3/hour", refund_on=["exception"])
    for _ in range(3):
        with anyio.CancelScope() as left:
            left.cancel()
            await app(http_scope(), nothing, nothing)
    assert await statuses(app, 1) == [429]


async def test_what_fails_because_the_client_left_costs_all_the_same() -> None:
    async def closed(message: Any) -> None:
        raise OSError("the client left")

    async def leaving() -> Any:
        return {"type": "http.disconnect"}

    async def reading(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "http.disconnect"
        raise RuntimeError("no body")

    for application, error in ((hello, OSError), (reading, RuntimeError)):
        app = RateLimit(application, limit="3/hour", refund_on=["exception"])
        for _ in range(3):
            with pytest.raises(error):
                await app(http_scope(), leaving, closed)
        assert await statuses(app, 1) == [429]


async def test_the_error_of_the_application_is_not_replaced_by_one_of_its_costs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        raise KeyError("mine")

    app = RateLimit(failing, limit="10/hour", cost_after=lambda connection, status: -1)
    with pytest.raises(KeyError, match="mine"):
        await request(app)
    assert "failed too" in caplog.text


async def test_a_cost_that_is_known_afterwards_is_charged_too(store: dict[str, Any]) -> None:
    app = RateLimit(hello, limit="10/hour", cost_after=lambda connection, status: 8 if status == 200 else 0, **store)
    assert await statuses(app, 4) == [200, 200, 429, 429]


async def test_a_cost_that_is_known_afterwards_bans_nobody() -> None:
    app = RateLimit(hello, limit="100/hour", cost_after=lambda connection, status: 5, ban_after="2/hour")
    assert await statuses(app, 5) == [200] * 5


async def test_a_shadow_counts_and_refuses_nobody() -> None:
    app = RateLimit(hello, limit="1/minute", shadow=True)
    responses = [await request(app) for _ in range(3)]
    assert [response.status for response in responses] == [200] * 3
    assert responses[0].header("ratelimit") is None
    assert app.metrics()["1/minute", "denied"] == 2


async def test_who_is_refused_often_is_banned(store: dict[str, Any]) -> None:
    app = RateLimit(hello, limit="1/minute", ban_after="2/hour", ban_for="day", **store)
    assert await statuses(app, 4) == [200, 429, 429, 429]
    banned = await request(app)
    assert json.loads(banned.body)["type"].endswith("#abnormal-usage-detected")
    assert int(banned.header("retry-after") or 0) > 86_000


async def test_a_ban_ends(clock: ManualClock) -> None:
    app = RateLimit(hello, limit="1/minute", ban_after="2/hour", ban_for="day", clock=clock.ns)
    assert await statuses(app, 5) == [200, 429, 429, 429, 429]
    clock.advance(86_399)
    assert await statuses(app, 1) == [429]
    clock.advance(1)
    assert await statuses(app, 1) == [200]


@pytest.mark.parametrize(
    ("action", "expected"), [("ip", [200, 429]), ("shared", [200, 429]), ("allow", [200, 200]), ("deny", [403, 403])]
)
async def test_a_request_without_key(action: Any, expected: list[int]) -> None:
    app = RateLimit(hello, limit="1/minute", key="header:x-key", on_missing_key=action)
    assert await statuses(app, 2) == expected
    other = await statuses(app, 1, client=OTHER)
    assert other == {"ip": [200], "shared": [429], "allow": [200], "deny": [403]}[action]


async def test_a_request_may_wait_for_its_turn() -> None:
    app = RateLimit(hello, limit="1/second", name="slow", max_wait=2)
    fast = RateLimit(hello, limit="50/second", burst=1, max_wait=2)
    assert await statuses(fast, 4) == [200] * 4
    with anyio.move_on_after(0.01):
        assert await statuses(app, 2) == [200, 200]


async def test_no_more_may_wait_than_is_allowed() -> None:
    app = RateLimit(hello, limit="20/second", burst=1, max_wait=5, max_waiting=2)
    found: list[int | None] = []

    async def ask() -> None:
        found.extend(await statuses(app, 1))

    async with anyio.create_task_group() as group:
        for _ in range(6):
            group.start_soon(ask)
    assert (found.count(200), found.count(429)) == (3, 3)


async def test_who_leaves_before_the_answer_is_charged_all_the_same() -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep_forever()

    async def nothing(*_: Any) -> Any: ...

    app = RateLimit(slow, limit="3/hour")
    for _ in range(3):
        with anyio.CancelScope() as left:
            left.cancel()
            await app(http_scope(), nothing, nothing)
    assert await statuses(app, 1) == [429]


async def test_a_refund_is_not_lost_when_the_request_is_cancelled(store: dict[str, Any]) -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await anyio.sleep_forever()

    started = anyio.Event()

    async def receive() -> Any:
        await anyio.sleep_forever()

    async def send(message: Any) -> None:
        started.set()

    app = RateLimit(slow, limit="1/hour", refund_on=[404], **store)
    for _ in range(3):
        started = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(app, http_scope(), receive, send)
            with anyio.fail_after(5):
                await started.wait()
            group.cancel_scope.cancel()
    assert app.metrics()["1/hour", "denied"] == 0


@pytest.mark.parametrize(
    ("key", "role"),
    [("ip", "rate_limit"), ("user", "user_rate_limit"), (["ip", "user"], "user_rate_limit"), (str, "rate_limit")],
)
def test_a_limit_by_user_belongs_inside_authentication(key: Any, role: str) -> None:
    assert role_of(RateLimit, {"key": key}, {}) == role


async def test_requests_leave_no_garbage() -> None:
    import gc

    async def nothing(*_: Any) -> Any: ...

    rules = [Rule(limit="2/minute", name="all", refund_on=[500])]
    apps = [RateLimit(hello, limit="100000/second"), RateLimit(hello, limit="1/day"), RateLimit(hello, rules=rules)]
    gc.collect()
    gc.disable()
    try:
        for app in apps:
            for _ in range(100):
                await app(http_scope(), nothing, nothing)
        assert gc.collect() == 0
    finally:
        gc.enable()


async def test_parallel_guesses_are_counted_before_they_are_served() -> None:
    reached = 0

    async def login(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal reached
        reached += 1
        await anyio.lowlevel.checkpoint()
        await hello(scope, receive, send)

    app = RateLimit(login, limit="5/minute")
    async with anyio.create_task_group() as group:
        for _ in range(200):
            group.start_soon(statuses, app, 1)
    assert reached == 5


async def test_the_application_reads_the_decision() -> None:
    seen: list[Any] = []

    async def reading(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["rate_limit"])
        await hello(scope, receive, send)

    await request(RateLimit(reading, limit="3/minute;10/hour"))
    (decision,) = seen
    assert (decision.allowed, decision.remaining, decision.retry_after) == (True, 2, 0)
    assert [(s.name, s.limit, s.window, s.remaining) for s in decision.standings] == [
        ("3/minute", 3, 60, 2),
        ("10/hour", 10, 3600, 9),
    ]


@pytest.mark.parametrize("options", [{}, {"algorithm": "strict", "rules": [Rule(limit="1/hour", paths=["/"])]}])
async def test_layers_outside_read_how_a_client_stands_that_is_refused(options: dict[str, Any]) -> None:
    """An access log tells it of refused requests above all."""

    async def nothing(*_: Any) -> Any: ...

    app = RateLimit(hello, limit="1/minute", **options)
    exchange = Exchange()
    for _ in range(2):
        await app({**http_scope(), EXCHANGE: exchange}, nothing, nothing)
    assert [(found.allowed, found.remaining) for found in cast("Any", exchange.quotas)] == [(True, 0), (False, 0)]


async def test_nothing_is_shared_unless_told() -> None:
    options: dict[str, Any] = {"limit": "1/minute"}
    assert await statuses(RateLimit(RateLimit(hello, **options), **options), 2) == [200, 429]
    store = MemoryLimits()
    first, second = (RateLimit(hello, store=store, **options) for _ in range(2))
    assert await statuses(first, 1) + await statuses(second, 1) == [200, 429]


async def test_nested_limiters_of_one_store_charge_once() -> None:
    store = MemoryLimits()
    app = RateLimit(RateLimit(hello, limit="2/minute", store=store), limit="2/minute", store=store)
    assert await statuses(app, 3) == [200, 200, 429]


async def test_requests_that_an_application_dispatches_are_each_charged() -> None:
    store = MemoryLimits(clock=ManualClock().ns)
    inner = RateLimit(hello, limit="600/minute", store=store)
    answers: list[int] = []

    async def batch(scope: Scope, receive: Receive, send: Send) -> None:
        async def one(number: int, app: ASGIApp) -> None:
            async def note(message: Any) -> None:
                if message["type"] == "http.response.start":
                    answers.append(message["status"])

            await app({**scope, "path": f"/items/{number}"}, receive, note)

        async with anyio.create_task_group() as group:
            for number in range(1000):
                group.start_soon(one, number, inner)
        await hello(scope, receive, send)

    outer = RateLimit(batch, limit="600/minute", store=store)
    assert await statuses(outer, 1) == [200]
    assert (answers.count(200), answers.count(429)) == (599, 401)


async def test_by_hand(store: dict[str, Any]) -> None:
    limiter = RateLimit(hello, limit="5/hour", **store)
    assert (await limiter.hit("job", 3)).allowed
    denied = await limiter.hit("job", 3)
    assert (denied.allowed, denied.remaining) == (False, 2)
    assert (await limiter.hit("job", 0)).remaining == 2
    await limiter.reset("job")
    assert (await limiter.hit("job", 5)).allowed
    with pytest.raises(ValueError, match="whole number"):
        await limiter.hit("job", -1)


async def test_a_client_is_reset_by_its_address() -> None:
    limiter = RateLimit(hello, limit="1/hour", rules=[{"limit": "2/day", "paths": ["/*"]}])
    for client in (("192.0.2.1", 1), ("2001:db8::1", 1)):
        assert await statuses(limiter, 3, client=client) == [200, 200, 429]
        await limiter.reset(client[0])
        assert await statuses(limiter, 1, client=client) == [200]


async def test_what_is_no_request_passes_as_it_is() -> None:
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((scope, receive, send))

    async def nothing(*_: Any) -> Any: ...

    for kind in ("lifespan", "mqtt"):
        scope = {"type": kind}
        await RateLimit(app)(scope, nothing, nothing)
        assert seen.pop() == (scope, nothing, nothing)


async def test_the_scope_that_was_handed_in_stays_as_it_is() -> None:
    scope = http_scope()
    before = dict(scope)

    async def routing(scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = "/x"

    async def nothing(*_: Any) -> Any: ...

    await RateLimit(routing)(scope, nothing, nothing)
    assert scope == {**before, "route": "/x"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"limit": "often"}, "limit must be limits such as '100/minute'"),
        ({"limit": None}, "limit must be given where there are no rules"),
        ({"limit": "1/minute", "burst": 0}, "burst must be above 0"),
        ({"limit": "1/minute", "algorithm": "strict", "burst": 2}, "amount of a strict limit"),
        ({"limit": "1/101 years"}, "periods of at most 100 years"),
        ({"ban_after": "1/minute", "ban_for": "101 years"}, "periods of at most 100 years"),
        ({"limit": "1/year", "burst": 101}, "come back within 100 years"),
        ({"limit": "1/second", "burst": 10**18}, "at most 10**14 units"),
        ({"algorithm": "magic"}, "algorithm must be one of"),
        ({"key": "cookie"}, "key must be 'ip'"),
        ({"key": ()}, "key must name at least one"),
        ({"cost": -1}, "cost must not be negative"),
        ({"refund_on": ["6xx"]}, "refund_on must hold statuses"),
        ({"allow": ["here"]}, "allow must hold addresses or networks"),
        ({"deny": ["10.0.0.1/8"]}, "deny must hold addresses or networks"),
        ({"headers": ["draft-11"]}, "headers must be a list of one of"),
        ({"store": "mysql://x"}, "store must be the URL of a store"),
        ({"deadline": 0}, "deadline must be above 0"),
        ({"processes": 0}, "processes must be at least 1"),
        ({"jitter": -1}, "jitter must be from 0 to 100 per cent"),
        ({"headers_below": 101}, "headers_below must be from 0 to 100 per cent"),
        ({"max_wait": 100}, "max_wait must be from 0 to 60"),
        ({"name": "grün"}, "name must be 1 to 64 printable ASCII"),
        ({"ban_after": "x"}, "ban_after must be limits"),
        ({"ban_for": "x"}, "ban_for must be a period"),
        ({"messages": "x"}, "messages must be limits"),
        ({"exclude_paths": ["x"]}, "exclude_paths must hold patterns"),
        ({"namespace": "a b"}, "namespace must be a name"),
        ({"rules": [{"paths": ["/"]}]}, "rules[1].limit is required"),
        ({"rules": [{"limit": "1/minute", "path": "/"}]}, "did you mean 'paths'"),
        ({"rules": [{"limit": "1/minute", "paths": ["x"]}]}, "patterns that begin with '/'"),
        ({"rules": [{"limit": "1/minute", "methods": ["get"]}]}, "upper case"),
        ({"rules": [{"limit": "1/minute", "hosts": ["A:80"]}]}, "did you mean 'a'"),
        ({"rules": [{"limit": "100/minute"}]}, "must have names that differ"),
    ],
)
def test_options_that_cannot_be_right(options: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError, match=re.escape(words)):
        RateLimit(hello, **options)


def test_a_password_in_the_url_of_a_store_is_not_shown() -> None:
    with pytest.raises(OptionError) as caught:
        RateLimit(hello, store="mysql://me:secret@host")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "told", "times"),
    [
        ({}, None, 0),
        ({"processes": 4}, None, 4),
        ({}, "3", 3),
        ({}, "1", 0),
        ({}, "many", 0),
        ({"store": MemoryLimits(), "processes": 4}, None, 0),
        ({"store": "sqlite:///limits.db", "processes": 4}, None, 0),
    ],
)
def test_a_quota_that_each_process_counts_for_itself_is_warned_of(
    options: dict[str, Any], told: str | None, times: int,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)
    if told is not None:
        monkeypatch.setenv("WEB_CONCURRENCY", told)
    RateLimit(hello, **options)
    assert [f"up to {times} times" in record.message for record in caplog.records] == [True] * bool(times)
