"""Real servers take a stack for an ASGI 3 application, whatever kind of application is inside."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import httpx
import pytest
import uvicorn
from asgiref.compatibility import is_double_callable
from hypercorn.utils import is_asgi

from tests.interop import apps, stacked
from tests.interop.servers import SERVERS, ServerNotStarted, serve

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp
    from tests.interop.servers import RunningServer

KINDS = ("plain", "partial_app", "asgi2", "wsgi")

STACKED = [
    pytest.param((server, f"tests.interop.stacked:{kind}"), id=f"{server}-{kind}")
    for server in SERVERS
    for kind in KINDS
]


def fetch(server: RunningServer, coding: str, **headers: str) -> tuple[httpx.Response, bytes]:
    """Return the response and its body as it came over the wire, still encoded."""
    headers |= {"accept-encoding": coding}
    with (
        httpx.Client(trust_env=False) as client,
        client.stream("GET", f"{server.url}/products", headers=headers) as response,
    ):
        return response, b"".join(response.iter_raw())


@pytest.mark.parametrize("server", STACKED, indirect=True)
def test_a_stack_compresses_what_any_kind_of_application_answers(server: RunningServer) -> None:
    as_is, body = fetch(server, "identity")
    assert as_is.status_code == 200
    assert "content-encoding" not in as_is.headers
    assert body == apps.BODY

    compressed, encoded = fetch(server, "gzip")
    assert compressed.status_code == 200
    assert compressed.headers["content-encoding"] == "gzip"
    assert "accept-encoding" in compressed.headers["vary"].lower()
    assert len(encoded) < len(body)
    assert gzip.decompress(encoded) == body


@pytest.mark.parametrize("server", STACKED, indirect=True)
def test_a_stack_lets_the_allowed_origin_and_no_other_read_the_answer(server: RunningServer) -> None:
    allowed, _ = fetch(server, "gzip", origin=stacked.ORIGIN)
    assert allowed.headers["access-control-allow-origin"] == stacked.ORIGIN
    other, _ = fetch(server, "gzip", origin="http://other.localhost")
    assert other.headers.get("access-control-allow-origin") in {None, stacked.ORIGIN}  # but never that origin or *


@pytest.mark.parametrize("app", [getattr(stacked, kind) for kind in KINDS], ids=KINDS)
def test_the_ways_in_which_servers_recognise_asgi_3_agree_on_a_stack(app: ASGIApp) -> None:
    config = uvicorn.Config(app, log_config=None)
    config.load()
    assert config.interface == "asgi3"
    assert is_asgi(app)
    assert not is_double_callable(app)  # type: ignore[no-untyped-call]  # asgiref has no annotations


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_that_cannot_start_says_why(name: str) -> None:
    with (
        pytest.raises(ServerNotStarted, match=r"(?s)It printed:.*no_such_module"),
        serve(name, "tests.interop.no_such_module:app"),
    ):
        pytest.fail("the block must not be entered")
