"""Match requests by path, method and host, on the path that the router will see.

A path pattern is one of

========================  =====================================================================
``/health``               this path exactly
``/api/*``                ``/api`` and everything below it
``/users/{id}``           one segment, or part of one, in the place of the braces; never empty
``/files/{rest:path}``    anything that follows, also nothing; only at the end
``*``                     any path
========================  =====================================================================

Patterns are compared with the decoded path, with case, and segment by segment. Each segment holds one parameter at
most, so no path can make a pattern run long.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

__all__ = (
    "HEALTH_PATHS",
    "MONITORING_PATHS",
    "compile_hosts",
    "compile_paths",
    "host_hint",
    "host_problem",
    "path_problem",
    "route_path",
)

HEALTH_PATHS = ("/health", "/healthz", "/livez", "/ready", "/readyz", "/startupz", "/ping")
"""Where load balancers and orchestrators commonly ask whether an application is well."""
MONITORING_PATHS = (*HEALTH_PATHS, "/metrics")
"""Where probes and scrapers ask: what is done to requests of clients is not done to theirs unless told."""

_PARAMETER = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*(:path|:str)?\}")
_HOST = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]")


def route_path(scope: Mapping[str, Any]) -> str:
    """Return the path that a router at this point of the application matches: without the prefix it is mounted at.

    ``path`` holds the whole path and ``root_path`` the prefix (ASGI HTTP scope); servers that leave the prefix out
    of ``path`` are met too.
    """
    path: str = scope["path"]
    root_path: str = scope.get("root_path") or ""
    if not root_path or not path.startswith(root_path):
        return path
    rest = path[len(root_path) :]
    return rest if not rest or rest[0] == "/" else path


def path_problem(pattern: str) -> str | None:
    """Return what is wrong with a path pattern, in words that follow an option's name, or ``None``."""
    if not pattern.startswith("/") and pattern != "*":
        return "must hold patterns that begin with '/'"
    bare = _PARAMETER.sub("", pattern.removesuffix("*"))
    if "*" in bare or (pattern.endswith("*") and not pattern.endswith("/*") and pattern != "*"):
        return "must hold '*' only as the last segment, as in '/api/*'"
    if "{" in bare or "}" in bare:
        return "must hold parameters such as '{id}' or '{rest:path}'"
    if any(len(_PARAMETER.findall(segment)) > 1 for segment in pattern.split("/")):
        return "must hold no more than one parameter in a segment"
    if ":path}" in pattern.removesuffix(":path}"):
        return "must hold a ':path' parameter only at the end"
    return None


def compile_paths(patterns: Collection[str]) -> Callable[[str], object]:
    """Return a function that is true of the paths which match one of the patterns."""
    exact = frozenset(pattern for pattern in patterns if "*" not in pattern and "{" not in pattern)
    open_patterns = [_expression(pattern) for pattern in patterns if pattern not in exact]
    if not open_patterns:
        return exact.__contains__
    search = re.compile("|".join(open_patterns), re.DOTALL).fullmatch
    if not exact:
        return search
    return lambda path: path in exact or search(path)


def host_problem(pattern: str) -> str | None:
    """Return what is wrong with a host pattern, in words that follow an option's name, or ``None``."""
    if _HOST.fullmatch(pattern):
        return None
    return "must hold lower-case host names without a port, such as 'example.com' or '*.example.com'"


def host_hint(pattern: str) -> str | None:
    """Return a right pattern for a wrong one, in words, if it is easily guessed."""
    authority = pattern.strip().lower().rpartition("://")[2]
    better = _without_port(authority.partition("/")[0])
    return f"did you mean {better!r}?" if host_problem(better) is None else None


def compile_hosts(patterns: Collection[str]) -> Callable[[str], bool]:
    """Return a function that is true of the values of ``Host`` which match; ``*.`` stands for one label or more."""
    exact = frozenset(pattern for pattern in patterns if not pattern.startswith("*."))
    suffixes = tuple(pattern[1:] for pattern in patterns if pattern.startswith("*."))

    def is_match(value: str) -> bool:
        host = _without_port(value.lower())
        return host in exact or (host.endswith(suffixes) and not host.startswith("."))

    return is_match


def _expression(pattern: str) -> str:
    if pattern == "*":
        return ".*"
    tail = ""
    if pattern.endswith("/*"):
        pattern, tail = pattern[:-2], "(?:/.*)?"
    parts: list[str] = []
    end = 0
    for parameter in _PARAMETER.finditer(pattern):
        parts += re.escape(pattern[end : parameter.start()]), ".*" if parameter[1] == ":path" else "[^/]+"
        end = parameter.end()
    return "".join((*parts, re.escape(pattern[end:]), tail))


def _without_port(host: str) -> str:
    # RFC 3986, 3.2.2: an IPv6 address stands in brackets, so a colon behind them begins the port.
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0].removesuffix(".")
