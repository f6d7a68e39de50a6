"""Patterns match the path that the router sees, the whole of it and in linear time."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from starlette._utils import get_route_path
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from middlewares.core.paths import compile_hosts, compile_paths, host_hint, host_problem, path_problem, route_path
from middlewares.testing import request

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Receive, Scope, Send


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("/", ["/"], ["", "//", "/a", "*"]),
        ("/health", ["/health"], ["/Health", "/health/", "/healthy", "/a/health", "/health\n", "//health", "health"]),
        ("/api/*", ["/api", "/api/", "/api/a", "/api/a/b", "/api//", "/api/\n"], ["/ap", "/apis", "/a/api", "/API/a"]),
        ("/*", ["", "/", "/a", "//", "/a/b\n"], ["a", "*"]),
        ("*", ["", "/", "/a", "*", "\n"], []),
        ("/users/{id}", ["/users/1", "/users/a b", "/users/\n"], ["/users", "/users/", "/users/1/", "/users//"]),
        ("/users/{id:str}", ["/users/1"], ["/users/", "/users/1/2"]),
        ("/users/{id}/posts/{post}", ["/users/1/posts/2"], ["/users//posts/2", "/users/1/2/posts/2"]),
        ("/users/{id}/*", ["/users/1", "/users/1/", "/users/1/a/b"], ["/users", "/users/", "/users//a"]),
        ("/{name}.json", ["/a.json", "/.json.json", "/a.b.json"], ["/.json", "/ajson", "/a/b.json", "/a.json\n"]),
        ("/files/{rest:path}", ["/files/", "/files/a", "/files/a/b", "/files/\n"], ["/files", "/file/a"]),
        ("/v{n}/{rest:path}", ["/v1/", "/v1/a/b"], ["/v/", "/v1", "/v/a"]),
        # Characters that mean something in regular expressions mean themselves.
        ("/a.b+c/(d)/*", ["/a.b+c/(d)", "/a.b+c/(d)/e"], ["/aXb+c/(d)", "/a.bbc/(d)", "/a.b+c/d"]),
        ("/bücher/*", ["/bücher", "/bücher/🦊"], ["/b%C3%BCcher", "/buecher"]),
        ("/a//b/*", ["/a//b", "/a//b/c"], ["/a/b", "/a//"]),
        ("/a/", ["/a/"], ["/a"]),
    ],
)  # fmt: skip
def test_patterns(pattern: str, matching: list[str], others: list[str]):
    assert path_problem(pattern) is None
    for patterns in ([pattern], [pattern, "/other", "/other/{x}"]):
        matches = compile_paths(patterns)
        assert [path for path in matching if not matches(path)] == []
        assert [path for path in others if matches(path)] == []


def test_one_of_several_patterns_is_enough():
    matches = compile_paths(["/health", "/api/*", "/users/{id}"])
    assert [bool(matches(path)) for path in ("/health", "/api/x", "/users/1", "/other")] == [True, True, True, False]


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("", "must hold patterns that begin with '/'"),
        ("health", "must hold patterns that begin with '/'"),
        ("**", "must hold patterns that begin with '/'"),
        ("https://a.example/b", "must hold patterns that begin with '/'"),
        ("/api*", "must hold '*' only as the last segment, as in '/api/*'"),
        ("/*/api", "must hold '*' only as the last segment, as in '/api/*'"),
        ("/api/**", "must hold '*' only as the last segment, as in '/api/*'"),
        ("/{rest:path}*", "must hold '*' only as the last segment, as in '/api/*'"),
        ("/{}", "must hold parameters such as '{id}' or '{rest:path}'"),
        ("/{id", "must hold parameters such as '{id}' or '{rest:path}'"),
        ("/id}", "must hold parameters such as '{id}' or '{rest:path}'"),
        ("/{1d}", "must hold parameters such as '{id}' or '{rest:path}'"),
        ("/{id:int}", "must hold parameters such as '{id}' or '{rest:path}'"),
        ("/{{id}}", "must hold parameters such as '{id}' or '{rest:path}'"),
        ("/{rest:path}/more", "must hold a ':path' parameter only at the end"),
        ("/{rest:path}x", "must hold a ':path' parameter only at the end"),
        ("/{rest:path}/*", "must hold a ':path' parameter only at the end"),
        ("/{a:path}/{b:path}", "must hold a ':path' parameter only at the end"),
        ("/{a}{b}", "must hold no more than one parameter in a segment"),
        ("/{a}-{b}", "must hold no more than one parameter in a segment"),
        ("/x/{a}{b:path}", "must hold no more than one parameter in a segment"),
    ],
)
def test_wrong_patterns_are_refused(pattern: str, problem: str):
    assert path_problem(pattern) == problem


alphabet = st.text("/{}*:abcpth-.\n", max_size=12)


@given(alphabet | st.text(max_size=20), alphabet | st.text(max_size=20))
def test_every_pattern_is_refused_or_works(pattern: str, path: str):
    if path_problem(pattern) is None:
        matched = bool(compile_paths([pattern])(path))
        if not set("*{") & set(pattern):
            assert matched == (pattern == path)


@pytest.mark.parametrize(
    "pattern",
    ["/api/*", "/{a}/{b}/{c}/{d}", "/{a}-/{b}-/{c}-/*", "/{a}.json", "/x/{rest:path}", "/a{b}c/d{e}f/{g:path}"],
)
@pytest.mark.parametrize("unit", ["/", "a", "-", "a/", "-/", "/-", ".json", "aac/", "x/", "\n"])
def test_hostile_paths_take_linear_time(pattern: str, unit: str):
    matches = compile_paths([pattern, "/{x}-/{y}"])
    path = "/" + unit * (200_000 // len(unit)) + "\0"
    start = perf_counter()
    matches(path)
    assert perf_counter() - start < 1  # it takes some 2 ms, and hours if it were quadratic


# -- the path that the router sees


@pytest.mark.parametrize(
    ("path", "root_path", "seen"),
    [
        ("/a", "", "/a"),
        ("/api/a", "/api", "/a"),
        ("/api/", "/api", "/"),
        ("/api", "/api", ""),
        # Servers that leave the prefix out of the path.
        ("/a", "/api", "/a"),
        # A prefix ends where a segment does.
        ("/apis/a", "/api", "/apis/a"),
        ("/api/a", "/api/", "/api/a"),
        ("//a", "/", "/a"),
        ("/a", None, "/a"),
    ],
)
def test_route_path(path: str, root_path: str | None, seen: str):
    assert route_path({"path": path, "root_path": root_path}) == seen


def test_without_root_path_the_path_is_whole():
    assert route_path({"path": "/a"}) == "/a"


class Noting:
    """A middleware that notes the path that the router will see."""

    def __init__(self, app: ASGIApp, seen: list[str]) -> None:
        self.app, self.seen = app, seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.seen.append(route_path(scope))
        await self.app(scope, receive, send)


def _starlette(seen: list[str]) -> ASGIApp:
    routes = [Route("/users", lambda _request: PlainTextResponse("users"))]
    return Starlette(routes=[Mount("/v1", Mount("/sub", Noting(Starlette(routes=routes), seen)))])


def _fastapi(seen: list[str]) -> ASGIApp:
    inner, middle, outer = FastAPI(), FastAPI(), FastAPI()
    inner.get("/users")(lambda: "users")
    inner.add_middleware(Noting, seen=seen)
    middle.mount("/sub", inner)
    outer.mount("/v1", middle)
    return outer


@pytest.mark.parametrize("make", [_starlette, _fastapi])
@pytest.mark.parametrize(
    ("path", "root_path"),
    [("/v1/sub/users", ""), ("/proxied/v1/sub/users", "/proxied")],
    ids=["no prefix", "prefix of the server"],
)
async def test_inside_mounts_the_prefix_is_left_out(make: Any, path: str, root_path: str):
    seen: list[str] = []
    response = await request(make(seen), path=path, root_path=root_path)
    assert response.status == 200
    assert seen == ["/users"]


@pytest.mark.parametrize("path", ["/users", "/proxied/users"])
async def test_the_prefix_of_the_server_is_left_out_whether_the_path_has_it_or_not(path: str):
    """Servers differ: uvicorn puts its ``root_path`` into the path, others leave the path as it came."""
    seen: list[str] = []
    users = Route("/users", lambda _request: PlainTextResponse("users"))
    response = await request(Noting(Starlette(routes=[users]), seen), path=path, root_path="/proxied")
    assert response.status == 200
    assert seen == ["/users"]


pieces = st.lists(st.sampled_from(["/", "a", "b", "/a", "/b"]), max_size=5).map("".join)


@given(pieces, pieces)
def test_the_router_of_starlette_sees_the_same_path(path: str, root_path: str):
    scope: Scope = {"path": path, "root_path": root_path}
    assert route_path(scope) == get_route_path(scope)


# -- hosts


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        (
            "example.com",
            ["EXAMPLE.com", "example.com:8000", "example.com.", "example.com.:443", "example.com:"],
            [
                "",
                "a.example.com",
                "example.com.evil",
                "badexample.com",
                "example.comm",
                ".example.com",
                "example.com..",
            ],
        ),
        (
            "*.example.com",
            ["a.example.com", "A.B.example.com:80", "a.example.com."],
            ["example.com", ".example.com", "badexample.com", "a.example.com.evil", "a.example.com@evil"],
        ),
        ("localhost", ["localhost:3000", "LOCALHOST"], ["localhost.localdomain"]),
        ("127.0.0.1", ["127.0.0.1:8000"], ["127.0.0.11", "1.127.0.0.1"]),
        ("[::1]", ["[::1]", "[::1]:8000"], ["::1", "[::11]", "[", "[]", "[::", "]"]),
        ("[2001:db8::1]", ["[2001:DB8::1]:80"], ["2001:db8::1"]),
        ("my_service", ["my_service:80"], ["my-service"]),
    ],
)
def test_hosts(pattern: str, matching: list[str], others: list[str]):
    assert host_problem(pattern) is None
    is_match = compile_hosts([pattern, "other.example", "*.other.example"])
    assert [host for host in matching if not is_match(host)] == []
    assert [host for host in others if is_match(host)] == []


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("Example.COM", "did you mean 'example.com'?"),
        ("example.com:8000", "did you mean 'example.com'?"),
        ("https://example.com/", "did you mean 'example.com'?"),
        (" example.com.", "did you mean 'example.com'?"),
        ("[::1]:80", "did you mean '[::1]'?"),
        ("*.Example.com", "did you mean '*.example.com'?"),
        ("::1", None),
        ("*", None),
        ("*example.com", None),
        ("a.*.example.com", None),
        ("bücher.example", None),
        ("", None),
        ("example..com", None),
    ],
)
def test_wrong_hosts_are_refused(pattern: str, hint: str | None):
    assert host_problem(pattern) == (
        "must hold lower-case host names without a port, such as 'example.com' or '*.example.com'"
    )
    assert host_hint(pattern) == hint


@given(st.text(max_size=30), st.text("[]:.*a1-", max_size=12))
def test_no_host_breaks_anything(value: str, pattern: str):
    compile_hosts(["example.com", "*.example.com"])(value)
    host_hint(pattern)
    if host_problem(pattern) is None:
        compile_hosts([pattern])(value)


def test_a_hostile_host_takes_linear_time():
    start = perf_counter()
    for host in ("a." * 100_000, ":" * 200_000, "[" * 200_000, "]" * 200_000, "." * 200_000):
        compile_hosts(["*.example.com"])(host)
        host_problem(host + "!")
    assert perf_counter() - start < 1
