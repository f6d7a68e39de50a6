"""Attributes of requests: the names and types of the conventions, made of whatever strangers send."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult, StaticSampler
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from middlewares import Tracing
from middlewares.core.exchange import Exchange
from middlewares.testing import http_scope, request, websocket_scope
from middlewares.tracing.attributes import (
    REDACTED_PARAMETERS,
    Description,
    RequestAttributes,
    captured,
    compile_redaction,
    text,
)
from middlewares.tracing.instruments import BUCKETS
from middlewares.tracing.methods import Methods
from tests.tracing.collected import route_app

VECTORS = Path(os.environ.get("TEST_VECTORS", "/nowhere")) / "semconv"

OUR_TABLE = {
    "client.address": "string",
    "error.type": "enum",
    "http.request.header": "template[string[]]",
    "http.request.method": "enum",
    "http.request.method_original": "string",
    "http.response.header": "template[string[]]",
    "http.response.status_code": "int",
    "http.route": "string",
    "network.peer.address": "string",
    "network.peer.port": "int",
    "network.protocol.name": "string",
    "network.protocol.version": "string",
    "server.address": "string",
    "server.port": "int",
    "url.path": "string",
    "url.query": "string",
    "url.scheme": "string",
    "user_agent.original": "string",
}
"""Each attribute that spans and measurements have, and its type in the conventions."""


def attributes(scope: Any) -> dict[str, Any]:
    return dict(RequestAttributes(scope, Description(Methods(), compile_redaction(REDACTED_PARAMETERS), {})))


RELEVANT = {
    "client.address",
    "http.request.header",
    "http.request.method",
    "server.address",
    "server.port",
    "url.path",
    "url.query",
    "url.scheme",
    "user_agent.original",
}
"""What the conventions mark as relevant for samplers."""


def read(name: str) -> Any:
    """Return a file of the model of the conventions, if that is there."""
    file = VECTORS / name
    return yaml.safe_load(file.read_text()) if file.exists() else {}


def test_names_and_types_are_those_of_the_conventions() -> None:
    model: dict[str, Any] = {}
    for name in ("client", "error", "http", "network", "server", "url", "user-agent"):
        registry = read(f"{name}_registry.yaml")
        model |= {found["id"]: found for group in registry.get("groups", ()) for found in group["attributes"]}
        model |= {found["key"]: found for found in registry.get("attributes", ())}
    types = {name: "enum" if isinstance(found["type"], dict) else found["type"] for name, found in model.items()}
    assert {name: types[name] for name in OUR_TABLE if types} in (OUR_TABLE, {})
    assert all(model[name]["stability"] == "stable" for name in OUR_TABLE if model)


def test_what_samplers_may_ask_for_is_there_from_the_beginning() -> None:
    for group in read("http_spans.yaml").get("groups", ()):
        if group["id"] == "span.http.server":
            assert {found["ref"] for found in group["attributes"] if found.get("sampling_relevant")} == RELEVANT
    scope = http_scope(query="a=1", headers={"host": "shop.example", "user-agent": "curl"})
    found = dict(RequestAttributes(scope, Description(Methods(), str, {b"host": False})))
    assert RELEVANT - {"http.request.header"} <= found.keys()
    assert "http.request.header.host" in found


def test_our_table_names_every_attribute() -> None:
    scope = http_scope("ODD", query="a=1", headers={"host": "shop.example", "user-agent": "curl"})
    found = attributes(scope) | attributes(websocket_scope())
    assert found.keys() == OUR_TABLE.keys() - {
        "error.type",
        "http.request.header",
        "http.response.header",
        "http.response.status_code",
        "http.route",
    }
    types = {"string": str, "enum": str, "int": int}
    assert all(type(value) is types[OUR_TABLE[name]] for name, value in found.items())


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("a=1&sig=abc&b=2", "a=1&sig=REDACTED&b=2"),
        ("sig=abc", "sig=REDACTED"),
        ("sig=a=b&c=d", "sig=REDACTED&c=d"),
        ("sig=", "sig=REDACTED"),
        ("sig", "sig"),
        ("sig=1&sig=2", "sig=REDACTED&sig=REDACTED"),
        ("SIG=1&design=1&sign=2&x-sig=3", "SIG=1&design=1&sign=2&x-sig=3"),
        ("a=%20+%zz&&=;b", "a=%20+%zz&&=;b"),
        ("a=1;sig=2;c=3", "a=1;sig=REDACTED;c=3"),
        ("a=%41&%73ig=%31&b=%zz", "a=%41&%73ig=REDACTED&b=%zz"),
        ("X-Amz-%53ignature=1&%58-amz-Signature=2", "X-Amz-%53ignature=REDACTED&%58-amz-Signature=2"),
        ("%73%69%67=1;s%69g=2&sig=3&%2573ig=4", "%73%69%67=REDACTED;s%69g=REDACTED&sig=REDACTED&%2573ig=4"),
        ("%73ig&%73igx=1&a%26sig=1&a=%26sig=2", "%73ig&%73igx=1&a%26sig=1&a=%26sig=2"),
        *((f"x=1&{name}=secret&y=2", f"x=1&{name}=REDACTED&y=2") for name in REDACTED_PARAMETERS),
    ],
)
def test_secrets_in_a_query_are_replaced_and_all_else_is_as_it_was_sent(query: str, shown: str) -> None:
    assert attributes(http_scope(query=query))["url.query"] == shown


@given(st.text("sig%7369=&;+", max_size=40))
def test_no_encoding_of_a_name_hides_it_from_redaction(query: str) -> None:
    shown = compile_redaction(["sig"])(query)
    for pair, sent in zip(re.split("[&;]", shown), re.split("[&;]", query), strict=True):
        name, equals, _ = sent.partition("=")
        assert pair == (f"{name}=REDACTED" if equals and unquote_plus(name) == "sig" else sent)


@pytest.mark.parametrize("name", ["a+b", "a%20b", "%61+b"])
def test_a_space_in_a_name_is_redacted_however_it_is_written(name: str) -> None:
    assert compile_redaction(["a b"])(f"x=1&{name}=2") == f"x=1&{name}=REDACTED"


def test_a_query_of_percent_signs_takes_linear_time() -> None:
    redact = compile_redaction(["sig"])
    assert redact("%" * 1_000_000) == "%" * 1_000_000


def test_nothing_needs_to_be_replaced() -> None:
    assert compile_redaction(())("sig=1") == "sig=1"


@pytest.mark.parametrize(
    ("host", "scheme", "expected"),
    [
        ("shop.example", "http", ("shop.example", 80)),
        ("Shop.Example:8080", "http", ("shop.example", 8080)),
        ("shop.example:", "https", ("shop.example", 443)),
        ("[2001:db8::1]:8000", "http", ("2001:db8::1", 8000)),
        ("[::1]", "https", ("::1", 443)),
        ("shop.example", "ftp", ("shop.example", None)),
        ("shop.example:0", "http", ("shop.example", 80)),
        ("shop.example:99999", "http", ("shop.example", 80)),
        ("shop.example:999999", "http", (None, None)),
        ("user@shop.example", "http", (None, None)),
        ("shop.example/path", "http", (None, None)),
        ("a b", "http", (None, None)),
        ("", "http", (None, None)),
        ("[::1", "http", (None, None)),
        ("caf\u00e9", "http", (None, None)),
        ("a" * 300, "http", (None, None)),
    ],
)
def test_the_server_is_the_one_that_the_client_asked_for(host: str, scheme: str, expected: Any) -> None:
    found = attributes(http_scope(headers=[("host", host), ("host", "second")], scheme=scheme))
    assert (found.get("server.address"), found.get("server.port")) == expected


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        (("10.0.0.1", 8000), ("10.0.0.1", 8000)),
        (("/run/app.sock", None), ("/run/app.sock", None)),
        (None, (None, None)),
    ],
)
def test_without_host_the_server_is_the_socket(server: Any, expected: Any) -> None:
    found = attributes(http_scope(server=server))
    assert (found.get("server.address"), found.get("server.port")) == expected


@pytest.mark.parametrize(
    ("client", "address", "peer"),
    [
        (("192.0.2.1", 4711), "192.0.2.1", "192.0.2.1"),
        (("203.0.113.7", 0), "203.0.113.7", None),  # taken from a header by a layer further out
        (("", 0), None, None),
        (None, None, None),
    ],
)
def test_the_peer_is_the_socket_or_is_not_told(client: Any, address: str | None, peer: str | None) -> None:
    found = attributes(http_scope(client=client))
    assert (found.get("client.address"), found.get("network.peer.address")) == (address, peer)
    assert ("network.peer.port" in found) == (peer is not None)


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        (["203.0.113.7:4711"], ("203.0.113.7", 4711)),
        (["198.51.100.1", "203.0.113.7:4711, 10.0.0.1"], ("203.0.113.7", 4711)),
        (["[2001:db8::7]:4711"], ("2001:db8::7", 4711)),
    ],
)
async def test_a_client_that_a_proxy_told_of_with_its_port_is_not_the_peer(forwarded: list[str], client: Any) -> None:
    """As uvicorn takes it."""
    found: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        found.append(attributes(scope))
        await route_app({**scope, "middlewares.exchange": Exchange()}, receive, send)

    headers = [("x-forwarded-for", value) for value in forwarded]
    behind: Any = ProxyHeadersMiddleware(app, ["127.0.0.1", "10.0.0.1"])
    await request(behind, headers=headers, client=("127.0.0.1", 55))
    assert (found[0]["client.address"], found[0].get("network.peer.address")) == (client[0], None)
    direct = attributes(http_scope(headers=headers, client=("192.0.2.1", 4711)))
    assert direct["network.peer.address"] == "192.0.2.1"


def test_a_header_that_is_repeated_without_end_is_kept_in_part() -> None:
    found = captured("http.request.header.", {b"x-odd": False}, [(b"X-Odd", b"%d" % number) for number in range(1000)])
    assert found == {"http.request.header.x-odd": [str(number) for number in range(32)]}


@pytest.mark.parametrize(
    ("path", "raw", "shown"),
    [
        ("/caf\u00e9", b"/caf%C3%A9", "/caf%C3%A9"),
        ("/a b", None, "/a b"),
        ("/a", b"/a?b=c", "/a"),
        ("/\udcff", None, "/?"),
        ("/\xff", b"/\xff", "/\xff"),
    ],
)
def test_the_path_is_as_it_was_sent(path: str, raw: bytes | None, shown: str) -> None:
    assert attributes({**http_scope(), "path": path, "raw_path": raw})["url.path"] == shown


@given(st.binary(max_size=30))
def test_any_header_becomes_text_that_can_be_exported(value: bytes) -> None:
    assert len(text(value).encode()) >= len(value)
    found = attributes(http_scope(headers=[(b"host", value), (b"user-agent", value)], query=value))
    assert [str(part).encode().decode() for part in found.values()] == [str(part) for part in found.values()]
    assert captured("x.", {value.lower(): False}, [(value, value)]) == {
        "x." + value.lower().decode("latin-1"): [text(value)]
    }


def test_values_are_bounded() -> None:
    found = attributes(
        http_scope(headers=[("user-agent", "x" * 100_000)], query="q" * 100_000, path="/" + "p" * 99_999)
    )
    assert {name for name, value in found.items() if len(str(value)) > 1000} == {
        "user_agent.original",
        "url.query",
        "url.path",
    }
    assert max(len(str(value)) for value in found.values()) == 8192


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b"x" * 8191 + "\u00e9t\u00e9".encode(), "x" * 8191),
        ("\u00e9".encode() * 4096 + b"tail", "\u00e9" * 4096),
        (b"\xe9" * 8193, "\u00e9" * 8192),
    ],
)
def test_what_is_cut_ends_with_a_whole_character(value: bytes, shown: str) -> None:
    assert text(value) == shown


def test_buckets_are_those_of_the_conventions() -> None:
    assert BUCKETS == (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)


class TestSamplers:
    """What decides whether a span is taken."""

    async def test_one_that_reads_no_attributes_makes_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from opentelemetry.sdk.trace import TracerProvider

        def fail(*_: Any) -> Any:
            raise AssertionError("built although nobody looks")

        monkeypatch.setattr("middlewares.tracing.attributes._attributes", fail)
        provider = TracerProvider(sampler=StaticSampler(Decision.DROP), shutdown_on_exit=False)
        assert (await request(Tracing(route_app, tracer_provider=provider))).status == 200

    async def test_one_that_decides_by_attributes_finds_them(self, spans: Any) -> None:
        seen: dict[str, Any] = {}

        class ByPath(Sampler):
            def should_sample(self, *arguments: Any, **options: Any) -> SamplingResult:
                found = arguments[4]
                seen.update(found)
                assert "nothing" not in found
                assert (len(found), [*found]) == (len(seen), [*seen])
                assert [*found.values()] == [*seen.values()]
                is_wanted = found["url.path"].startswith("/users")
                return SamplingResult(Decision.RECORD_AND_SAMPLE if is_wanted else Decision.DROP, found)

            def get_description(self) -> str:
                return "by path"

        spans.provider.sampler = ByPath()
        layer = Tracing(route_app, tracer_provider=spans.provider)
        await request(layer, path="/other")
        await request(layer, path="/users/7")
        assert seen["url.path"] == "/users/7"
        assert spans.one.name == "GET /users/{id}"
