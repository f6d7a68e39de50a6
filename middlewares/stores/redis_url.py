"""From the URL of a Redis or Valkey to a client of redis-py, and what is wrong with a URL.

==========================================================  =======================================================
``redis://user:password@host:6379/0``, ``valkey://``        one server; the number is that of the database
``rediss://…``, ``valkeys://…``                             with TLS
``unix:///path.sock?db=0``                                  by a socket of this machine
``redis+sentinel://user:password@one:26379,two/name/0``     the primary of that ``name``, as Sentinels tell it
``redis+cluster://host:7000``, ``rediss+cluster://…``       a cluster, found by any of its nodes
==========================================================  =======================================================

Options of redis-py may follow as a query, such as ``?client_name=shop``. With Sentinels they are for the servers, and
``sentinel_username`` and ``sentinel_password`` are what the Sentinels themselves ask for.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from middlewares.errors import MissingExtra

if TYPE_CHECKING:
    from urllib.parse import SplitResult

__all__ = ("REDIS_SCHEMES", "connect", "redis_url_problem", "sentinels_of")

REDIS_SCHEMES: Final = (
    "redis",
    "rediss",
    "valkey",
    "valkeys",
    "unix",
    "redis+sentinel",
    "redis+cluster",
    "rediss+cluster",
)
_MOST_CONNECTIONS: Final = 50
"""Of one event loop; ``max_connections`` in the URL says otherwise."""
_ALIASES: Final = {"valkey": "redis", "valkeys": "rediss"}
_SENTINEL_PORT: Final = 26379


def redis_url_problem(url: str) -> str | None:
    """Return what redis-py has against a URL, without connecting; ``None`` if nothing, or if it is not installed."""
    if find_spec("redis") is None:
        return None
    from redis.exceptions import RedisClusterException, RedisError

    try:
        client, _ = connect(url, 1.0)
        pool = getattr(client, "connection_pool", None)
        if pool is not None:  # a cluster has looked at its options already
            pool.make_connection()
    except (TypeError, ValueError, AttributeError, RedisError, RedisClusterException) as error:
        words = str(error)
        unknown = words.rpartition("unexpected keyword argument ")[2]
        return f"redis-py has no option {unknown}" if unknown != words else words
    return None


def connect(url: str, deadline: float) -> tuple[Any, int]:
    """Return a client that connects at its first command, and how many connections it may have.

    Raises `MissingExtra`, and what redis-py raises for a URL that is none.
    """
    try:
        from redis import asyncio as redis
        from redis.asyncio.connection import parse_url
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError as error:
        raise MissingExtra("a store in Redis or Valkey", "redis") from error
    parts = urlsplit(url)
    # Records are bytes, whatever the URL says.
    query = "&".join(option for option in parts.query.split("&") if not option.startswith("decode_responses="))
    parts = parts._replace(query=query)
    scheme, is_cluster, _ = parts.scheme.partition("+cluster")
    scheme = _ALIASES.get(scheme, scheme)
    # The deadline of the call bounds everything; redis-py itself must neither wait longer nor repeat commands.
    options: dict[str, Any] = {"socket_connect_timeout": deadline, "retry": Retry(NoBackoff(), 0)}
    asked: Any = parse_url(f"redis://localhost?{query}")  # numbers and flags are no text any more
    most = asked.get("max_connections", _MOST_CONNECTIONS)
    if most < 1:
        raise ValueError("max_connections must be at least 1")
    # Whoever calls keeps to that number, so that these pools, which cannot wait for a connection, never refuse one.
    options["max_connections"] = most
    if scheme == "redis+sentinel":
        return _sentinel(parts, options, {**asked}, deadline), most
    plain = parts._replace(scheme=scheme).geturl()
    if is_cluster:
        return redis.RedisCluster.from_url(plain, **options), most
    return redis.Redis.from_pool(redis.ConnectionPool.from_url(plain, **options)), most


def sentinels_of(client: Any) -> list[Any]:
    """Return the clients that ask Sentinels for the servers of another; closing that leaves them open."""
    pool = getattr(client, "connection_pool", None)  # a cluster has one for each node
    manager = getattr(pool, "sentinel_manager", None)
    return [] if manager is None else [*manager.sentinels]


def _sentinel(parts: SplitResult, options: dict[str, Any], asked: dict[str, Any], deadline: float) -> Any:
    from redis.asyncio import sentinel as module

    login, _, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    places = [urlsplit(f"//{host}") for host in hosts.split(",")]
    nodes = [(place.hostname or "localhost", place.port or _SENTINEL_PORT) for place in places]
    service, _, database = parts.path.strip("/").partition("/")
    # Each may be dead or frozen, and the next is to be asked within the deadline.
    share = deadline / (len(nodes) + 1)
    theirs = {"socket_timeout": share, "socket_connect_timeout": share, "retry": options["retry"]}
    for name in ("username", "password"):
        theirs[name] = asked.pop(f"sentinel_{name}", None)
    asked = {name: value for name, value in asked.items() if name not in ("host", "port", "db")}
    if login:
        options |= {"username": unquote(user) or None, "password": unquote(password)}
    make: Any = module.Sentinel  # redis-py does not annotate it
    sentinel = make(nodes, sentinel_kwargs=theirs, **{**options, **asked})
    if not (database or "0").isdecimal():
        raise ValueError("a database has a number")
    return sentinel.master_for(service or "mymaster", db=int(database or 0))
