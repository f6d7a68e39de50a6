"""What is kept of a session: three times and its data as JSON, and when that is over."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

__all__ = ("EMPTY", "LONGEST", "Lifetimes", "Record", "decode", "encode")

LONGEST: Final = 400 * 24 * 3600
"""Seconds for which browsers keep a cookie at most (RFC 6265bis, 5.5)."""

EMPTY: Final = b"{}"
"""The data of a session that holds nothing."""

_TIME: Final = 6
_HEAD: Final = 3 * _TIME

_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_from_json = json.JSONDecoder().decode


def encode(data: dict[str, Any]) -> bytes:
    """Return the data of a session as JSON; raises `TypeError` or `ValueError` if it cannot be that."""
    return _to_json(data).encode()


def decode(data: bytes) -> dict[str, Any] | None:
    """Return what `encode` was given; ``None`` for everything else."""
    try:
        found = _from_json(data.decode())
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


class Record(NamedTuple):
    """A session as it is kept. Times are in seconds since 1970, to the millisecond."""

    created: float
    """When it began, or the user logged in."""
    renewed: float
    """When it was used last, or not long before."""
    named: float
    """When it got its id."""
    data: bytes
    """JSON."""

    def pack(self) -> bytes:
        """Return the record as bytes."""
        times = (self.created, self.renewed, self.named)
        return b"".join([round(time * 1000).to_bytes(_TIME) for time in times]) + self.data

    @classmethod
    def unpack(cls, packed: bytes) -> Record | None:
        """Return the record that `pack` made bytes of; ``None`` if they are too few."""
        if len(packed) < _HEAD:
            return None
        created, renewed, named = (
            int.from_bytes(packed[start : start + _TIME]) / 1000 for start in range(0, _HEAD, _TIME)
        )
        return cls(created, renewed, named, packed[_HEAD:])


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
        ends: list[float] = [LONGEST] if self.idle is None else [self.idle]
        if self.absolute is not None:
            ends.append(created + self.absolute - now)
        return max(0.001, min(ends))
