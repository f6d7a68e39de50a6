"""What is kept of a session: three times and its data as JSON, and when that is over."""

from __future__ import annotations

import json
import json.encoder
from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ("EMPTY", "LONGEST", "Lifetimes", "Record", "SessionInfo", "decode", "encode", "epoch_of")

LONGEST: Final = 400 * 24 * 3600
"""Seconds for which browsers keep a cookie at most (RFC 6265bis, 5.5)."""

EMPTY: Final = b"{}"
"""The data of a session that holds nothing."""

_HEAD: Final = Struct(">QII")
_MICROSECONDS: Final = 1_000_000

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_native: Any = getattr(json.encoder, "c_make_encoder", None)
# `JSONEncoder.encode` makes such an encoder for every value, which takes as long as its work.
_chunks: Callable[[dict[str, Any], int], Iterable[str]] | None = _native and _native(
    None, _encoder.default, json.encoder.encode_basestring, None, ":", ",", False, False, True
)
# What `JSONDecoder.decode` calls, but for the spaces that it skips: `encode` makes none.
_decoder: Any = json.JSONDecoder()  # typeshed lacks the attribute
_scan: Callable[[str, int], tuple[Any, int]] = _decoder.scan_once


def encode(data: dict[str, Any]) -> bytes:
    """Return the data of a session as JSON; raises `TypeError` or `ValueError` if it cannot be that."""
    text = "".join(_chunks(data, 0)) if _chunks is not None else _encoder.encode(data)
    try:
        return text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, as JSON of a client may hold it: that has to be escaped
        return json.dumps(data, separators=(",", ":")).encode()


def decode(data: bytes) -> dict[str, Any] | None:
    """Return what `encode` was given; ``None`` for everything else."""
    text = data.decode("utf-8", "replace")
    try:
        found, end = _scan(text, 0)
    except (ValueError, StopIteration, RecursionError):
        return None
    return found if isinstance(found, dict) and end == len(text) else None


def epoch_of(moment: float) -> bytes:
    """Return what `Record.is_from_before` takes for a moment in seconds since 1970."""
    return b"%d" % round(moment * _MICROSECONDS)


class Record(NamedTuple):
    """A session as it is kept. Times are in seconds since 1970."""

    created: float
    """When it began, or the user logged in; to the microsecond, others are in whole seconds."""
    renewed: float
    """When it was used last, or not long before."""
    named: float
    """When it got its id."""
    data: bytes
    """JSON."""

    def is_from_before(self, epoch: bytes) -> bool:
        """Return whether the session began before `epoch_of` a moment; also where that says nothing."""
        return not epoch.isdigit() or round(self.created * _MICROSECONDS) <= int(epoch)

    def pack(self) -> bytes:
        """Return the record as bytes."""
        return _HEAD.pack(round(self.created * _MICROSECONDS), int(self.renewed), int(self.named)) + self.data

    @classmethod
    def unpack(cls, packed: bytes) -> Record | None:
        """Return the record that `pack` made bytes of; ``None`` if they are too few."""
        if len(packed) < _HEAD.size:
            return None
        created, renewed, named = _HEAD.unpack_from(packed)
        # What `NamedTuple` itself does, which takes twice as long in doing so.
        return tuple.__new__(cls, (created / _MICROSECONDS, renewed, named, packed[_HEAD.size :]))


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """One of the sessions of a user."""

    key: str
    """Names the session to `Session.revoke`; the cookie cannot be told from it."""
    data: dict[str, Any]
    created: float
    """When it began, or the user logged in, in seconds since 1970."""
    renewed: float
    """When it was used last, or not long before."""
    is_current: bool
    """Whether it is the session of this request."""


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """When sessions end, in seconds; whatever a client does with its cookie."""

    idle: int | None
    """After they were used last."""
    absolute: int | None
    """After they began."""
    refresh: float
    """Share of ``idle`` after which a use is noted."""
    renewal: int | None = None
    """After they got their id, for a new one."""

    def is_over(self, record: Record, now: float) -> bool:
        """Return whether a session has ended."""
        return (self.idle is not None and now - record.renewed >= self.idle) or (
            self.absolute is not None and now - record.created >= self.absolute
        )

    def is_due(self, record: Record, now: float) -> bool:
        """Return whether it is time to note that a session was used."""
        return self.idle is not None and now - record.renewed >= self.idle * self.refresh

    def needs_new_id(self, record: Record, now: float) -> bool:
        """Return whether a session has had its id for long enough."""
        return self.renewal is not None and now - record.named >= self.renewal

    def left(self, created: float, now: float) -> float:
        """Return how long a session lives on that is used now."""
        left: float = LONGEST if self.idle is None else self.idle
        if self.absolute is None or left < created + self.absolute - now:
            return left
        return max(0.001, created + self.absolute - now)
