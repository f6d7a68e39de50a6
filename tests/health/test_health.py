"""Health checks are answered before anything else has a say, and say how far the application is in its life."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from middlewares import Drain, Health, Maintenance, Middleware, OptionError, Stack
from middlewares.testing import Driver, http_scope, lifespan_scope, request, websocket_scope
from tests.readable import PREFLIGHT, Policy

from .apps import check, shop

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Receive, Scope, Send

STARTUP = {"type": "lifespan.startup"}
SHUTDOWN = {"type": "lifespan.shutdown"}
PROBES = ("/livez", "/readyz", "/startupz")


async def statuses(app: ASGIApp) -> tuple[int | None, ...]:
    return tuple([(await request(app, path=path)).status for path in PROBES])


def fails() -> bool:
    return False


def never(*_: Any) -> Any:
    pytest.fail("must not be called")


# -- the answer


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("path", "status"), [("/livez", 200), ("/readyz", 503), ("/startupz", 200)])
async def test_an_answer_is_not_stored_and_says_nothing_else(method: str, path: str, status: int) -> None:
    response = await request(Health(never, checks={"a": fails}), method, path)
    assert response.status == status
    body = b'{"status": "pass"}' if status == 200 else b'{"status": "fail"}'
    assert response.body == (body if method == "GET" else b"")
    assert response.headers == [
        (b"content-type", b"application/health+json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "QUERY", "get"])
async def test_other_methods_are_not_allowed(method: str) -> None:
    response = await request(Health(never, checks={"a": never}), method, "/readyz")
    assert (response.status, response.header("allow")) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/", "/livez/", "/livez/x", "/LIVEZ", "/healthz", "/api/livez", "livez", ""])
async def test_other_paths_pass(path: str) -> None:
    assert (await request(Health(shop), path=path)).text == "shop"


async def test_paths_are_options() -> None:
    app = Health(shop, live_paths=["/healthz", "/alive"], ready_paths=(), startup_paths=["/begun"])
    found = [(await request(app, path=path)).header("content-type") for path in ("/alive", "/healthz", "/begun")]
    assert found == ["application/health+json"] * 3
    assert [(await request(app, path=path)).text for path in PROBES] == ["shop"] * 3


async def test_a_prefix_where_the_application_is_mounted_does_not_count() -> None:
    assert (await request(Health(never), path="/api/livez", root_path="/api")).status == 200


async def test_other_scopes_pass_untouched() -> None:
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((scope, receive, send))

    for scope in (websocket_scope("/livez"), {"type": "other"}):
        await Health(app)(scope, never, never)
        assert seen[-1][0] is scope
        assert seen[-1][1:] == (never, never)


async def test_answers_are_readable_for_pages_of_a_policy_inside() -> None:
    app = Health(Policy(shop))
    for method, status in (("GET", 200), ("POST", 405)):
        response = await request(app, method, "/livez", headers={"origin": "https://page.example"})
        assert (response.status, response.header("access-control-allow-origin")) == (status, "*")
    assert (await request(app, "OPTIONS", "/livez", headers=PREFLIGHT)).status == 204


async def test_no_two_answers_share_a_list_of_headers() -> None:
    app = Health(shop)
    first = await request(app, path="/livez")
    first.messages[0]["headers"].clear()
    assert len((await request(app, path="/livez")).headers) == 3


# -- details


@pytest.mark.parametrize(
    ("options", "checks"),
    [
        ({}, None),
        ({"details": True}, {"good": [{"status": "pass"}], "bad": [{"status": "fail"}], "ugly": [{"status": "fail"}]}),
        (
            {"debug": True},
            {
                "good": [{"status": "pass"}],
                "bad": [{"status": "fail", "output": "said that it fails"}],
                "ugly": [{"status": "fail", "output": "raised ZeroDivisionError: password hunter2"}],
            },
        ),
    ],
    ids=["nothing", "details", "debug"],
)
async def test_what_fails_and_why_is_told_by_option_only(options: dict[str, Any], checks: Any) -> None:
    def ugly() -> None:
        raise ZeroDivisionError("password hunter2")

    app = Health(shop, checks={"good": check, "bad": fails, "ugly": ugly}, **options)
    response = await request(app, path="/readyz")
    assert (response.status, response.json().get("checks")) == (503, checks)
    assert (b"hunter2" in response.body) == ("debug" in options)


# -- the life of the application


async def test_an_application_without_a_lifespan_has_started() -> None:
    assert await statuses(Health(shop)) == (200, 200, 200)


async def test_it_is_ready_from_the_end_of_its_startup_to_the_beginning_of_its_shutdown() -> None:
    """The application hears of the shutdown when readiness says so already."""
    seen: dict[str, tuple[int | None, ...]] = {}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for name in ("startup", "shutdown"):
            await receive()
            seen[name] = await statuses(layer)
            await send({"type": f"lifespan.{name}.complete"})

    layer = Health(app, checks={"a": check}, details=True)
    for _ in range(2):  # test clients and reloaders begin anew
        async with Driver(layer, lifespan_scope()) as life:
            life.feed(STARTUP)
            await life.receive()
            assert seen["startup"] == (200, 503, 503)
            assert await statuses(layer) == (200, 200, 200)
            life.feed(SHUTDOWN)
            await life.receive()
            assert seen["shutdown"] == (200, 503, 200)
            assert layer.is_closing
            assert (await request(layer, path="/readyz")).json()["notes"] == ["shutting down"]


async def test_checks_do_not_run_before_the_startup_nor_in_a_shutdown() -> None:
    asked: list[bool] = []
    layer = Health(shop, checks={"a": lambda: asked.append(True)})
    layer.begin_shutdown()
    assert await statuses(layer) == (200, 503, 200)
    async with Driver(layer, lifespan_scope()) as life:
        await life.settle()
        assert await statuses(layer) == (200, 503, 503)
    assert asked == []


async def test_a_shutdown_that_begins_while_checks_run_counts() -> None:
    def closes() -> None:
        layer.begin_shutdown()

    layer = Health(shop, checks={"a": closes})
    assert (await request(layer, path="/readyz")).status == 503


async def raises(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"


async def raises_late(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    raise RuntimeError("no lifespan here")


async def returns(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()


async def fails_to_start(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no"})


@pytest.mark.parametrize(("app", "status"), [(raises, 200), (raises_late, 200), (returns, 200), (fails_to_start, 503)])
async def test_an_application_that_knows_no_lifespan_has_started_and_one_that_fails_has_not(
    app: ASGIApp, status: int
) -> None:
    layer = Health(app)
    async with Driver(layer, lifespan_scope()) as life:
        life.feed(STARTUP)
        with suppress(AssertionError, RuntimeError):
            await life.finish()
    assert await statuses(layer) == (200, status, status)


# -- together with others


@pytest.mark.parametrize(
    ("order", "live"), [((Health, Drain), 200), ((Drain, Health), 503)], ids=["health outside", "drain outside"]
)
async def test_with_drain_only_health_outside_stays_alive_in_a_shutdown(order: Any, live: int) -> None:
    app = Stack(*order)(shop)
    async with Driver(app, lifespan_scope()) as life:
        life.feed(STARTUP, SHUTDOWN)
        await life.finish()
    assert [(await request(app, path=path)).status for path in ("/livez", "/readyz", "/")] == [live, 503, 503]


@pytest.mark.parametrize("order", [(Health, Maintenance), (Maintenance, Health)])
async def test_maintenance_lets_health_checks_pass(order: Any) -> None:
    app = Stack(*order)(shop)
    assert [(await request(app, path=path)).status for path in (*PROBES, "/")] == [200, 200, 200, 503]


# -- options


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"timeout": 0}, "timeout must be a number of seconds above 0"),
        ({"timeout": float("inf")}, "timeout must be a number of seconds above 0"),
        ({"max_age": -1}, "max_age must be a number of seconds that is not negative"),
        ({"sigterm_delay": float("nan")}, "sigterm_delay must be a number of seconds that is not negative"),
        ({"ready_paths": ["readyz"]}, "ready_paths must hold whole paths such as '/readyz'; got 'readyz'"),
        ({"live_paths": ["/live/*"]}, "live_paths must hold whole paths"),
        ({"live_paths": "/livez"}, "live_paths must be a list of strings; got '/livez' (write ['/livez'])"),
        ({"live_paths": ["/readyz"]}, "ready_paths must not hold a path that another option holds"),
        ({"checks": {"a": 1}}, "checks must be a table of callables or strings"),
        ({"checks": {"a": "tests.health.apps"}}, "checks must name functions as 'package.module:function'"),
        ({"checks": {"a": "tests.health.apps:chekc"}}, "has no attribute 'chekc'"),
        ({"checks": {"a": "no.such:check"}}, "ModuleNotFoundError"),
        ({"checks": {"a": "  "}}, "checks must name functions"),
    ],
)
def test_wrong_options_are_refused_when_they_are_written(options: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError) as caught:
        Middleware(Health, **options)
    assert words in str(caught.value)


async def test_a_check_may_be_named_by_where_it_is_found() -> None:
    app = Health(shop, checks={"a": "tests.health.apps:check", "b": "tests.health.test_health:fails"}, details=True)
    response = await request(app, path="/readyz")
    assert response.json()["checks"] == {"a": [{"status": "pass"}], "b": [{"status": "fail"}]}


async def test_a_client_that_has_gone_harms_nothing() -> None:
    async def gone(message: Any) -> None:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        await Health(shop, checks={"a": check})(http_scope(path="/readyz"), never, gone)


# -- a configuration that is loaded anew


async def test_what_takes_over_is_as_ready_as_what_it_takes_over_from() -> None:
    """The lifespan of the new stack begins before that of the old one ends: no shutdown, and no startup to wait for."""
    old, new = Health(shop), Health(shop)
    async with Driver(old, lifespan_scope()) as first:
        first.feed(STARTUP)
        await first.receive()
        new.take_over(old)
        async with Driver(new, lifespan_scope()) as second:
            await second.settle()
            assert await statuses(new) == (200, 200, 200)
            second.feed(STARTUP)
            await second.receive()
            first.feed(SHUTDOWN)
            await first.receive()
            assert await statuses(new) == (200, 200, 200)
            second.feed(SHUTDOWN)
            await second.receive()
            assert await statuses(new) == (200, 503, 200)


async def test_a_new_stack_that_does_not_start_changes_nothing() -> None:
    old, new = Health(shop), Health(fails_to_start)
    async with Driver(old, lifespan_scope()) as first:
        first.feed(STARTUP)
        await first.receive()
        new.take_over(old)
        async with Driver(new, lifespan_scope()) as second:
            second.feed(STARTUP)
            await second.finish()
        assert await statuses(old) == (200, 200, 200)
        first.feed(SHUTDOWN)
        await first.finish()
    assert await statuses(old) == (200, 503, 200)
