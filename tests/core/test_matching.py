"""What options say of requests is checked, and then tested, in one way everywhere."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from middlewares.core.matching import ask, check_matchers, compile_matchers
from middlewares.errors import OptionErrors


def scope(path: str = "/", **more: Any) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "root_path": "",
        "headers": [(b"host", b"a.example")],
        **more,
    }


def matches(request: dict[str, Any], **options: Any) -> bool:
    return all(test(request) for test in compile_matchers(**options))


@pytest.mark.parametrize(
    ("options", "request_", "expected"),
    [
        ({}, scope(), True),
        ({"methods": ["POST"]}, scope(), False),
        ({"methods": ["POST", "GET"]}, scope(), True),
        ({"paths": ["/a/*"]}, scope("/a/b"), True),
        ({"paths": ["/a/*"]}, scope("/b"), False),
        ({"paths": ["/a"]}, scope("/m/a", root_path="/m"), True),
        ({"paths": ["/*"], "exclude_paths": ["/a"]}, scope("/a"), False),
        ({"paths": ["/*"], "exclude_paths": ["/a"]}, scope("/b"), True),
        ({"hosts": ["*.example"]}, scope(), True),
        ({"hosts": ["b.example"]}, scope(), False),
        ({"hosts": ["b.example"]}, scope(headers=[]), False),
        ({"methods": ["GET"], "hosts": ["b.example"]}, scope(), False),
        ({"methods": ["GET"]}, {"type": "websocket", "path": "/", "headers": []}, True),
    ],
)
def test_a_request_must_pass_every_test(options: dict[str, Any], request_: dict[str, Any], expected: bool) -> None:
    assert matches(request_, **options) is expected


def test_nothing_is_tested_where_nothing_is_asked() -> None:
    assert compile_matchers() == ()


def problems_of(**options: Any) -> list[str]:
    empty = {"paths": (), "exclude_paths": (), "hosts": (), "methods": ()}
    problems = OptionErrors("it")
    check_matchers(problems, SimpleNamespace(**{**empty, **options}))
    return [f"{problem.option}: {problem}" for problem in problems.found]


def test_what_is_right_has_no_problems() -> None:
    assert problems_of(paths=["/a/{id}"], exclude_paths=["/b/*"], hosts=["*.example.com"], methods=["GET", "X-Y"]) == []


def test_every_problem_is_found() -> None:
    found = problems_of(paths=["a", "/b"], exclude_paths=["c"], hosts=["A:80"], methods=["get", "A B", "PUT"])
    assert [problem.partition(":")[0] for problem in found] == ["paths", "exclude_paths", "hosts", "methods", "methods"]
    assert "did you mean 'a'" in found[2]
    assert "upper case; got 'A B'" in found[4]


async def test_functions_may_be_async_and_are_given_the_connection() -> None:
    async def later(connection: Any, status: int) -> Any:
        return connection.url.path, status

    assert await ask(later, scope("/x"), 200) == ("/x", 200)
    assert (
        await ask(lambda connection: connection.method if hasattr(connection, "method") else "none", scope()) == "none"
    )
