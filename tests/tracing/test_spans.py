"""One span for each request: its name, its attributes, and when it begins and ends."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from middlewares import Tracing
from middlewares.testing import Driver, http_scope, request
from tests.tracing.collected import PARENT, Collected, answer, answering, attributes_of, ending, route_app


async def test_a_span_says_all_that_is_known_of_its_request(spans: Collected) -> None:
    headers = {"host": "shop.example:8443", "user-agent": "curl/8", **PARENT}
    await request(
        Tracing(route_app, tracer_provider=spans.provider),
        "GET",
        "/users/7",
        query="page=2",
        headers=headers,
        scheme="https",
        client=("192.0.2.1", 4711),
    )
    assert spans.one.name == "GET /users/{id}"
    assert spans.one.kind is SpanKind.SERVER
    assert attributes_of(spans.one) == {
        "http.request.method": "GET",
        "url.scheme": "https",
        "url.path": "/users/7",
        "url.query": "page=2",
        "network.protocol.version": "1.1",
        "user_agent.original": "curl/8",
        "server.address": "shop.example",
        "server.port": 8443,
        "client.address": "192.0.2.1",
        "network.peer.address": "192.0.2.1",
        "network.peer.port": 4711,
        "http.route": "/users/{id}",
        "http.response.status_code": 200,
    }
    assert ending(spans.one) == (200, None, StatusCode.UNSET, None)
    assert spans.one.instrumentation_scope is not None
    assert spans.one.instrumentation_scope.name == "middlewares.tracing"
    assert spans.one.instrumentation_scope.schema_url == "https://opentelemetry.io/schemas/1.44.0"


@pytest.mark.parametrize(
    ("method", "name", "known", "original"),
    [
        ("GET", "GET", "GET", None),
        ("QUERY", "QUERY", "QUERY", None),
        ("get", "HTTP", "_OTHER", "get"),
        ("BREW", "HTTP", "_OTHER", "BREW"),
        ("\ud800", "HTTP", "_OTHER", "?"),
    ],
)
async def test_the_name_holds_a_known_method_and_never_the_path(
    method: str, name: str, known: str, original: str | None, spans: Collected
) -> None:
    scope = {**http_scope(path="/users/7"), "method": method}
    async with Driver(Tracing(answering(404), tracer_provider=spans.provider), scope) as call:
        await call.finish()
    assert spans.one.name == name
    assert attributes_of(spans.one)["http.request.method"] == known
    assert attributes_of(spans.one).get("http.request.method_original") == original


@pytest.mark.parametrize("is_outside", [True, False])
async def test_the_route_is_the_one_of_the_framework(is_outside: bool, spans: Collected) -> None:
    async def user(request: Any) -> Any:
        return PlainTextResponse(request.path_params["id"])

    layer = Middleware(Tracing, tracer_provider=spans.provider)
    routes = [Mount("/shop/{tenant}", routes=[Route("/users/{id}", user)])]
    app: Any = Starlette(routes=routes, middleware=[] if is_outside else [layer])
    app = Tracing(app, tracer_provider=spans.provider) if is_outside else app
    assert (await request(app, path="/shop/blue/users/7")).text == "7"
    await request(app, path="/nowhere")
    assert [span.name for span in spans.servers] == ["GET /shop/{tenant}/users/{id}", "GET"]
    assert [attributes_of(span).get("http.route") for span in spans.servers] == ["/shop/{tenant}/users/{id}", None]


async def test_background_work_is_not_in_the_duration(spans: Collected) -> None:
    """The span ends with the last byte; what the application begins afterwards is its child all the same."""
    tracer = spans.provider.get_tracer("app")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send)
        assert [span.kind for span in spans.all] == [SpanKind.SERVER]
        assert not trace.get_current_span().is_recording()
        with tracer.start_as_current_span("background"):
            pass

    await request(Tracing(app, tracer_provider=spans.provider))
    server, background = spans.all
    assert server.context is not None
    assert background.parent is not None
    assert background.parent.span_id == server.context.span_id


async def test_a_span_that_the_application_has_ended_is_left_alone(
    spans: Collected, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        trace.get_current_span().end()
        await answer(send)

    await request(Tracing(app, tracer_provider=spans.provider))
    assert attributes_of(spans.one).get("http.response.status_code") is None
    assert not caplog.records


async def test_what_the_application_adds_to_the_span_stays(spans: Collected) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        trace.get_current_span().set_attribute("enduser.id", "ada")
        await answer(send)

    await request(Tracing(app, tracer_provider=spans.provider))
    assert attributes_of(spans.one)["enduser.id"] == "ada"


async def test_captured_headers_are_lists_and_secrets_are_not_told(spans: Collected) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"ETag", b'"1"'), (b"set-cookie", b"id=1"), (b"set-cookie", b"id=2"), (b"x-other", b"1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body"})

    layer = Tracing(
        app,
        tracer_provider=spans.provider,
        capture_request_headers=["Accept", "Authorization", "x-missing"],
        capture_response_headers=["etag", "Set-Cookie"],
    )
    sent = [("Accept", "a"), ("accept", "b"), ("authorization", "Bearer secret"), ("x-other", "1")]
    await request(layer, headers=sent)
    found = {name: value for name, value in attributes_of(spans.one).items() if ".header." in name}
    assert found == {
        "http.request.header.accept": ("a", "b"),
        "http.request.header.authorization": ("REDACTED",),
        "http.response.header.etag": ('"1"',),
        "http.response.header.set-cookie": ("REDACTED", "REDACTED"),
    }


async def test_what_is_redacted_is_an_option(spans: Collected) -> None:
    layer = Tracing(
        answering(200),
        tracer_provider=spans.provider,
        capture_request_headers=["cookie", "x-token"],
        redact_headers=["X-Token"],
        redact_parameters=["key"],
    )
    await request(layer, query="key=1&sig=2", headers={"cookie": "a=1", "x-token": "b"})
    found = attributes_of(spans.one)
    assert found["url.query"] == "key=REDACTED&sig=2"
    assert found["http.request.header.cookie"] == ("a=1",)
    assert found["http.request.header.x-token"] == ("REDACTED",)


@pytest.mark.parametrize("path", ["/health", "/healthz", "/readyz", "/metrics", "/app/metrics"])
async def test_monitoring_is_not_traced(path: str, spans: Collected) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert trace.get_current_span() is trace.INVALID_SPAN
        await answer(send)

    root_path = "/app" if path.startswith("/app") else ""
    await request(Tracing(app, tracer_provider=spans.provider), path=path, root_path=root_path, headers=PARENT)
    assert not spans.all


async def test_other_scopes_pass(spans: Collected) -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    await Tracing(app, tracer_provider=spans.provider)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]  # passed on as they are
    assert seen == ["lifespan"]
    assert not spans.all
