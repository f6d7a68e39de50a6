"""Make ids: unique across processes and machines, hard to guess, and quick.

Random bytes come from the operating system, many at a time; what is left of them is thrown away in a process that was
forked, or it would make the ids of its parent again.

Standard: RFC 9562, 5.4 (UUIDv4), 5.7 (UUIDv7) and 6.2 (monotonicity); the ULID specification.
"""

from __future__ import annotations

import logging
import os
import re
import time
from base64 import b32encode
from binascii import b2a_base64
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from middlewares.core.observer import INTERNAL_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("GENERATORS", "Checked", "Generator", "Short", "TimeOrdered", "ULIDs", "UUID4s", "UUID7s", "is_valid")

is_valid: Final = re.compile(rb"[A-Za-z0-9._~:/+=-]{1,128}").fullmatch
"""Whether bytes may be taken for an id: nothing that could break a header, a line of a log, or a query."""

LOGGER: Final = logging.getLogger("middlewares.request_id")

_BLOCK: Final = 256
"""Ids for which random bytes are fetched at once."""

_TICKS: Final = 4096
"""Parts of a millisecond, of 244 ns each, that ids tell apart."""
_MARK: Final = 1 << 60  # keeps the zeros at the front of a time of 60 bits

# RFC 9562, 4.1: the two highest bits of this byte say that it is a UUID of this kind.
_VARIANT: Final = bytes(0x80 | byte & 0x3F for byte in range(256))
_VERSION_4: Final = bytes(0x40 | byte & 0x0F for byte in range(256))

# RFC 4648, 5, but of letters and digits alone: an id that begins with a hyphen looks like an option of a command.
_SHORT: Final = bytes.maketrans(b"+/", b"Aa")
_CROCKFORD: Final = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789ABCDEFGHJKMNPQRSTVWXYZ")
_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Generator:
    """Makes ids; threads may share it. A subclass writes what is random of an id."""

    __slots__ = ("__weakref__", "_tails")

    size = 16
    """Random bytes of one id."""

    def __init__(self) -> None:
        self._tails: list[str] = []
        _generators.add(self)

    def __call__(self) -> str:
        """Return the next id."""
        return self._tail()

    def renew(self) -> None:
        """Forget what is random and not used yet."""
        self._tails = []

    def write(self, random: bytearray) -> str:
        """Return the random part of an id."""
        raise NotImplementedError

    def _tail(self) -> str:
        try:
            return self._tails.pop()  # one step, so threads never take the same
        except IndexError:
            tails = self._made(bytearray(os.urandom(self.size * _BLOCK)))
            self._tails += tails[1:]
            return tails[0]

    def _made(self, random: bytearray) -> list[str]:
        size = self.size
        return [self.write(random[start : start + size]) for start in range(0, len(random), size)]


class UUID4s(Generator):
    """UUIDs of version 4: 122 random bits."""

    __slots__ = ()

    def _made(self, random: bytearray) -> list[str]:
        random[6::16] = random[6::16].translate(_VERSION_4)
        random[8::16] = random[8::16].translate(_VARIANT)
        return super()._made(random)

    def write(self, random: bytearray) -> str:
        digits = random.hex()
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


class Short(Generator):
    """Sixteen letters and digits, about 95 random bits: as good as unique, and easily copied."""

    __slots__ = ()

    size = 12

    def write(self, random: bytearray) -> str:
        return b2a_base64(random, newline=False).translate(_SHORT).decode()


class TimeOrdered(Generator):
    """Makes ids that sort by the time they were made at, also within a millisecond.

    Where the clock stands still or is set back, their time goes on in the smallest steps (RFC 9562, 6.2: "Replace
    Leftmost Random Bits with Increased Clock Precision", and what is said of clock rollback).
    """

    __slots__ = ("_clock", "_last")

    def __init__(self, clock: Callable[[], int] = time.time_ns) -> None:
        super().__init__()
        self._clock = clock
        self._last = 0

    def __call__(self) -> str:
        ticks = self._clock() * (_TICKS // 8) // 125_000  # as is 4096 to a million nanoseconds
        # Threads may do this at once and get the same ticks: what is random keeps their ids apart.
        if ticks <= self._last:
            ticks = self._last + 1
        self._last = ticks
        return self.timed(ticks, self._tail())

    def timed(self, ticks: int, tail: str) -> str:
        """Return the id of a time: 48 bits of milliseconds and 12 of their parts."""
        raise NotImplementedError


class UUID7s(TimeOrdered):
    """UUIDs of version 7: 48 bits of milliseconds, 12 of their parts, and 62 random bits."""

    __slots__ = ()

    size = 8

    def _made(self, random: bytearray) -> list[str]:
        random[::8] = random[::8].translate(_VARIANT)
        return super()._made(random)

    def write(self, random: bytearray) -> str:
        return random.hex("-", 6)

    def timed(self, ticks: int, tail: str) -> str:
        digits = hex(_MARK | ticks)  # 0x1 and 15 digits
        return f"{digits[3:11]}-{digits[11:15]}-7{digits[15:]}-{tail}"


class ULIDs(TimeOrdered):
    """ULIDs: 48 bits of milliseconds, 12 of their parts, and 68 random bits, in 26 characters of base 32."""

    __slots__ = ()

    size = 10

    def write(self, random: bytearray) -> str:
        return b32encode(random).translate(_CROCKFORD).decode()[2:]  # the first of these, less 2 bits, to the last

    def timed(self, ticks: int, tail: str) -> str:
        time, part = divmod(ticks, _TICKS)
        bits = time << 15 | part << 3 | _DIGITS.index(tail[0]) & 7
        return "".join([_DIGITS[bits >> shift & 31] for shift in range(60, -5, -5)]) + tail[1:]


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
