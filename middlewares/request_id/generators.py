"""Make ids: unique across processes and machines, hard to guess, and quick.

Random bytes come from the operating system, many at a time; what is left of them is thrown away in a process that was
forked, or it would make the ids of its parent again.

Standard: RFC 9562, 5.4 (UUIDv4), 5.7 (UUIDv7) and 6.2 (monotonicity); the ULID specification.
"""

from __future__ import annotations

import logging
import os
import string
import time
from base64 import b32encode
from binascii import b2a_base64
from typing import TYPE_CHECKING, ClassVar, Final
from weakref import WeakSet

from middlewares.core.observer import INTERNAL_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("GENERATORS", "Checked", "Generator", "Short", "TimeOrdered", "ULIDs", "UUID4s", "UUID7s", "is_valid")

LOGGER: Final = logging.getLogger("middlewares.request_id")

_ALLOWED: Final = (string.ascii_letters + string.digits + "._~:/+=-").encode()
_LONGEST: Final = 128
_MILLISECOND: Final = 1_000_000
"""In nanoseconds."""

_BLOCK: Final = 256
"""Ids for which random bytes are fetched at once."""

# RFC 9562, 4.1: the two highest bits of this byte say that it is a UUID of this kind.
_VARIANT: Final = bytes(0x80 | byte & 0x3F for byte in range(256))
_VERSION_4: Final = bytes(0x40 | byte & 0x0F for byte in range(256))

# RFC 4648, 5, but of letters and digits alone: an id that begins with a hyphen looks like an option of a command.
_SHORT: Final = bytes.maketrans(b"+/", b"Aa")
_CROCKFORD: Final = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789ABCDEFGHJKMNPQRSTVWXYZ")
_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def is_valid(value: bytes) -> bool:
    """Return whether bytes may be taken for an id: nothing that could break a header, a line of a log, or a query."""
    return 0 < len(value) <= _LONGEST and not value.translate(None, _ALLOWED)  # a third of what an expression takes


class Generator:
    """Makes ids; threads may share it. A subclass writes what is random of many ids at once."""

    __slots__ = ("__weakref__", "_tails")

    def __init__(self) -> None:
        self._tails: list[str] = []
        _generators.add(self)

    def __call__(self) -> str:
        """Return the next id."""
        return self.tail()

    def renew(self) -> None:
        """Forget what is random and not used yet."""
        self._tails = []

    def tail(self) -> str:
        """Return the random part of an id, which nobody else gets."""
        try:
            return self._tails.pop()  # one step, so threads never take the same
        except IndexError:
            tails = self.fetch(_BLOCK)
            self._tails += tails[1:]
            return tails[0]

    def fetch(self, count: int) -> list[str]:
        """Return the random parts of that many ids."""
        raise NotImplementedError


class UUID4s(Generator):
    """UUIDs of version 4: 122 random bits."""

    __slots__ = ()

    def fetch(self, count: int) -> list[str]:
        parts = _hex(count, 4), _hex(count, 2), _hex(count, 2, _VERSION_4), _hex(count, 2, _VARIANT), _hex(count, 6)
        return ["-".join(part) for part in zip(*parts, strict=True)]


class Short(Generator):
    """Sixteen letters and digits, about 95 random bits: as good as unique, and easily copied."""

    __slots__ = ()

    def fetch(self, count: int) -> list[str]:
        text = b2a_base64(os.urandom(12 * count), newline=False).translate(_SHORT).decode()
        return [text[start : start + 16] for start in range(0, len(text), 16)]


class TimeOrdered(Generator):
    """Makes ids that sort by the time they were made at, also within a millisecond.

    Where the clock stands still or is set back, their time goes on in the smallest steps (RFC 9562, 6.2: "Replace
    Leftmost Random Bits with Increased Clock Precision", and what is said of clock rollback).
    """

    __slots__ = ("_begin", "_clock", "_last", "_prefix")

    parts: ClassVar[tuple[str, ...]]
    """How each of the parts is written into which a millisecond is divided."""

    def __init__(self, clock: Callable[[], int] = time.time_ns) -> None:
        super().__init__()
        self._clock = clock
        self._begin = 0
        """The millisecond that ids are of, in nanoseconds."""
        self._last = -1
        """The part of it that was written last."""
        self._prefix = self.written(0)

    def __call__(self) -> str:
        now = self._clock()
        since = now - self._begin
        # A later millisecond, or one before by a clock that was set back.
        part = since * len(self.parts) // _MILLISECOND if 0 <= since < _MILLISECOND else self._turned(now)
        # Threads may do this at once and get the same: what is random keeps their ids apart.
        if part <= self._last:
            part = self._last + 1
            if part == len(self.parts):
                part = self._turned(self._begin + _MILLISECOND)
        self._last = part
        prefix = self._prefix
        try:
            tail = self._tails.pop()
        except IndexError:
            tail = self.tail()
        return f"{prefix}{self.parts[part]}{tail}"

    def _turned(self, now: int) -> int:
        """Return the part to write at ``now``, which is in another millisecond, unless a thread has just turned to it.

        It says when, and not for how long: threads that turn at once must not add up the same time.
        """
        milliseconds, rest = divmod(now, _MILLISECOND)
        if now - rest <= self._begin:
            return self._last  # time stands still for ids until the clock has caught up
        prefix = self.written(milliseconds)
        self._begin, self._last, self._prefix = now - rest, -1, prefix
        return rest * len(self.parts) // _MILLISECOND

    def written(self, milliseconds: int) -> str:
        """Return 48 bits of time as they stand at the beginning of ids."""
        raise NotImplementedError


class UUID7s(TimeOrdered):
    """UUIDs of version 7: 48 bits of milliseconds, 12 of their parts, and 62 random bits."""

    __slots__ = ()

    parts = tuple(f"{part:03x}-" for part in range(1 << 12))

    def fetch(self, count: int) -> list[str]:
        return ["-".join(both) for both in zip(_hex(count, 2, _VARIANT), _hex(count, 6), strict=True)]

    def written(self, milliseconds: int) -> str:
        return f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}-7"


class ULIDs(TimeOrdered):
    """ULIDs: 48 bits of milliseconds, 10 of their parts, and 70 random bits, in 26 characters of base 32."""

    __slots__ = ()

    parts = tuple(first + second for first in _DIGITS for second in _DIGITS)

    def fetch(self, count: int) -> list[str]:
        text = b32encode(os.urandom(10 * count)).translate(_CROCKFORD).decode()
        return [text[start + 2 : start + 16] for start in range(0, len(text), 16)]

    def written(self, milliseconds: int) -> str:
        return "".join([_DIGITS[milliseconds >> shift & 31] for shift in range(45, -5, -5)])


def _hex(count: int, size: int, mask: bytes | None = None) -> list[str]:
    """Return random digits, ``count`` times ``size`` bytes; ``mask`` translates the first byte of each."""
    random = bytearray(os.urandom(count * size))
    if mask is not None:
        random[::size] = random[::size].translate(mask)
    return random.hex(",", size).split(",")


class Checked:
    """Makes ids by a function of the user; one that fails, or makes what is no id, is replaced, and counted as failed.

    The first failure is logged.
    """

    __slots__ = ("_generate", "_has_failed", "_instead")

    def __init__(self, generate: Callable[[], object]) -> None:
        self._generate = generate
        self._instead = UUID7s()
        self._has_failed = False

    def __call__(self) -> str:
        try:
            made = self._generate()
        except Exception as error:  # noqa: BLE001 - a request is not lost for want of a name
            return self._failed(error)
        if isinstance(made, str) and is_valid(made.encode(errors="replace")):
            return made
        return self._failed(ValueError("the generator must return 1 to 128 letters, digits and . _ ~ : / + = -"))

    def _failed(self, error: Exception) -> str:
        INTERNAL_ERRORS["RequestID"] += 1
        if not self._has_failed:
            self._has_failed = True
            LOGGER.error("RequestID: the generator failed; requests get UUIDs instead", exc_info=error)
        return self._instead()


GENERATORS: Final[dict[str, type[Generator]]] = {"uuid7": UUID7s, "uuid4": UUID4s, "ulid": ULIDs, "short": Short}

_generators: Final[WeakSet[Generator]] = WeakSet()


def _renew_all() -> None:
    for generator in [*_generators]:
        generator.renew()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_renew_all)
