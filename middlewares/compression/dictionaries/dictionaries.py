"""The dictionaries of one layer: negotiate them, announce them, learn them."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from middlewares.core.fields import parse_weighted
from middlewares.core.memo import Memo
from middlewares.core.negotiation import choose_coding
from middlewares.core.vary import VaryOn

from .background import Background
from .codings import CODINGS
from .fields import parse_hash, use_as_dictionary
from .gate import is_of_this_origin, is_secure
from .learning import Collected, Learner, is_public, is_storable, is_without_credentials
from .patterns import compile_pattern, request_path
from .sources import Sources
from .store import SMALLEST, Held, Learned

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from middlewares.asgi import Scope
    from middlewares.compression.codecs import Codec
    from middlewares.core.headers import HeaderList, Headers

    from .declaration import Dictionary

__all__ = ("Dictionaries",)

_RECHECK: Final = 10.0
"""Seconds for which files are taken to be as they were."""


class _Route(NamedTuple):
    """What the declarations say of one path, by their numbers."""

    users: frozenset[int]
    """Those whose dictionaries its responses may use."""
    announced: int | None
    """That by which clients are told to keep its responses."""
    learned: int | None
    """That for which its responses are learned."""


class Dictionaries:
    """The dictionaries of one layer, which shares them with nobody.

    Nothing here waits: files are read and dictionaries prepared in a thread of their own, and until that is done
    responses are encoded without them. Files are looked at when the first request for a matching path comes, and then
    again at most every ten seconds, while there are requests. Call everything from the event loop alone.

    Standard: RFC 9842.
    """

    __slots__ = (
        "_background",
        "_choose",
        "_clock",
        "_collected",
        "_cost",
        "_declarations",
        "_declared",
        "_learned",
        "_levels",
        "_next_look",
        "_routes",
        "_sources",
        "_values",
        "codings",
        "vary",
    )

    def __init__(
        self,
        declarations: Sequence[Dictionary],
        *,
        beside: Sequence[bytes] = (b"zstd", b"br", b"gzip"),
        levels: Mapping[bytes, int] | None = None,
        maximum_bytes: int = 64 * 2**20,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make an empty store for ``declarations``.

        ``beside`` are the codings that are there without a dictionary: one of them that the client gives a higher
        weight is preferred. ``levels`` are those of ``dcz`` (1 to 19, 5 by default) and ``dcb`` (5 to 11, 5 by
        default). ``maximum_bytes`` bounds the memory for files, and again that for what is learned, with all that is
        prepared from them. Raises `ValueError` for a level that does not exist.
        """
        self.codings: tuple[bytes, ...] = tuple(CODINGS)
        """The codings that can be offered, the favourite first: ``dcz`` and ``dcb``, as far as libraries allow."""
        self.vary = VaryOn(b"Accept-Encoding", b"Available-Dictionary")
        """What the responses of paths for which `varies` is true depend on (RFC 9842, 6.2)."""
        self._declarations = tuple(declarations)
        self._values = tuple(
            use_as_dictionary(each.match, match_dest=each.match_dest, id=each.id) for each in declarations
        )
        self._levels = {name: coding.level_or((levels or {}).get(name)) for name, coding in CODINGS.items()}
        self._clock = clock
        self._choose = Memo(partial(_choose, self.codings, tuple(beside)))
        self._routes = Memo(partial(_route, [_Paths.of(each) for each in declarations]))
        self._cost = partial(_cost, self._levels)
        self._background = Background(maximum_bytes)
        self._collected = Collected(maximum_bytes // 4)
        self._sources = Sources(self._declarations, most=maximum_bytes, cost=self._cost)
        self._declared: dict[bytes, Held] = {}
        self._learned = Learned(maximum_bytes)
        self._next_look = float("-inf")

    def varies(self, scope: Scope) -> bool:
        """Return whether a response to this request may be encoded with a dictionary, for a client that has one.

        Such a response needs `vary` in place of a mere ``Vary: Accept-Encoding``, whatever it is encoded with.
        """
        return bool(self.codings and self._route(scope).users)

    def offer(self, scope: Scope, accept_encoding: bytes | None, available: bytes | None) -> Codec | None:
        """Return the codec with which to answer a request, or ``None`` to answer it as if there were no dictionaries.

        ``accept_encoding`` and ``available`` are the values of ``Accept-Encoding`` and ``Available-Dictionary``,
        several lines joined, ``None`` where there are none. It is enough to call this for requests that have the
        latter, a name of 20 bytes.

        There is a codec only if the client lists ``dcz`` or ``dcb`` by name and prefers nothing else, the hash is that
        of a dictionary which is known and declared for this path, the context is secure, and the request comes from
        the origin it goes to (RFC 9842, 6.1 and 9.3.3). ``Dictionary-ID`` is not looked at.
        """
        if available is None or accept_encoding is None:
            return None
        digest = parse_hash(available)
        coding = None if digest is None else self._choose[accept_encoding]
        if digest is None or coding is None or not is_secure(scope):
            return None
        users = self._route(scope).users
        if not users:
            return None
        self._look_at_files()
        held = self._declared.get(digest) or self._learned.find(digest, self._clock())
        if held is None or users.isdisjoint(held.declared) or not is_of_this_origin(scope):
            return None
        codec = held.codecs.get(coding)
        if codec is None:
            self._background.submit(partial(self._prepare, held, coding))
        return codec

    def announce(self, scope: Scope, status: int, headers: Headers) -> HeaderList:
        """Return the fields to add to a response so that clients keep it as a dictionary: one, or none.

        ``headers`` are the application's. What is announced is a 200 to ``GET`` (or the fields of one, to ``HEAD``)
        that clients may store and that is not one user's own, in a secure context. The application's own
        ``Use-As-Dictionary`` is left alone. ``Accept-Encoding`` has no say: browsers list ``dcb`` and ``dcz`` only in
        requests for which they have a dictionary.
        """
        number = self._route(scope).announced
        if number is None or status != 200 or scope["method"] not in ("GET", "HEAD") or not self.codings:
            return []
        headers = [*headers]
        has_own = any(len(name) == 17 and name.lower() == b"use-as-dictionary" for name, _ in headers)
        if has_own or not is_secure(scope) or not is_storable(headers):
            return []
        self._look_at_files()
        return [(b"use-as-dictionary", self._values[number])]

    def learner(self, scope: Scope, status: int, headers: Headers) -> Learner | None:
        """Return what takes the body of a response in order to learn it, or ``None`` if it is not to be learned.

        ``headers`` are the application's. Give the learner each piece of the body as the application sends it, before
        it is encoded, and call ``finish`` after the last; a learner that is dropped before learns nothing. What is
        learned, and why no user sees another's, says the module `learning`.
        """
        route = self._route(scope)
        if route.learned is None or status != 200 or scope["method"] != "GET" or not self.codings:
            return None
        headers = [*headers]
        is_anybodys = is_without_credentials(scope["headers"]) and is_storable(headers) and is_public(headers)
        if not is_anybodys or not is_secure(scope):
            return None
        declaration = self._declarations[route.learned]
        learn = partial(self._learn, route.learned, request_path(scope))
        return Learner(learn, declaration.maximum_size, self._collected)

    def settle(self, timeout: float = 10.0) -> bool:
        """Read the files now, and wait until all that was begun is done; return whether it was in time.

        This blocks for up to ``timeout`` seconds: it is for tests, and for servers before they accept connections.
        """
        self._next_look = float("-inf")
        self._look_at_files()
        return self._background.join(timeout)

    def _route(self, scope: Scope) -> _Route:
        return self._routes[request_path(scope).encode("latin-1")]

    def _look_at_files(self) -> None:
        if not self._sources or not self.codings:
            return
        now = self._clock()
        if now >= self._next_look:
            self._next_look = now + _RECHECK
            self._background.submit(self._load)

    def _load(self) -> None:
        declared = self._sources.load()
        for held in declared.values():
            self._prepare(held, self.codings[0])
        self._declared = declared

    def _learn(self, number: int, path: str, body: bytes) -> None:
        if len(body) < SMALLEST:
            return
        latest = self._learned.latest(path)
        expires = self._clock() + self._declarations[number].max_age
        # Comparing bytes is far quicker than hashing them, and most responses are as they were.
        if latest is not None and number in latest.declared and latest.data == body:
            latest.expires = expires
            return
        self._background.submit(partial(self._keep, number, path, body, expires), len(body))

    def _keep(self, number: int, path: str, body: bytes, expires: float) -> None:
        held = Held(body, {number}, self._cost(len(body)), expires)
        self._prepare(held, self.codings[0])
        self._learned.add(path, held)

    def _prepare(self, held: Held, coding: bytes) -> None:
        if coding not in held.codecs:
            held.codecs[coding] = CODINGS[coding].codec(held.data, self._levels[coding])


class _Paths(NamedTuple):
    """A declaration's patterns, compiled."""

    is_user: Callable[[str], object]
    is_announced: Callable[[str], object]
    learns: bool

    @classmethod
    def of(cls, declaration: Dictionary) -> _Paths:
        is_user = compile_pattern(declaration.match)
        at = declaration.announce_at
        return cls(is_user, is_user if at is None else compile_pattern(at), declaration.learn)


def _route(declared: Sequence[_Paths], path: bytes) -> _Route:
    text = path.decode("latin-1")
    users = frozenset(number for number, each in enumerate(declared) if each.is_user(text))
    announced = next((number for number, each in enumerate(declared) if each.is_announced(text)), None)
    learned = next((n for n, each in enumerate(declared) if each.learns and each.is_announced(text)), None)
    return _Route(users, announced, learned)


def _choose(codings: Sequence[bytes], beside: Sequence[bytes], field: bytes) -> bytes | None:
    """Return that of ``codings`` which a client prefers to all others and to no coding, if it lists it by name."""
    # RFC 9842, 6.1: "*" says nothing of dictionaries, which a client must know to decode.
    listed = {name for name, _ in parse_weighted(field)}
    choice = choose_coding(field, [*(coding for coding in codings if coding in listed), *beside])
    return choice if choice in codings else None


def _cost(levels: Mapping[bytes, int], size: int) -> int:
    """Return how many bytes of memory a dictionary of ``size`` bytes may take, prepared for all codings."""
    return size + sum(CODINGS[coding].memory(size, level) for coding, level in levels.items())
