"""Tables of routes are built once, anew when the application has changed, and live as long as it."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, Router

from middlewares.core import route_tables
from middlewares.core.exchange import Exchange
from middlewares.core.routes import route_template
from middlewares.testing import request
from tests.routes.probe import Probe

if TYPE_CHECKING:
    from starlette.requests import Request

    from middlewares.asgi import ASGIApp, Receive, Scope, Send


async def answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


async def template(app: ASGIApp, path: str) -> str | None:
    seen: list[str | None] = []
    await request(Probe(app, seen), path=path)
    return seen[0]


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of routes of each application that is walked."""
    seen: list[int] = []
    build = route_tables._Table.build

    def counted(self: Any, router: Any) -> None:
        seen.append(len(router.routes))
        build(self, router)

    monkeypatch.setattr(route_tables._Table, "build", counted)
    return seen


class Counting(list[Any]):
    """Routes that count how many of them are looked at."""

    looked_at = 0

    def __iter__(self) -> Any:
        for route in super().__iter__():
            Counting.looked_at += 1
            yield route


async def test_an_application_is_walked_once(walks: list[int]) -> None:
    app = Starlette(routes=[Route(f"/{n}/{{id}}", answer) for n in range(10)])
    for n in range(10):
        assert await template(app, f"/{n}/7") == f"/{n}/{{id}}"
        assert await template(app, f"/{n}/8/nowhere") is None
    assert walks == [10]


@pytest.mark.parametrize("count", [1, 500])
async def test_500_routes_cost_as_1(count: int) -> None:
    """Once the table is there, no route but the matched one is looked at."""
    scopes: list[Scope] = []

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        await inner(scope, receive, send)
        scopes.append(scope)

    routes = [Mount(f"/{n}", routes=[Route("/{id}", answer)]) for n in range(count)]
    inner = Starlette(routes=routes)
    await request(noting, path=f"/{count - 1}/7")
    inner.router.routes = Counting(inner.router.routes)
    assert route_template(scopes[0], Exchange()) == f"/{count - 1}/{{id}}"
    Counting.looked_at = 0
    for _ in range(3):
        assert route_template(scopes[0], Exchange()) == f"/{count - 1}/{{id}}"
    assert Counting.looked_at == 0


@pytest.mark.parametrize("where", ["outer", "inner"])
async def test_routes_that_are_added_later_are_known(where: str) -> None:
    inner = Starlette(routes=[Route("/old", answer)])
    app = Starlette(routes=[Mount("/t/{tenant}", inner)])
    assert await template(app, "/t/x/old") == "/t/{tenant}/old"
    if where == "outer":
        app.router.routes.insert(0, Route("/t/x/new", answer))
        assert await template(app, "/t/x/new") == "/t/x/new"
    else:
        inner.router.routes.append(Route("/new", answer))
        assert await template(app, "/t/x/new") == "/t/{tenant}/new"


async def test_routes_that_are_replaced_are_known_by_what_they_are_now() -> None:
    app = Starlette()
    for n in range(100):  # identities are used again
        app.router.routes[:] = [Route(f"/{n}", answer)]
        assert await template(app, f"/{n}") == f"/{n}"


async def test_an_application_that_makes_routes_as_it_runs_is_not_walked_for_each(
    walks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route_tables, "_MOST_STRANGERS", 100)

    async def dynamic(scope: Scope, receive: Receive, send: Send) -> None:
        app = Starlette(routes=[Route("/made/{id}", answer)])
        await app(scope, receive, send)

    app = Starlette(routes=[Mount("/dynamic/{d}", dynamic), *(Route(f"/{n}", answer) for n in range(20))])
    for _ in range(400):
        assert await template(app, "/dynamic/1/made/7") == "/dynamic/{d}/made/{id}"
    assert walks.count(21) < 50
    assert len(route_tables._table(app.router).known) < 200
    app.router.routes.append(Route("/new", answer))
    assert await template(app, "/new") == "/new"


async def test_what_cannot_be_looked_into_is_remembered(walks: list[int]) -> None:
    inner = Starlette(routes=[Route("/{id}", answer)])

    async def hidden(scope: Scope, receive: Receive, send: Send) -> None:
        await inner(scope, receive, send)

    app = Starlette(routes=[Mount("/a", hidden), Mount("/b/{c}", hidden)])
    for _ in range(5):
        assert await template(app, "/a/7") == "/a/{id}"
        assert await template(app, "/b/8/7") == "/b/{c}/{id}"
    assert walks == [2, 2, 1]


async def test_an_application_that_is_mounted_in_itself_is_walked_within_bounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(route_tables, "_MOST_ROUTES", 1000)
    app = Starlette(routes=[Route("/x", answer)])
    app.router.routes += [Mount("/a", app), Mount("/b", app)]
    assert await template(app, "/x") == "/x"
    assert await template(app, "/a/x") == "/a/x"
    assert await template(app, "/b/a/x") in ("/b/a/x", "/x")  # beyond the bound, the first place is taken


async def test_a_route_in_several_places_is_told_by_the_path() -> None:
    shared = Router([Route("/{id:int}", answer)])
    app = Starlette(
        routes=[Mount("/a", shared), Mount("/b/{x}", shared), Mount("/b/{x}/{y}", routes=[Mount("/c", shared)])]
    )
    assert await template(app, "/a/7") == "/a/{id}"
    assert await template(app, "/b/1/7") == "/b/{x}/{id}"
    app.router.routes.reverse()
    assert await template(app, "/b/1/2/c/7") == "/b/{x}/{y}/c/{id}"


async def test_the_path_in_front_of_the_application_does_not_count() -> None:
    """A server, or a proxy, may put anything there."""
    shared = Router([Route("/{id:int}", answer)])
    app = Starlette(routes=[Mount("/a", shared), Mount("/b/{x}", shared)])
    seen: list[str | None] = []
    await request(Probe(app, seen), path="/behind/b/1/7", root_path="/behind")
    assert seen == ["/b/{x}/{id}"]


class Odd:
    """A route like no other."""

    path_format = "/odd"

    def __init__(self) -> None:
        self.endpoint = object()

    @property
    def routes(self) -> list[Any]:
        raise RuntimeError("no routes here")

    def matches(self, scope: Scope) -> Any:
        from starlette.routing import Match

        return Match.NONE, {}


async def test_a_route_that_fails_spoils_no_other() -> None:
    app = Starlette(routes=[Odd(), Route("/x/{id}", answer)])  # type: ignore[list-item]  # it is like no other
    assert await template(app, "/x/7") == "/x/{id}"


async def test_endpoints_with_slots_are_known_by_their_routes() -> None:
    class Slotted:
        __slots__ = ()

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await PlainTextResponse("ok")(scope, receive, send)

    from fastapi import FastAPI

    app = FastAPI()
    app.mount("/slotted/{x}", Slotted())
    assert await template(app, "/slotted/1/2") == "/slotted/{x}/{path}"


async def one_that_is_over(number: int) -> weakref.ref[Any]:
    """Ask an application for a route whose endpoint refers to it."""
    app = Starlette()
    app.router.routes.append(Route(f"/{number}", lambda _: PlainTextResponse(str(app))))
    assert await template(app, f"/{number}") == f"/{number}"
    return weakref.ref(app.router)


async def test_tables_go_with_their_applications() -> None:
    """Not even an application that its own routes refer to is kept alive."""
    gc.collect()
    before = len(route_tables._tables)
    watched = [await one_that_is_over(n) for n in range(20)]
    gc.collect()
    assert [reference() for reference in watched] == [None] * 20
    assert len(route_tables._tables) == before


def test_a_table_of_another_router_is_left_alone() -> None:
    app = Starlette(routes=[])
    table = route_tables._table(app.router)
    route_tables._forget(id(app.router), weakref.ref(app))
    assert route_tables._table(app.router) is table


async def test_an_application_that_is_mounted_in_itself_twice_is_walked_a_few_times() -> None:
    app = Starlette(routes=[Route("/a", answer)])
    app.mount("/self", app)
    app.mount("/again", app)
    assert await template(app, "/self/again/a") == "/self/again/a"
    [table] = [table for table in route_tables._tables.values() if table.ref() is app.router]
    assert len(table.known[id(app.router.routes[0])].places) < 100


def test_a_route_in_many_places_is_compared_with_few_of_them() -> None:
    """Were it compared with all, the first request would stall the event loop for seconds."""
    compared: list[str] = []

    class Text(str):
        """Counts how often it is compared."""

        __slots__ = ()
        __hash__ = str.__hash__

        def __ne__(self, other: object) -> bool:
            compared.append(self)
            return super().__ne__(other)

    known = route_tables._Known(weakref.ref(Starlette))
    for number in [*range(1000), *range(1000)]:
        known.add(route_tables.Place(Text(f"/{number}/users")))
    assert [place.template for place in known.places] == [f"/{number}/users" for number in range(1000)]
    assert len(compared) < 100


async def test_mounts_are_followed_to_a_bound() -> None:
    inner: Any = Router([Route("/leaf", answer)])
    for n in range(40):
        inner = Router([Mount(f"/{n}", inner)])
    path = "/" + "/".join(str(n) for n in reversed(range(40)))
    found = await template(inner, f"{path}/leaf")
    assert found == "/leaf"  # the deepest is known by itself


async def test_middlewares_of_a_mount_are_looked_through() -> None:
    def closure(app: ASGIApp) -> ASGIApp:
        async def call(scope: Scope, receive: Receive, send: Send) -> None:
            await app(scope, receive, send)

        return call

    app = Starlette(
        routes=[Mount("/a/{b}", routes=[Route("/c", answer)], middleware=[Middleware(closure)])],
    )
    assert await template(app, "/a/1/c") == "/a/{b}/c"
