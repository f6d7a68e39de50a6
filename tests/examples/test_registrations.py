"""Every way to put the middlewares around the shop gives the same answers."""

from __future__ import annotations

import gzip
import tomllib
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import examples
from examples.shop.catalog import CATALOG

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from httpx import AsyncClient
    from starlette.types import ASGIApp

    Opened = Callable[[ASGIApp], AbstractAsyncContextManager[AsyncClient]]

EXAMPLES = ["plain_wrapping", "starlette_registration", "fastapi_registration", "from_file"]
FOLDER = Path(examples.__file__).parent
ALLOWED = "http://localhost:3000"
FOREIGN = "http://evil.example"


@pytest.fixture(params=EXAMPLES)
async def client(request: pytest.FixtureRequest, opened: Opened) -> AsyncIterator[AsyncClient]:
    async with opened(import_module(f"examples.{request.param}").app) as client:
        yield client


def vary(headers: Any) -> set[str]:
    return {name.strip().lower() for name in headers.get("vary", "").split(",")} - {""}


def test_every_program_is_listed():
    assert sorted(EXAMPLES) == sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


async def test_products_are_compressed_for_who_accepts_it(client: AsyncClient):
    async with client.stream("GET", "/products", headers={"accept-encoding": "gzip"}) as response:
        raw = b"".join([chunk async for chunk in response.aiter_raw()])
    assert response.status_code == 200
    assert response.headers["content-encoding"] == "gzip"
    assert response.headers["content-type"] == "application/json"
    assert response.headers.get("content-length", str(len(raw))) == str(len(raw))
    assert "accept-encoding" in vary(response.headers)
    assert len(raw) < len(CATALOG.document.body) / 4
    assert gzip.decompress(raw) == CATALOG.document.body


async def test_products_are_plain_for_who_does_not_accept_it(client: AsyncClient):
    response = await client.get("/products", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in response.headers
    assert "accept-encoding" in vary(response.headers)  # or a cache would hand this to everyone
    assert response.content == CATALOG.document.body


async def test_short_answers_are_not_compressed(client: AsyncClient):
    response = await client.get("/products?q=no+such+thing", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in response.headers
    assert response.json() == []


async def test_allowed_origin_may_read_the_answer(client: AsyncClient):
    response = await client.get("/products", headers={"origin": ALLOWED, "accept-encoding": "gzip"})
    assert response.headers["access-control-allow-origin"] == ALLOWED
    assert vary(response.headers) >= {"origin", "accept-encoding"}
    assert response.content == CATALOG.document.body


async def test_foreign_origin_may_not_read_the_answer(client: AsyncClient):
    response = await client.get("/products", headers={"origin": FOREIGN})
    assert "access-control-allow-origin" not in response.headers
    assert "origin" in vary(response.headers)


async def test_preflight_of_an_allowed_origin_succeeds(client: AsyncClient):
    response = await preflight(client, ALLOWED, "POST")
    assert response.is_success
    assert response.headers["access-control-allow-origin"] == ALLOWED
    assert "POST" in response.headers["access-control-allow-methods"]
    assert "content-type" in response.headers["access-control-allow-headers"].lower()
    assert response.headers["access-control-max-age"] == "600"


@pytest.mark.parametrize(("origin", "method"), [(FOREIGN, "POST"), (ALLOWED, "DELETE")])
async def test_preflight_of_another_origin_or_method_is_refused(client: AsyncClient, origin: str, method: str):
    """A browser takes a preflight for refused when the origin or the method is missing from its answer."""
    response = await preflight(client, origin, method)
    allows_origin = response.headers.get("access-control-allow-origin") in {"*", origin}
    allows_method = method in response.headers.get("access-control-allow-methods", "")
    assert not (allows_origin and allows_method)


async def preflight(client: AsyncClient, origin: str, method: str) -> Any:
    headers = {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": "content-type",
    }
    return await client.options("/products/1/reviews", headers=headers)


async def test_disabled_entry_works_once_it_is_turned_on(tmp_path: Path, opened: Opened):
    """The entry that waits in the file is right, though nothing runs it: hosts are refused except at /healthz."""
    from examples.shop.app import app
    from middlewares import from_config

    text = (FOLDER / "middlewares.toml").read_text()
    entries = tomllib.loads(text)["middleware"]
    assert [entry["use"] for entry in entries if entry.get("enabled", True)] == [
        "request_id",
        "access_log",
        "server_timing",
        "health",
        "problem_details",
        "compress",
        "decompress",
        "cors",
        "sessions",
        "rate_limit",
        "maintenance",
        "timeout",
        "concurrency_limit",
        "drain",
        "metrics",
        "tracing",
        "publish_route",
    ]
    file = tmp_path / "middlewares.toml"
    file.write_text(text.replace("enabled = false", "enabled = true"))
    async with opened(from_config(file)(app)) as client:
        assert (await client.get("/products")).status_code == 400
        assert (await client.get("/products", headers={"host": "localhost"})).status_code == 200
        assert (await client.get("/healthz")).status_code == 200
