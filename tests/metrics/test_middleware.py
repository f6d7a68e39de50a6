"""Every request and WebSocket is counted once, however it ends, and nobody can make series without end."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest
from prometheus_client import CollectorRegistry, Counter
from starlette.applications import Starlette
from starlette.routing import Route

from middlewares import AccessLog, GZip, Metrics, Middleware, OptionError, RateLimit, Stack
from middlewares.core.exchange import EXCHANGE
from middlewares.core.observer import INTERNAL_ERRORS
from middlewares.testing import ClientDisconnected, Driver, http_scope, request, websocket, websocket_scope

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from middlewares.asgi import ASGIApp, Receive, Scope, Send

PREFIX = "http_server_"
START = {"type": "http.response.start", "status": 200, "headers": []}
END = {"type": "http.response.body", "body": b"abc"}
PART = {**END, "more_body": True}


def sending(*steps: Any, route: str | None = "/items/{id}") -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if route is not None:
            scope[EXCHANGE].route = route
        for step in steps:
            if isinstance(step, BaseException):
                raise step
            if step == "wait":
                await anyio.sleep_forever()
            await send(cast("Any", step))

    return app


def samples(registry: CollectorRegistry, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    """Return the values of one sample by its labels."""
    found = [sample for metric in registry.collect() for sample in metric.samples if sample.name == name]
    return {tuple(sorted(sample.labels.items())): sample.value for sample in found}


def only(registry: CollectorRegistry, name: str) -> tuple[dict[str, str], float]:
    [(labels, value)] = samples(registry, name).items()
    return dict(labels), value


@pytest.mark.parametrize(
    ("steps", "labels"),
    [
        ([START, END], {"http_response_status_code": "200"}),
        ([{**START, "status": 404}, END], {"http_response_status_code": "404"}),
        ([{**START, "status": 503}, END], {"http_response_status_code": "503", "error_type": "503"}),
        ([{**START, "status": 999}, END], {"http_response_status_code": "_OTHER", "error_type": "_OTHER"}),
        ([{**START, "status": "x"}, END], {"http_response_status_code": "_OTHER"}),
        ([{**START, "status": [200]}, END], {"http_response_status_code": "_OTHER"}),
        ([ValueError()], {"http_response_status_code": "500", "error_type": "ValueError"}),
        ([START, ValueError()], {"http_response_status_code": "200", "error_type": "ValueError"}),
        ([], {"http_response_status_code": "500", "error_type": "no_response"}),
        ([START, PART], {"http_response_status_code": "200", "error_type": "incomplete_response"}),
    ],
)
async def test_each_outcome_has_its_labels(
    steps: list[Any], labels: dict[str, str], registry: CollectorRegistry
) -> None:
    app = Metrics(sending(*steps), registry=registry)
    await request(app, raise_exceptions=False)
    expected = {"http_request_method": "GET", "url_scheme": "http", "http_route": "/items/{id}", **labels}
    for name in ("request_duration_seconds", "request_body_size_bytes", "response_body_size_bytes"):
        assert only(registry, f"{PREFIX}{name}_count") == (expected, 1)
    begun = sum(samples(registry, f"{PREFIX}time_to_first_byte_seconds_count").values())
    assert begun == any(isinstance(step, dict) for step in steps)
    assert only(registry, f"{PREFIX}active_requests")[1] == 0


async def test_a_route_that_is_no_text_counts_as_none(registry: CollectorRegistry) -> None:
    app = Metrics(sending(START, END, route=cast("Any", ["/a"])), registry=registry)
    await request(app)
    labels, count = only(registry, f"{PREFIX}request_duration_seconds_count")
    assert ("http_route" in labels, count) == (False, 1)


@pytest.mark.parametrize("steps", [["wait"], [START, PART, "wait"]])
async def test_what_is_cancelled_is_counted_as_that(steps: list[Any], registry: CollectorRegistry) -> None:
    async with Driver(Metrics(sending(*steps), registry=registry), http_scope()) as call:
        await call.settle()
        assert only(registry, f"{PREFIX}active_requests")[1] == 1
        await call.cancel()
    labels, count = only(registry, f"{PREFIX}request_duration_seconds_count")
    assert (labels["error_type"], count) == ("cancelled", 1)
    assert labels.get("http_response_status_code") == ("200" if len(steps) > 1 else None)


async def test_who_leaves_is_told_apart_from_errors(registry: CollectorRegistry) -> None:
    async def leave(message: Any) -> None:
        raise ClientDisconnected

    with suppress(ClientDisconnected):
        await Metrics(sending(START, END), registry=registry)(http_scope(), _nothing, leave)
    labels, _ = only(registry, f"{PREFIX}request_duration_seconds_count")
    assert labels["error_type"] == "client_disconnected"


@pytest.mark.parametrize(
    ("method", "steps", "size"),
    [
        ("GET", [START, PART, PART, END], 9),
        ("HEAD", [START, END], 0),
        ("GET", [{**START, "status": 204}, END], 0),
        ("GET", [{**START, "status": 304}, END], 0),
        ("GET", [{**START, "headers": [(b"content-length", b"7")]},
                 {"type": "http.response.pathsend", "path": "/none"}], 7),
        ("GET", [START, {"type": "http.response.zerocopysend", "file": 0, "count": 5}], 5),
    ],
)  # fmt: skip
async def test_sizes_are_of_bytes_that_moved(
    method: str, steps: list[Any], size: int, registry: CollectorRegistry
) -> None:
    call = Driver(Metrics(sending(*steps), registry=registry), http_scope(method))
    async with call:
        await call.finish()
    assert only(registry, f"{PREFIX}response_body_size_bytes_sum")[1] == size


async def test_bodies_of_requests_are_counted_as_they_are_read(registry: CollectorRegistry) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await send(START)
        await send(END)

    await request(Metrics(app, registry=registry), "POST", body=[b"abc", b"de"])
    assert only(registry, f"{PREFIX}request_body_size_bytes_sum")[1] == 5


@pytest.mark.parametrize("is_outside", [True, False])
async def test_sizes_are_those_of_the_wire_whichever_way_compression_stands(
    is_outside: bool, registry: CollectorRegistry
) -> None:
    html = {**START, "headers": [(b"content-type", b"text/html")]}
    body = {**END, "body": b"abcd" * 1000}
    inner, outer = Middleware(Metrics, registry=registry), Middleware(GZip)
    layers = (outer, inner) if is_outside else (inner, outer)
    watch = Middleware(Metrics, registry=CollectorRegistry(), exclude_paths=["*"])  # makes the exchange
    response = await request(Stack(watch, *layers)(sending(html, body)), headers={"accept-encoding": "gzip"})
    assert response.header("content-encoding") == "gzip"
    assert only(registry, f"{PREFIX}response_body_size_bytes_sum")[1] == len(response.body)


async def test_no_request_stays_active(registry: CollectorRegistry) -> None:
    endings: list[list[Any]] = [[START, END], [ValueError()], ["wait"], [START], []]
    apps = [Metrics(sending(*steps), registry=registry) for steps in endings]

    async def call(number: int) -> None:
        with suppress(ValueError):
            with anyio.CancelScope() as scope:
                if number % len(endings) == 2:
                    scope.cancel()
                await apps[number % len(endings)](http_scope(), _nothing, _nowhere)

    for number in range(10_000):
        await call(number)
    assert only(registry, f"{PREFIX}active_requests")[1] == 0
    assert sum(samples(registry, f"{PREFIX}request_duration_seconds_count").values()) == 10_000


async def _nothing() -> dict[str, Any]:
    return {"type": "http.request"}


async def _nowhere(message: Any) -> None:
    pass


async def test_no_client_makes_series_grow(registry: CollectorRegistry) -> None:
    app = Metrics(sending(START, END, route=None), registry=registry)

    async def attack(numbers: range) -> None:
        for number in numbers:
            scope = http_scope(f"M{number}", f"/{number}", headers={"host": f"h{number}", "user-agent": f"a{number}"})
            await app({**scope, "scheme": f"s{number}", "http_version": str(number)}, _nothing, _nowhere)

    await attack(range(1000))
    before = len(samples(registry, f"{PREFIX}request_duration_seconds_bucket"))
    tracemalloc.start()
    try:
        await attack(range(1000, 20_000))
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 1 << 20
    assert len(samples(registry, f"{PREFIX}request_duration_seconds_bucket")) == before == 15


@pytest.mark.sweep
async def test_no_client_makes_series_grow_in_a_million_requests(registry: CollectorRegistry) -> None:
    app = Metrics(sending(START, END, route=None), registry=registry)
    scope = http_scope()
    tracemalloc.start()
    try:
        for number in range(1_000_000):
            text = str(number)
            sent = text.encode()
            headers = [(b"host", sent), (b"user-agent", sent), (b"x-request-id", sent)]
            random = {"method": text, "path": f"/{text}", "scheme": text, "headers": headers}
            await app({**scope, **random}, _nothing, _nowhere)
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 1 << 20
    assert len(samples(registry, f"{PREFIX}request_duration_seconds_bucket")) == 15


async def test_what_comes_after_the_limit_is_in_one_series(registry: CollectorRegistry) -> None:
    for number in range(50):
        await request(Metrics(sending(START, END, route=f"/{number}"), registry=registry, max_series=10))
    counts = samples(registry, f"{PREFIX}request_duration_seconds_count")
    assert len(counts) == 10
    assert counts[("otel_metric_overflow", "true"),] == 41


@pytest.mark.parametrize(("header", "value"), [("free", "free"), ("pro", "pro"), ("evil", "_OTHER"), (None, None)])
async def test_labels_from_headers_have_listed_values(
    header: str | None, value: str | None, registry: CollectorRegistry
) -> None:
    labels: dict[str, Any] = {"plan": {"header": "X-Plan", "values": ["free", "pro"]}, "region": "eu"}
    app = Metrics(sending(START, END), registry=registry, labels=labels)
    await request(app, headers={} if header is None else {"x-plan": header})
    found, _ = only(registry, f"{PREFIX}request_duration_seconds_count")
    assert (found.get("plan"), found["region"]) == (value, "eu")


class Unspeakable:
    def __str__(self) -> str:
        raise LookupError


def fail(connection: Any) -> str:
    raise LookupError


@pytest.mark.parametrize("function", [fail, lambda connection: Unspeakable()])
async def test_a_function_of_a_label_that_fails_costs_the_label_alone(
    function: Callable[[Any], Any], registry: CollectorRegistry
) -> None:
    app = Metrics(sending(START, END), registry=registry, labels={"a": function, "b": lambda c: c.url.path})
    before = INTERNAL_ERRORS["Metrics"]
    await request(app, path="/x")
    labels, _ = only(registry, f"{PREFIX}request_duration_seconds_count")
    assert ("a" in labels, labels["b"]) == (False, "/x")
    assert INTERNAL_ERRORS["Metrics"] == before + 1
    assert samples(registry, "middlewares_internal_errors_total")[("layer", "Metrics"),] >= 1


async def test_instances_of_one_registry_count_together(registry: CollectorRegistry) -> None:
    for _ in range(3):
        await request(Metrics(sending(START, END), registry=registry))
    assert only(registry, f"{PREFIX}request_duration_seconds_count")[1] == 3
    await request(Metrics(Metrics(sending(START, END), registry=registry), registry=registry))
    inner = GZip(Metrics(sending(START, END), registry=registry))
    await request(Metrics(inner, registry=registry))
    assert only(registry, f"{PREFIX}request_duration_seconds_count")[1] == 5, "one request was counted twice"


async def test_checking_options_leaves_the_registry_alone(registry: CollectorRegistry) -> None:
    Middleware(Metrics, registry=registry)
    assert not [*registry.collect()]


def test_metrics_of_the_same_name_are_refused(registry: CollectorRegistry) -> None:
    Metrics(sending(), registry=registry)
    with pytest.raises(OptionError, match="other buckets"):
        Metrics(sending(), registry=registry, buckets=[1, 2])
    taken = CollectorRegistry(auto_describe=True)
    Counter("middlewares_refusals", "Mine.", registry=taken)
    with pytest.raises(OptionError, match="same names"):
        Metrics(sending(), registry=taken)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "metrics"}, "path must be a path"),
        ({"allow": ["10.0.0.0/8"]}, "allow must not be given without 'path'"),
        ({"path": "/m", "allow": ["x"]}, "allow must hold addresses"),
        ({"buckets": []}, "buckets must hold at least one number"),
        ({"slo": [-1]}, "slo must hold numbers above 0"),
        ({"labels": {"le": "x"}}, "labels must not have names that are taken"),
        ({"labels": {"handler": "x"}, "names": "prometheus-fastapi-instrumentator"}, "labels must not have names that"),
        ({"labels": {"status": "x"}, "names": "prometheus-fastapi-instrumentator"}, "labels must not have names that"),
        ({"labels": {"path": "x"}, "names": "starlette-exporter"}, "labels must not have names that are taken"),
        ({"labels": {"a-b": "x"}}, "labels must have names"),
        ({"labels": {"a": {"header": "x"}}}, "labels must hold a value"),
        ({"labels": {"a": sending()}}, "labels must not hold asynchronous functions"),
        ({"labels": {"a": {"header": "x plan", "values": ["a"]}}}, "labels must hold a value"),
        ({"labels": {"a": {"header": 1, "values": ["a"]}}}, "labels must hold a value"),
        ({"prefix": "a b"}, "prefix must be"),
        ({"max_series": 1}, "max_series must be at least 10"),
        ({"exclude_paths": ["x"]}, "exclude_paths must hold patterns"),
        ({"names": "nginx"}, "names must be one of"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Middleware(Metrics, **options)


def test_labels_may_have_the_names_that_others_take_and_that_of_the_application_may_differ(
    registry: CollectorRegistry,
) -> None:
    Middleware(Metrics, labels={"handler": "x", "path": "y"})
    Middleware(Metrics, labels={"app_name": "shop"}, names="starlette-exporter")


def test_a_directory_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    registry = CollectorRegistry()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "none"))
    with pytest.raises(OptionError, match="PROMETHEUS_MULTIPROC_DIR must name a directory"):
        Metrics(sending(), registry=registry)


async def test_websockets_have_their_own_metrics(registry: CollectorRegistry) -> None:
    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        scope[EXCHANGE].route = "/ws"
        await receive()
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": event["text"] * 2})

    async with websocket(Metrics(echo, registry=registry)) as socket:
        await socket.send_text("abc")
        await socket.receive_text()
        assert only(registry, "websocket_server_active_connections")[1] == 1
        assert only(registry, "websocket_server_received_messages_total")[1] == 1, "not before it is closed"
    traffic = {"url_scheme": "ws", "http_route": "/ws"}
    assert only(registry, "websocket_server_received_bytes_total") == (traffic, 3)
    assert only(registry, "websocket_server_sent_bytes_total") == (traffic, 6)
    assert only(registry, "websocket_server_sent_messages_total") == (traffic, 1)
    closed = {**traffic, "http_response_status_code": "101", "websocket_close_code_class": "normal"}
    assert only(registry, "websocket_server_connection_duration_seconds_count") == (closed, 1)
    assert only(registry, "websocket_server_active_connections")[1] == 0
    assert not samples(registry, f"{PREFIX}request_duration_seconds_count")


@pytest.mark.parametrize(
    ("steps", "labels"),
    [
        ([{"type": "websocket.close"}], {"http_response_status_code": "403"}),
        ([{"type": "websocket.accept"}, {"type": "websocket.close", "code": 4001}],
         {"http_response_status_code": "101", "websocket_close_code_class": "4xxx"}),
        ([{"type": "websocket.accept"}, {"type": "websocket.close", "code": 1011}],
         {"http_response_status_code": "101", "websocket_close_code_class": "1xxx"}),
        ([{"type": "websocket.accept"}, ValueError()],
         {"http_response_status_code": "101", "error_type": "ValueError"}),
        ([ValueError()], {"http_response_status_code": "500", "error_type": "ValueError"}),
    ],
)  # fmt: skip
async def test_how_websockets_end(steps: list[Any], labels: dict[str, str], registry: CollectorRegistry) -> None:
    with suppress(ValueError):
        async with Driver(Metrics(sending(*steps, route=None), registry=registry), websocket_scope()) as call:
            await call.finish()
    found, count = only(registry, "websocket_server_connection_duration_seconds_count")
    assert (found, count) == ({"url_scheme": "ws", **labels}, 1)
    assert only(registry, "websocket_server_active_connections")[1] == 0


async def test_limiters_are_counted_by_policy_and_outcome(registry: CollectorRegistry) -> None:
    app = Metrics(RateLimit(sending(START, END), limit="1/hour", name="hourly"), registry=registry)
    for _ in range(3):
        await request(app)
    counted = samples(registry, "middlewares_rate_limit_requests_total")
    assert counted == {
        (("outcome", "allowed"), ("policy", "hourly")): 1,
        (("outcome", "denied"), ("policy", "hourly")): 2,
    }
    [(labels, refused)] = samples(registry, "middlewares_refusals_total").items()
    assert (dict(labels)["http_response_status_code"], refused) == ("429", 2)


async def test_what_is_excluded_is_not_counted(registry: CollectorRegistry) -> None:
    app = Metrics(sending(START, END), registry=registry, exclude_paths=["/health", "/static/*"])
    for path in ("/health", "/static/a.js"):
        await request(app, path=path)
    assert not samples(registry, f"{PREFIX}request_duration_seconds_count")


async def test_exemplars_are_of_sampled_traces(registry: CollectorRegistry) -> None:
    def tracing(*, is_sampled: bool) -> ASGIApp:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            exchange = scope[EXCHANGE]
            exchange.trace_id, exchange.span_id, exchange.is_sampled = (
                "0af7651916cd43dd8448eb211c80319c",
                "b7" * 8,
                is_sampled,
            )
            await send(START)
            await send(END)

        return Metrics(app, registry=registry)

    await request(tracing(is_sampled=False))
    assert not _exemplars(registry)
    await request(tracing(is_sampled=True))
    [exemplar] = _exemplars(registry)
    assert exemplar.labels == {"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7" * 8}


async def test_ids_that_are_none_cost_the_exemplar_alone(registry: CollectorRegistry) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        exchange = scope[EXCHANGE]
        exchange.trace_id, exchange.span_id, exchange.is_sampled = "none", "none", True
        await send(START)
        await send(END)

    await request(Metrics(app, registry=registry))
    assert not _exemplars(registry)
    for name in ("request_duration_seconds", "request_body_size_bytes", "response_body_size_bytes"):
        assert only(registry, f"{PREFIX}{name}_count")[1] == 1


async def test_durations_end_with_the_last_byte_for_all_who_watch(registry: CollectorRegistry) -> None:
    told: list[dict[str, Any]] = []

    def keep(at: float, level: str, record: dict[str, Any]) -> str:
        told.append(record)
        return ""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(PART)
        await anyio.sleep(0.02)
        await send(END)
        assert len(told) == 1, "not before the background has ended"

    await request(Metrics(AccessLog(app, format=keep), registry=registry))
    duration = only(registry, f"{PREFIX}request_duration_seconds_sum")[1]
    first_byte = only(registry, f"{PREFIX}time_to_first_byte_seconds_sum")[1]
    assert 0 < first_byte < duration - 0.015
    assert told[0]["http.server.request.duration"] == round(duration, 6)


@pytest.mark.parametrize("is_outside", [True, False])
async def test_an_exception_is_one_series_inside_and_outside_of_a_framework(
    is_outside: bool, registry: CollectorRegistry
) -> None:
    def fail(request: Any) -> None:
        raise ValueError

    framework = Starlette(routes=[Route("/items/{id}", fail)])
    if is_outside:
        app: ASGIApp = Metrics(framework, registry=registry)
    else:
        framework.add_middleware(Metrics, registry=registry)
        app = framework
    await request(app, path="/items/1", raise_exceptions=False)
    labels = {"http_request_method": "GET", "url_scheme": "http", "http_response_status_code": "500"}
    expected = {**labels, "http_route": "/items/{id}", "error_type": "ValueError"}
    assert only(registry, f"{PREFIX}request_duration_seconds_count") == (expected, 1)


def _exemplars(registry: CollectorRegistry) -> list[Any]:
    return [sample.exemplar for metric in registry.collect() for sample in metric.samples if sample.exemplar]


async def test_known_methods_can_be_listed(registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "GET,PURGE")
    app = Metrics(sending(START, END), registry=registry)
    for method in ("GET", "PURGE", "POST", "get"):
        await request(app, method)
    counts = samples(registry, f"{PREFIX}request_duration_seconds_count")
    assert {dict(labels)["http_request_method"]: count for labels, count in counts.items()} == {
        "GET": 1,
        "PURGE": 1,
        "_OTHER": 2,
    }
