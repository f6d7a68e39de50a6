"""Tell clients apart: by address, by a header field, by session, by user, or as a function says.

An address is that in ``scope["client"]``; to read it from fields of a proxy is the business of `ProxyHeaders`. An
IPv6 client owns a network of 64 bits at least, so its addresses are one client (RFC 6177, 2); an IPv4 address in IPv6
notation is that IPv4 address, by its bits (RFC 4291, 2.5.5.2).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import blake2b
from inspect import isawaitable
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from middlewares.asgi import connection_of
from middlewares.core.addresses import is_in, is_ipv4, parse_address
from middlewares.core.headers import joined

if TYPE_CHECKING:
    from collections.abc import Collection

    from middlewares.asgi import Scope
    from middlewares.core.addresses import Network

    from .memory import Shard
    from .policy import Charge

__all__ = ("SESSION", "USER", "Host", "Hosts", "KeyOf", "Quick", "compile_key", "key_text")

Quick: TypeAlias = "tuple[Shard, tuple[Charge], int, int]"
"""Where the state is kept, the charge as decisions hold it, and its `Policy.steps`."""
KeyOf: TypeAlias = Callable[["Scope"], str | Awaitable[str | None] | None]
"""Gives the key of a request; ``None`` if it has none."""

_LONGEST: Final = 64
_MOST_HOSTS: Final = 8192
SESSION: Final = "session"
USER: Final = "user"


class Host:
    """What is known of a client by its address."""

    __slots__ = ("is_listed", "key", "network", "quick")

    def __init__(self, key: str, network: str | None = None, is_listed: bool | None = None) -> None:
        self.key = key
        self.network = network
        """The key of the larger network around an IPv6 address."""
        self.is_listed = is_listed
        """Whether it is on the list of those let in (true) or kept out (false)."""
        self.quick: Quick | None = None
        """What each of its requests is charged, where that is one charge in this process, and the same for all."""


class Hosts(dict[str, Host]):
    """The hosts of ``scope["client"]``, each looked at once: the 8192 that came last are remembered.

    Where there are more, each new one takes the place of the oldest: to forget all of them at once would make one
    request wait for milliseconds, and the memory of each has a next user at once.

    ``prepare`` tells what is charged for each request of one, if that is known beforehand.
    """

    __slots__ = ("_allowed", "_denied", "_is_choosy", "_oldest", "_order", "_prepare")

    def __init__(
        self,
        allowed: Collection[Network] = (),
        denied: Collection[Network] = (),
        prepare: Callable[[Host], Quick | None] | None = None,
    ) -> None:
        super().__init__()
        self._allowed = tuple(allowed)
        self._denied = tuple(denied)
        self._is_choosy = bool(allowed or denied)
        self._prepare = prepare
        self._order: list[str] = []
        self._oldest = 0

    def __missing__(self, host: str) -> Host:
        found = self._look(host)
        if self._prepare is not None:
            found.quick = self._prepare(found)
        if len(str(host)) <= _LONGEST:
            self._make_room(host)
            self[host] = found
        return found

    def _make_room(self, host: str) -> None:
        if len(self._order) < _MOST_HOSTS:
            self._order.append(host)
            return
        place, self._oldest = self._oldest, (self._oldest + 1) % _MOST_HOSTS
        self.pop(self._order[place], None)
        self._order[place] = host

    def _look(self, host: str) -> Host:
        if not self._is_choosy and is_ipv4(host):
            return Host(host)
        address = parse_address(host)
        if address is None:
            return Host(key_text(f"host:{host}"))
        is_listed = True if is_in(address, self._allowed) else False if is_in(address, self._denied) else None
        if isinstance(address, IPv4Address):
            return Host(str(address), None, is_listed)
        number = int(address)
        return Host(f"{number >> 64:x}/64", f"{number >> 80:x}/48", is_listed)


def key_text(key: str) -> str:
    """Return a key as stores keep it: what is long, or holds more than common letters, as its hash."""
    if len(key) <= _LONGEST and key.isascii() and key.isprintable():
        return key
    return "#" + blake2b(key.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def compile_key(spec: Any) -> KeyOf | None:
    """Return the function that gives the key of a request; ``None`` for ``ip``, which every request has.

    Raises `ValueError` if ``spec`` is none.
    """
    if isinstance(spec, str):
        return _named(spec)
    if callable(spec):
        return _calling(spec)
    parts = [_compile_part(part) for part in spec]
    if not parts:
        raise ValueError("must name at least one key")
    return parts[0] if len(parts) == 1 else _together(parts)


def _compile_part(spec: Any) -> KeyOf:
    return compile_key(spec) or _address


def _named(spec: str) -> KeyOf | None:
    if spec == "ip":
        return None
    if spec == SESSION:
        return _session
    if spec == USER:
        return _user
    kind, _, name = spec.partition(":")
    if kind == "header" and name.isascii() and name:
        field = name.lower().encode()
        return lambda scope: _header(scope, field)
    raise ValueError("must be 'ip', 'session', 'user', 'header:NAME', a callable, or a list of these")


def _header(scope: Scope, name: bytes) -> str | None:
    value = joined(scope["headers"], name)
    return key_text(value.decode("latin-1")) if value else None


def _session(scope: Scope) -> str | None:
    session = scope.get("session")
    if session is None:
        return None
    found = getattr(session, "id", None)
    if found is None and hasattr(session, "get"):
        found = session.get("id")
    return _as_key(found)


def _user(scope: Scope) -> str | None:
    user = scope.get("user")
    if user is None or isinstance(user, (str, bytes, int)):
        return _as_key(user)
    if getattr(user, "is_authenticated", True) is not True:
        return None
    for name in ("identity", "id", "username", "display_name"):
        try:
            found = getattr(user, name, None)
        except NotImplementedError:  # Starlette's base class leaves them to its heirs
            continue
        if found:
            return _as_key(found)
    return None


def _as_key(value: Any) -> str | None:
    """Return what a user's code gave as a key; nothing and what is empty is none."""
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    text = str(value)
    return key_text(text) if text else None


_HOSTS: Final = Hosts()


def _address(scope: Scope) -> str | None:
    client = scope.get("client")
    return _HOSTS[client[0]].key if client else None


def _calling(function: Callable[..., Any]) -> KeyOf:
    def key(scope: Scope) -> str | Awaitable[str | None] | None:
        found = function(connection_of(scope))
        return _awaited(found) if isawaitable(found) else _as_key(found)

    return key


async def _awaited(found: Awaitable[Any]) -> str | None:
    return _as_key(await found)


def _together(parts: list[KeyOf]) -> KeyOf:
    async def key(scope: Scope) -> str | None:
        found: list[str] = []
        for part in parts:
            value = part(scope)
            if isawaitable(value):
                value = await value
            if value is None:
                return None
            found.append(value)
        # With their lengths, so that no value can pass for two.
        return key_text(",".join(f"{len(value)}:{value}" for value in found))

    return key
