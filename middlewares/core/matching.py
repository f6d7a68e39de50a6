"""Which requests a part of a layer is for, by what its options say of them, and by what functions of the user say."""

from __future__ import annotations

from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from middlewares.asgi import connection_of

from .fields import is_token
from .headers import find
from .paths import compile_hosts, compile_paths, host_hint, host_problem, path_problem, route_path

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from middlewares.asgi import Scope
    from middlewares.errors import OptionErrors

__all__ = ("ask", "check_matchers", "compile_matchers")


def check_matchers(problems: OptionErrors, options: Any) -> None:
    """Record what is wrong with ``paths``, ``exclude_paths``, ``hosts`` and ``methods``, attributes of ``options``."""
    for option in ("paths", "exclude_paths"):
        for pattern in getattr(options, option):
            rule = path_problem(pattern)
            problems.check(rule is None, option, rule or "", pattern)
    for host in options.hosts:
        rule = host_problem(host)
        problems.check(rule is None, "hosts", rule or "", host, host_hint(host))
    for method in options.methods:
        fits = is_token(method) and method == method.upper()
        problems.check(fits, "methods", "must hold request methods in upper case", method)


def compile_matchers(
    *,
    methods: Collection[str] = (),
    paths: Collection[str] = (),
    exclude_paths: Collection[str] = (),
    hosts: Collection[str] = (),
) -> tuple[Callable[[Scope], object], ...]:
    """Return the tests that a request must pass all of; none for what is left empty.

    Paths are those that the router at this place sees. A WebSocket handshake is a ``GET`` request (RFC 6455, 4.1).
    """
    tests: list[Callable[[Scope], object]] = []
    if methods:
        wanted_methods = frozenset(methods)
        tests.append(lambda scope: scope.get("method", "GET") in wanted_methods)
    if paths:
        wanted = compile_paths(paths)
        tests.append(lambda scope: wanted(route_path(scope)))
    if exclude_paths:
        unwanted = compile_paths(exclude_paths)
        tests.append(lambda scope: not unwanted(route_path(scope)))
    if hosts:
        is_host = compile_hosts(hosts)
        tests.append(lambda scope: is_host((find(scope["headers"], b"host") or b"").decode("latin-1")))
    return tuple(tests)


async def ask(function: Callable[..., Any], scope: Scope, *arguments: Any) -> Any:
    """Return what a user's function, sync or async, says of a request, whose ``HTTPConnection`` it is given first."""
    found = function(connection_of(scope), *arguments)
    return await found if isawaitable(found) else found
