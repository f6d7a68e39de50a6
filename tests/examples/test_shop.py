"""The shop answers every kind of request that the other suites and the documentation rely on."""

from __future__ import annotations

import csv
import json
import time
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from examples.shop import app as shop_module
from examples.shop.app import app
from examples.shop.catalog import CATALOG, make_catalog
from middlewares import Sessions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from httpx import AsyncClient
    from starlette.types import ASGIApp, Message

    Opened = Callable[[ASGIApp], AbstractAsyncContextManager[AsyncClient]]

SITE = Path(shop_module.__file__).parent / "site"
KEY = "0m5hQ0eD7p2Zr8wLxTngv1yXkQYJb4Sg"
PINNED_ETAG = '"657e917c773d43ad39d3306cc38300ba"'


@pytest.fixture
async def client(opened: Opened) -> AsyncIterator[AsyncClient]:
    async with opened(app) as client:
        yield client


def test_catalog_is_the_same_in_every_process():
    assert make_catalog().document == CATALOG.document
    assert CATALOG.document.etag == PINNED_ETAG


async def test_products_are_300_with_length_and_entity_tag(client: AsyncClient):
    response = await client.get("/products")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert int(response.headers["content-length"]) == len(response.content)
    assert response.headers["etag"] == PINNED_ETAG
    products = response.json()
    assert [product["id"] for product in products] == list(range(1, 301))


@pytest.mark.parametrize(
    ("held", "status"),
    [("{tag}", 304), ("W/{tag}", 304), ('"other", W/{tag}', 304), ("*", 304), ('"other"', 200), ("", 200)],
)
async def test_products_are_not_sent_to_who_has_them(client: AsyncClient, held: str, status: int):
    tag = CATALOG.document.etag
    response = await client.get("/products", headers={"if-none-match": held.format(tag=tag)})
    assert (response.status_code, response.headers["etag"]) == (status, tag)
    assert bool(response.content) is (status == 200)


async def test_products_are_found_by_text_and_category(client: AsyncClient):
    everything = (await client.get("/products")).json()
    for params, expected in [
        ({"category": "music"}, [p for p in everything if p["category"] == "music"]),
        ({"q": "TeaPot"}, [p for p in everything if "teapot" in f"{p['name']} {p['description']}".lower()]),
        ({"q": "teapot", "category": "music"}, []),
        ({"category": "no such"}, []),
    ]:
        found = (await client.get("/products", params=params)).json()
        assert found == expected, params
    assert 0 < len((await client.get("/products", params={"q": "teapot"})).json()) < 300


async def test_product_is_shown_with_its_reviews(client: AsyncClient):
    written = {"rating": 5, "text": "Schön, 速い, 🚲", "author": "Ada"}
    response = await client.post("/products/7/reviews", json=written)
    assert (response.status_code, response.json()) == (201, written)
    shown = (await client.get(response.headers["location"])).json()
    assert shown["id"] == 7
    assert shown["reviews"] == [written]


async def test_reviews_make_room_for_newer_ones(client: AsyncClient):
    for number in range(30):
        await client.post("/products/1/reviews", json={"rating": 3, "text": f"review {number}"})
    reviews = (await client.get("/products/1")).json()["reviews"]
    assert [review["text"] for review in reviews] == [f"review {number}" for number in range(10, 30)]


@pytest.mark.parametrize("path", ["/products/0", "/products/301", "/products/x", "/products/" + "9" * 5000])
async def test_unknown_product_is_not_found(client: AsyncClient, path: str):
    assert (await client.get(path)).status_code == 404
    assert (await client.post(f"{path}/reviews", json={"rating": 1, "text": "?"})).status_code == 404


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "must be JSON"),
        (b"\xff", "must be JSON"),
        (b"[" * 8000, "must be JSON"),
        (b"9" * 8000, "must be JSON"),
        (b"[]", "JSON object"),
        (b'{"rating": 5}', "text must be"),
        (b'{"rating": true, "text": "x"}', "rating must be"),
        (b'{"rating": 6, "text": "x"}', "rating must be"),
        (b'{"rating": NaN, "text": "x"}', "rating must be"),
        (b'{"rating": 5, "text": " "}', "text must be"),
        (b'{"rating": 5, "text": "\\ud800"}', "text must be"),
        (json.dumps({"rating": 5, "text": "x" * 1001}).encode(), "text must be"),
        (b'{"rating": 5, "text": "x", "author": ""}', "author must be"),
        (b'{"rating": 5, "text": "x", "stars": 5}', "'stars' is not known"),
    ],
)
async def test_what_is_no_review_is_refused_with_its_problem(client: AsyncClient, body: bytes, problem: str):
    response = await client.post("/products/1/reviews", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 422
    assert problem in " ".join(response.json()["problems"])
    assert (await client.get("/products/1")).json()["reviews"] == []


async def test_review_must_be_short_and_json(client: AsyncClient):
    for headers, body, status in [
        ({"content-type": "application/json"}, b" " * 9000, 413),
        ({"content-type": "text/plain"}, b"{}", 415),
        ({}, b"{}", 415),
    ]:
        response = await client.post("/products/1/reviews", content=body, headers=headers)
        assert response.status_code == status


async def test_csv_has_the_rows_asked_for(client: AsyncClient):
    response = await client.get("/products.csv", params={"rows": 1000})
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert "content-length" not in response.headers
    rows = list(csv.DictReader(StringIO(response.text)))
    assert [row["row"] for row in rows] == [str(number) for number in range(1, 1001)]
    assert rows[0]["name"] == rows[300]["name"] == CATALOG.products[0].name


@pytest.mark.parametrize("rows", [0, 1, 200, 201])
async def test_csv_ends_at_any_row(client: AsyncClient, rows: int):
    response = await client.get("/products.csv", params={"rows": rows})
    assert len(list(csv.reader(StringIO(response.text)))) == rows + 1


@pytest.mark.parametrize(
    "path",
    [
        "/products.csv?rows=1000001",
        "/products.csv?rows=-1",
        "/products.csv?rows=",
        "/products.csv?rows=1.5",
        "/products.csv?rows=" + "9" * 5000,
        "/events?count=x",
        "/events?count=10001",
        "/events?interval=nan",
        "/events?interval=inf",
        "/slow?seconds=10.5",
        "/slow?seconds=nan",
        "/products?q=" + "x" * 101,
    ],
)
async def test_what_is_out_of_bounds_is_refused(client: AsyncClient, path: str):
    assert (await client.get(path)).status_code == 400


async def test_events_start_with_a_comment_and_tell_when_they_were_sent(client: AsyncClient):
    response = await client.get("/events", params={"count": 3, "interval": 0})
    assert response.headers["content-type"].startswith("text/event-stream")
    comment, *blocks = response.text.removesuffix("\n\n").split("\n\n")
    assert comment.startswith(":")
    for number, block in enumerate(blocks, 1):
        event_id, data = block.split("\n")
        assert event_id == f"id: {number}"
        value = json.loads(data.removeprefix("data: "))
        assert value["number"] == number
        assert value["sent"] == pytest.approx(time.time(), abs=30)
    assert len(blocks) == 3


async def test_home_is_a_page_whose_parts_are_served(client: AsyncClient):
    page = await client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for part, media_type in [("shop.js", "text/javascript"), ("shop.css", "text/css")]:
        assert f'"/site/{part}"' in page.text
        assert (await client.get(f"/site/{part}")).headers["content-type"].startswith(media_type)
    assert "fetch(path)" in (SITE / "shop.js").read_text()
    for category in CATALOG.categories:
        assert f"<option>{category}</option>" in page.text


async def test_manual_is_a_download(client: AsyncClient):
    response = await client.get("/manual")
    assert response.headers["content-disposition"] == 'attachment; filename="manual.txt"'
    assert response.content == (SITE / "manual.txt").read_bytes()
    assert 25_000 < len(response.content) < 35_000


async def test_nobody_logs_in_where_there_are_no_sessions(client: AsyncClient):
    for method, path in [("GET", "/account"), ("POST", "/login"), ("POST", "/logout")]:
        response = await client.request(method, path, json={"user": "ada"})
        assert response.status_code == 501
        assert "put `Sessions` around the shop" in response.text


async def test_who_logs_in_is_known_until_the_logout(opened: Opened):
    async with opened(Sessions(app, secret_key=KEY, secure=False)) as client:
        assert (await client.post("/login", json={"user": "ada"})).json() == {"user": "ada", "visits": 1}
        assert (await client.get("/account")).json() == {"user": "ada", "visits": 1}
        assert (await client.post("/logout")).status_code == 204
        assert (await client.get("/account")).json() == {"user": None, "visits": 0}


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"user": 7}', b'{"user": ""}', b'{"user": "\\n"}', b"[" * 1000])
async def test_what_is_no_name_does_not_log_in(opened: Opened, body: bytes):
    async with opened(Sessions(app, secret_key=KEY, secure=False)) as client:
        as_json = {"content-type": "application/json"}
        assert (await client.post("/login", content=body, headers=as_json)).status_code == 422
        assert (await client.post("/login", content=body)).status_code == 415
        assert (await client.get("/account")).json()["user"] is None


async def test_slow_sleeps_as_long_as_asked(client: AsyncClient):
    started = time.perf_counter()
    assert (await client.get("/slow?seconds=0.05")).json() == {"slept": 0.05}
    assert time.perf_counter() - started >= 0.05


async def test_error_and_broken_stream_raise(client: AsyncClient):
    with pytest.raises(RuntimeError, match="raised on purpose"):
        await client.get("/error")
    with pytest.raises(RuntimeError, match="broke on purpose"):
        await client.get("/broken-stream")


async def test_healthz_sees_the_state_of_the_lifespan(client: AsyncClient):
    assert (await client.get("/healthz")).json() == {"status": "ok", "products": 300}


@pytest.mark.parametrize(("offered", "chosen"), [([], None), (["echo"], "echo"), (["chat"], None)])
async def test_echo_returns_text_and_bytes(offered: list[str], chosen: str | None):
    incoming: list[Message] = [
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "text": "héllo"},
        {"type": "websocket.receive", "text": ""},
        {"type": "websocket.receive", "bytes": b"\x00\xff", "text": None},
        {"type": "websocket.disconnect", "code": 1000},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return incoming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/echo", "headers": [], "subprotocols": offered}
    await app(scope, receive, send)
    assert sent == [
        {"type": "websocket.accept", "subprotocol": chosen, "headers": []},
        {"type": "websocket.send", "text": "héllo"},
        {"type": "websocket.send", "text": ""},
        {"type": "websocket.send", "bytes": b"\x00\xff"},
    ]
    assert incoming == []
