"""From options to what the layer works with: every problem is found when it is built."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from math import inf
from typing import TYPE_CHECKING, Final

from middlewares.errors import OptionError
from middlewares.stores import open_store, url_problem

from .homes import Rules
from .in_cookie import InCookie
from .in_store import InStore
from .jar import Jar
from .keeper import Keeper
from .keys import key_problem, read_keys
from .migration import OldCookies
from .records import Lifetimes
from .tokens import Encrypted, Ids, Signed

if TYPE_CHECKING:
    from collections.abc import Collection

    from middlewares.errors import OptionErrors
    from middlewares.stores import Store

    from .homes import Home
    from .middleware import Sessions
    from .tokens import Sealer

__all__ = ("build",)

_NEW_KEY: Final = "make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
_OPTIONS: Final = {"name": "session_cookie", "value": "session_cookie"}
"""What the options of a cookie are called here, where they are not called the same."""


def build(layer: Sessions, problems: OptionErrors) -> tuple[Keeper, tuple[Store, ...]]:
    """Return what loads and saves sessions, and the stores that were opened for it. Raises `OptionError`."""
    keys = _keys(layer, problems)
    old_keys = keys if layer.old_secret_key is None else _read(problems, "old_secret_key", layer.old_secret_key)
    secure = layer.secure if layer.https_only is None else layer.https_only
    problems.check(layer.secure or not layer.https_only, "https_only", "must not contradict secure", layer.https_only)
    name = layer.session_cookie or _default_name(layer, secure)
    _check_numbers(layer, problems)
    _check_homes(layer, problems)
    jar = _jar(layer, problems, name, secure)
    problems.raise_if_any()

    opened: list[Store] = []
    lifetimes = Lifetimes(layer.max_age, layer.absolute_max_age, layer.refresh, layer.renewal_age)
    rules = Rules(name, lifetimes, layer.user_key, layer.conflicts)
    store = _opened(layer.store, layer.store_deadline, opened)
    in_store = None if store is None else InStore(Ids(keys, name), rules, store)
    homes: dict[str, Home] = {}
    if in_store is None or layer.oversize == "spill":
        sealer: Sealer = Encrypted(keys, name) if layer.encrypted else Signed(keys, name)
        revoked = _opened(layer.revocations, layer.store_deadline, opened)
        homes[sealer.kind] = InCookie(sealer, rules, revoked, in_store)
    if in_store is not None:
        homes["I"] = in_store
    kept_in = [given if isinstance(given, str | None) else id(given) for given in (layer.store, layer.revocations)]
    keeper = Keeper(
        jar,
        rules,
        homes,
        clock=layer.clock,
        when_down=layer.when_down,
        store_deadline=layer.store_deadline,
        old=_old(layer, old_keys),
        identity=(keys, *homes, *kept_in, rules, layer.path, layer.domain, secure, layer.same_site, layer.partitioned),
    )
    return keeper, tuple(opened)


def _default_name(layer: Sessions, secure: bool) -> str:
    if not secure:
        return "session"
    return "__Host-session" if layer.path == "/" and layer.domain is None else "__Secure-session"


def _keys(layer: Sessions, problems: OptionErrors) -> tuple[str, ...]:
    if isinstance(layer.secret_key, AbstractSet | Mapping):
        problems.add("secret_key", "must be a list: the first signs, and a set has no first", None)
        return ()
    keys = _read(problems, "secret_key", layer.secret_key)
    for number, key in enumerate(keys, 1):
        problem = key_problem(key)
        if problem is not None:
            place = f" (key {number} of {len(keys)})" if len(keys) > 1 else ""
            problems.add("secret_key", problem + place, None, _NEW_KEY)
    return keys


def _read(problems: OptionErrors, option: str, given: str | Collection[str]) -> tuple[str, ...]:
    try:
        keys = read_keys(given)
    except (LookupError, OSError, ValueError) as error:
        problems.add(option, f"cannot be read: {error}", None)
        return ()
    if not any(keys):
        # Everybody could sign with an empty key.
        problems.add(option, "must not be empty", None, _NEW_KEY)
        return ()
    return keys


def _jar(layer: Sessions, problems: OptionErrors, name: str, secure: bool) -> Jar:
    try:
        return Jar(
            name,
            path=layer.path,
            domain=layer.domain,
            secure=secure,
            same_site=layer.same_site,
            partitioned=layer.partitioned,
            lasts=layer.max_age is not None,
            in_parts=layer.oversize == "chunk",
        )
    except OptionError as error:
        for problem in error.problems:
            option = _OPTIONS.get(problem.option, problem.option)
            problems.add(option, problem.rule, getattr(layer, option, None), problem.hint)
        problems.raise_if_any()
        raise


def _check_numbers(layer: Sessions, problems: OptionErrors) -> None:
    for option in ("max_age", "absolute_max_age", "renewal_age"):
        seconds = getattr(layer, option)
        problems.check(seconds is None or seconds > 0, option, "must be more than 0 seconds", seconds)
    problems.check(0 <= layer.refresh <= 1, "refresh", "must be from 0 to 1", layer.refresh)
    deadline = layer.store_deadline
    problems.check(0 < deadline < inf, "store_deadline", "must be more than 0 seconds, and an end", deadline)


def _check_homes(layer: Sessions, problems: OptionErrors) -> None:
    for option in ("store", "revocations"):
        url = getattr(layer, option)
        problem = url_problem(url) if isinstance(url, str) else None
        if problem is not None:
            problems.add(option, problem[0], None, problem[1])
    in_cookie = layer.store is None or layer.oversize == "spill"
    needs_store = "needs the option store"
    problems.check(layer.oversize != "spill" or layer.store is not None, "oversize", f"'spill' {needs_store}", "spill")
    problems.check(layer.renewal_age is None or layer.store is not None, "renewal_age", needs_store, layer.renewal_age)
    only_cookies = "is for sessions in cookies, and those are in a store"
    problems.check(in_cookie or not layer.encrypted, "encrypted", only_cookies, layer.encrypted)
    problems.check(in_cookie or layer.revocations is None, "revocations", only_cookies, None)
    problems.check(in_cookie or layer.oversize != "chunk", "oversize", f"'chunk' {only_cookies}", layer.oversize)


def _opened(given: str | Store | None, deadline: float, opened: list[Store]) -> Store | None:
    if not isinstance(given, str):
        return given
    store = open_store(given, namespace="sessions", deadline=deadline)
    opened.append(store)
    return store


def _old(layer: Sessions, keys: tuple[str, ...]) -> OldCookies | None:
    if layer.accept_starlette_until is None and layer.accept_flask_until is None:
        return None
    return OldCookies(
        layer.old_session_cookie,
        keys,
        starlette_until=layer.accept_starlette_until,
        flask_until=layer.accept_flask_until,
        max_age=layer.max_age,
    )
