"""Which store a URL means."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from middlewares.errors import MissingExtra, did_you_mean

from .base import DEADLINE
from .memory import MemoryStore
from .redis_url import REDIS_SCHEMES, redis_url_problem

if TYPE_CHECKING:
    from .base import Store

__all__ = ("open_store", "url_problem")

_ENCODED: Final = "characters such as '/', '?', '#' and '@' in a password are percent-encoded"
_SCHEMES: Final = ("memory", "sqlite", *REDIS_SCHEMES)


def url_problem(url: str) -> tuple[str, str | None] | None:
    """Return what is wrong with the URL of a store, in words that follow an option's name, and a hint; or ``None``."""
    rule = "must be the URL of a store: 'memory://', 'sqlite:///path.db' or 'redis://host:6379/0'"
    if not url.isprintable() or " " in url:
        return rule, "spaces and control characters are percent-encoded"
    try:
        parts = urlsplit(url)
        has_port = parts.scheme in ("redis+sentinel", "memory", "sqlite") or parts.port != 0
    except ValueError as error:
        # What follows a "/", "?" or "#" in a password looks like a port: it is not repeated.
        out_of_range = str(error).startswith("Port out of range")
        return rule, str(error) if out_of_range else _ENCODED
    if parts.scheme not in _SCHEMES:
        return rule, did_you_mean(parts.scheme, _SCHEMES)
    if parts.scheme == "sqlite":
        hint = _path_problem(parts)
        return None if hint is None else (rule, hint)
    if parts.scheme not in ("memory", "unix") and (parts.fragment or "@" in parts.path + parts.query):
        return rule, _ENCODED
    if parts.scheme == "memory" and _max_records(url) is None:
        return rule, "max_records must be a whole number above 0"
    if not has_port:
        return rule, "a port is above 0"
    problem = redis_url_problem(url) if parts.scheme in REDIS_SCHEMES else None
    return None if problem is None else (rule, problem)


def open_store(url: str, *, namespace: str = "records", deadline: float = DEADLINE) -> Store:
    """Return the store that a URL means; nothing is opened before its first call.

    ``memory://`` (``?max_records=100000``); ``sqlite:///relative.db`` or ``sqlite:////absolute.db``;
    ``redis://host:6379/0`` and what else `redis_url` knows. ``namespace`` keeps the records of different users
    of one store apart; ``deadline`` is the longest that a call may take, in seconds.

    Raises `ValueError` if the URL names no store, and `MissingExtra` if what it needs is not installed.
    """
    problem = url_problem(url)
    if problem is not None:
        raise ValueError(f"store {problem[0]}; got {urlsplit(url).scheme!r}")
    parts = urlsplit(url)
    if parts.scheme == "memory":
        return MemoryStore(max_records=_max_records(url) or 1)
    if parts.scheme == "sqlite":
        from .sqlite import SQLiteStore

        return SQLiteStore(unquote(parts.path[1:]), table=namespace, deadline=deadline)
    if find_spec("redis") is None:
        raise MissingExtra("a store in Redis or Valkey", "redis")
    from .redis import RedisStore

    return RedisStore(url, prefix=f"middlewares:{namespace}:", deadline=deadline)


def _path_problem(parts: SplitResult) -> str | None:
    path = unquote(parts.path[1:])
    if parts.netloc or not path:
        return "three slashes for a relative path, four for an absolute one"
    if parts.query or parts.fragment:
        return "'?' and '#' in a path are written as %3F and %23"
    if path == ":memory:":
        return "'memory://' keeps records in memory"  # every connection would have a database of its own
    return "a path holds no zero byte" if "\0" in path else None


def _max_records(url: str) -> int | None:
    (text, *_) = parse_qs(urlsplit(url).query).get("max_records", ["100000"])
    return int(text) if text.isascii() and text.isdigit() and int(text) > 0 else None
