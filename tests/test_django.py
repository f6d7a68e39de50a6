"""The middleware for Django's list publishes routes, is sync or async as Django is, and changes nothing else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import iscoroutinefunction

from middlewares.core.exchange import join
from middlewares.django import PublishRoute
from middlewares.testing import http_scope


class Refused(Exception):
    pass


def requested(route: str | None) -> tuple[Any, Any]:
    """Return a request of Django that matched ``route``, and its exchange."""
    exchange, scope, _ = join(http_scope(), "outer")
    match = None if route is None else SimpleNamespace(route=route)
    return SimpleNamespace(scope=scope, resolver_match=match), exchange


@pytest.mark.parametrize(("route", "expected"), [("users/<int:id>/", "/users/<int:id>/"), ("", "/"), (None, None)])
async def test_it_publishes_what_was_matched(route: str | None, expected: str | None) -> None:
    async def respond(_request: Any) -> str:
        return "response"

    request, exchange = requested(route)
    middleware = PublishRoute(respond)
    assert iscoroutinefunction(middleware)
    assert await middleware(request) == "response"
    assert exchange.route == expected

    request, exchange = requested(route)
    synchronous = PublishRoute(lambda _request: "response")
    assert not iscoroutinefunction(synchronous)
    assert synchronous(request) == "response"
    assert exchange.route == expected


async def test_a_request_that_fails_has_a_route_too() -> None:
    async def fail(_request: Any) -> None:
        raise Refused

    def fail_at_once(_request: Any) -> None:
        raise Refused

    request, exchange = requested("a/")
    with pytest.raises(Refused):
        await PublishRoute(fail)(request)
    assert exchange.route == "/a/"
    request, exchange = requested("a/")
    with pytest.raises(Refused):
        PublishRoute(fail_at_once)(request)
    assert exchange.route == "/a/"


def test_under_wsgi_it_does_nothing() -> None:
    request = SimpleNamespace(resolver_match=SimpleNamespace(route="a/"))
    assert PublishRoute(lambda given: given)(request) is request
    assert vars(request).keys() == {"resolver_match"}


def test_django_may_call_it_either_way() -> None:
    assert (PublishRoute.sync_capable, PublishRoute.async_capable) == (True, True)
