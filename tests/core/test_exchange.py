"""Layers share one exchange per request: each fact keeps its rule, and nothing outlives the request."""

from __future__ import annotations

import gc
import weakref
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from middlewares import Stack
from middlewares.core.exchange import EXCHANGE, Coding, Each, Exchange, First, Last, OfSpan, hand_back, join
from middlewares.core.refusals import Refusal
from middlewares.testing import http_scope, request

if TYPE_CHECKING:
    from starlette.requests import Request

    from middlewares.asgi import ASGIApp, Receive, Scope, Send


class Reader:
    """A layer that joins, publishes its name inwards, and notes what it reads outwards."""

    def __init__(self, app: ASGIApp, name: str, seen: list[Any]) -> None:
        self.app, self.name, self.seen = app, name, seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange, inner, made = join(scope, self)
        exchange.expose.append(self.name.encode())
        try:
            await self.app(inner, receive, send)
        finally:
            self.seen.append((self.name, made, exchange, list(exchange.expose)))
            exchange.leave(self)


def reader(name: str, seen: list[Any]) -> Any:
    return lambda app: Reader(app, name, seen)


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


# -- the rules of facts


def test_a_missing_fact_is_none_or_an_empty_list():
    exchange = Exchange()
    assert exchange.route is None
    assert exchange.wire_bytes is None
    assert exchange.codings == []


def test_the_first_writer_of_raw_bytes_wins_and_the_last_of_wire_bytes():
    exchange = Exchange()
    exchange.raw_bytes = exchange.wire_bytes = 1
    exchange.raw_bytes = exchange.wire_bytes = 2
    assert (exchange.raw_bytes, exchange.wire_bytes) == (1, 2)


def test_zero_and_none_are_facts_too():
    exchange = Exchange()
    exchange.raw_bytes = 0
    exchange.raw_bytes = 5
    assert exchange.raw_bytes == 0


def test_every_writer_of_a_list_counts_in_order():
    exchange = Exchange()
    exchange.codings.append(Coding(b"gzip"))
    exchange.codings.append(Coding(None, "small"))
    assert [coding.coding for coding in exchange.codings] == [b"gzip", None]


def test_a_list_is_appended_to_and_never_replaced():
    exchange = Exchange()
    with pytest.raises(AttributeError, match="expose collects the facts of every layer: append to it"):
        exchange.expose = [b"etag"]
    assert exchange.expose == []


def test_two_exchanges_share_nothing():
    one, other = Exchange(), Exchange()
    one.expose.append(b"etag")
    one.route = "/a"
    assert (other.expose, other.route) == ([], None)


def test_ids_are_read_off_the_span_unless_they_were_published_by_themselves():
    """Making text of ids takes time, and few ask for it."""
    exchange = Exchange()
    assert (exchange.trace_id, exchange.span_id, exchange.is_sampled) == (None, None, None)
    exchange.span = SimpleNamespace(trace_id=0xABC, span_id=0xDEF, trace_flags=3)
    assert exchange.trace_id == "0" * 29 + "abc"
    assert exchange.span_id == "0" * 13 + "def"
    assert exchange.is_sampled is True
    exchange.trace_id = "of my own"
    assert exchange.trace_id == "of my own"


def test_each_fact_declares_its_rule():
    """Reading a fact from the class gives its declaration, by which documentation lists it."""
    rules = {name: type(getattr(Exchange, name)) for name in Exchange.__annotations__}
    assert rules == {
        "inner_scope": Last,
        "route": First,
        "request_id": First,
        "span": First,
        "trace_id": OfSpan,
        "span_id": OfSpan,
        "is_sampled": OfSpan,
        "is_measured": First,
        "error": First,
        "raw_bytes": First,
        "wire_bytes": Last,
        "expose": Each,
        "response_headers": Each,
        "sessions": Each,
        "codings": Each,
        "quotas": Each,
        "refusals": Each,
        "error_pages": Each,
    }


# -- who makes it, and who joins


def test_the_scope_handed_in_is_not_changed():
    scope = http_scope()
    before = dict(scope)
    exchange, inner, made = join(scope, object())
    assert made
    assert scope == before
    assert inner == {**before, EXCHANGE: exchange}


def test_those_further_in_join_what_the_outermost_made():
    exchange, scope, _ = join(http_scope(), "outer")
    assert join(scope, "inner") == (exchange, scope, False)
    assert join(scope, "innermost") == (exchange, scope, False)


def test_once_its_maker_leaves_an_exchange_is_empty_and_nobody_joins_it():
    exchange, scope, _ = join(http_scope(), "outer")
    join(scope, "inner")
    exchange.route = "/a"
    exchange.leave("inner")
    assert exchange.route == "/a"
    exchange.leave("outer")
    assert (exchange.layers, exchange.facts) == (None, None)
    late, _, made = join(scope, "inner")
    assert made
    assert late is not exchange


def test_leaving_twice_or_unjoined_does_no_harm():
    exchange, _, _ = join(http_scope(), "outer")
    exchange.leave("stranger")
    exchange.route = "/a"
    exchange.leave("stranger")
    assert exchange.route == "/a"
    exchange.leave("outer")
    exchange.leave("outer")
    exchange.clear()
    assert (exchange.layers, exchange.facts) == (None, None)


async def test_a_stack_in_a_mount_in_a_stack_has_one_exchange():
    seen: list[Any] = []
    inner = Stack(reader("c", seen), reader("d", seen))(Starlette(routes=[Route("/x", answer_route)]))
    outer = Stack(reader("a", seen), Stack(reader("b", seen)))(Starlette(routes=[Mount("/sub", inner)]))
    response = await request(outer, path="/sub/x")
    assert response.text == "ok"
    assert [(name, made) for name, made, *_ in seen] == [("d", False), ("c", False), ("b", False), ("a", True)]
    assert len({id(exchange) for _, _, exchange, _ in seen}) == 1
    assert seen[-1][3] == [b"a", b"b", b"c", b"d"]


@pytest.mark.parametrize("dispatched_through", ["the whole stack", "an inner part"])
async def test_a_request_that_the_application_dispatches_has_an_exchange_of_its_own(dispatched_through: str):
    """Several at once too, and whichever layer they enter through: none writes into the enclosing exchange."""
    seen: list[Any] = []
    entrances: dict[str, Reader] = {}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/batch":
            async with anyio.create_task_group() as tasks:
                for part in ("/1", "/2"):
                    tasks.start_soon(entrances[dispatched_through], {**scope, "path": part}, receive, discard)
            await entrances[dispatched_through]({**scope, "path": "/3"}, receive, discard)
        scope[EXCHANGE].expose.append(scope["path"].encode())
        await anyio.lowlevel.checkpoint()
        await answer(scope, receive, send)

    inner = Reader(Reader(app, "c", seen), "b", seen)
    outer = Reader(inner, "a", seen)
    entrances |= {"the whole stack": outer, "an inner part": inner}
    await request(outer, path="/batch")
    *parts, c, b, a = seen
    assert [name for name, *_ in (c, b, a)] == ["c", "b", "a"]
    assert a[3] == [b"a", b"b", b"c", b"/batch"]
    found = {exchange: facts for _, _, exchange, facts in parts}
    assert sorted(facts[-1] for facts in found.values()) == [b"/1", b"/2", b"/3"]
    whole = [b"a", b"b", b"c"] if dispatched_through == "the whole stack" else [b"b", b"c"]
    assert all(facts[:-1] == whole for facts in found.values())


async def test_a_layer_that_is_called_again_after_it_ended_joins_again():
    """So it is behind a layer that tries a request twice."""
    seen: list[Any] = []
    inner = Reader(answer, "inner", seen)

    async def retry(scope: Scope, receive: Receive, send: Send) -> None:
        await inner(scope, receive, discard)
        await inner(scope, receive, send)

    await request(Reader(retry, "outer", seen))
    assert len({id(exchange) for _, _, exchange, _ in seen}) == 1
    assert seen[-1][3] == [b"outer", b"inner", b"inner"]


async def discard(_message: Any) -> None:
    pass


def answer_route(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


# -- what outlives a request: nothing


class Weak(dict[str, Any]):
    """A scope that can be watched."""

    __slots__ = ("__weakref__",)


class Broken(Exception):
    pass


@pytest.mark.parametrize("fails", [False, True])
async def test_nothing_is_kept_alive_and_no_cycle_is_made(fails: bool):
    """All is freed by reference counts alone, also where a layer publishes its scope and an exception."""
    watched: list[weakref.ref[Any]] = []
    kept: list[Exchange] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        exchange: Exchange = scope[EXCHANGE]
        innermost = Weak(scope)
        watched.append(weakref.ref(innermost))
        kept.append(exchange)
        exchange.inner_scope = innermost
        exchange.refusals.append(Refusal(status=400, code="test", members={"scope": innermost}))
        if fails:
            error = Broken()
            watched.append(weakref.ref(error))
            exchange.refusals.append(Refusal(status=500, code="test", members={"error": error}))
            try:
                raise error
            finally:
                del error  # or this frame and the exception would hold each other

    seen: list[Any] = []
    layers = Reader(Reader(app, "inner", seen), "outer", seen)

    async def once() -> None:
        with suppress(Broken):
            await layers(http_scope(), discard, discard)  # type: ignore[arg-type]  # never received

    gc.disable()
    try:
        await once()
        while gc.collect():  # what finalizers of earlier tests leave behind takes more than one turn
            pass
        for _ in range(5):
            await once()
        assert [reference() for reference in watched] == [None] * len(watched)
        assert [(exchange.layers, exchange.facts) for exchange in kept] == [(None, None)] * 6
        assert gc.collect() == 0
    finally:
        gc.enable()


# -- handing back


def test_only_additions_are_handed_back():
    outer = http_scope()
    outer["user"] = before = object()
    inner = {**outer, "route": "r", "endpoint": None, "user": "changed", "path": "/changed", "session": {}, "other": 1}
    expected = {**outer, "route": "r", "endpoint": None, "session": inner["session"]}
    hand_back(inner, outer)
    assert outer == expected
    assert outer["user"] is before
    assert outer["session"] is inner["session"]


def test_all_that_frameworks_write_for_others_is_handed_back():
    keys = ("route", "endpoint", "path_params", "path_template", "session", "user", "auth")
    outer: dict[str, Any] = {}
    hand_back(dict.fromkeys(keys, 1), outer)
    assert tuple(outer) == keys


def test_handing_back_to_the_same_scope_does_nothing():
    scope = {**http_scope(), "user": 1}
    before = dict(scope)
    hand_back(scope, scope)
    assert scope == before
