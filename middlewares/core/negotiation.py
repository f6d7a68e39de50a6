"""Choose a content coding from ``Accept-Encoding`` and a media type from ``Accept``.

Standard: RFC 9110, sections 12.4.2 (weights), 12.5.1 (``Accept``) and 12.5.3 (``Accept-Encoding``).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from middlewares.core.fields import parse_weighted
from middlewares.core.memo import Memo

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("IDENTITY", "CodingChooser", "choose_coding", "prefer_media_type")

IDENTITY: Final = b"identity"
"""The name of "no coding"; it is never written into ``Content-Encoding`` (RFC 9110, 8.4.1)."""

# RFC 9110, 8.4.1.1 and 8.4.1.3: recipients take these old names for the registered ones.
_ALIASES: Final = {b"x-gzip": b"gzip", b"x-compress": b"compress"}


def choose_coding(field: bytes | None, available: Sequence[bytes]) -> bytes | None:
    """Return the best of the ``available`` codings for an ``Accept-Encoding`` value (RFC 9110, 12.5.3).

    ``field`` is the whole value, several lines combined, and ``None`` where there is no such field.
    ``available`` holds lower-case names, the server's favourite first. There are three outcomes:

    - one of ``available``: that with the highest weight above 0, the earliest in case of a tie;
    - `IDENTITY`: nothing is asked for, or no coding is acceptable, or identity is listed with a higher weight
      than each;
    - ``None``: nothing on offer is acceptable, since the client refuses identity too. 406 is permitted then,
      but to send the content without coding is usually kinder.

    ``*`` stands for codings that are not listed. Identity, when not listed, is acceptable as the last resort,
    unless ``*;q=0`` refuses it. Of a coding listed twice the lowest weight counts, so that a refusal always
    holds.
    """
    if not field:
        return IDENTITY
    weights = _coding_weights(field, {*available, IDENTITY, b"*"})
    others = weights.get(b"*")
    best, best_weight = None, 0
    for coding in available:
        weight = weights.get(coding, others or 0)
        if weight > best_weight:
            best, best_weight = coding, weight
    identity = weights.get(IDENTITY)
    if best is not None and best_weight >= (identity or 0):
        return best
    refused = identity == 0 or (identity is None and others == 0)
    return None if refused else IDENTITY


def _coding_weights(field: bytes, wanted: set[bytes]) -> dict[bytes, int]:
    """Return the lowest weight given to each listed coding that is ``wanted``."""
    weights: dict[bytes, int] = {}
    for name, weight in parse_weighted(field):
        coding = _ALIASES.get(name, name)
        if coding in wanted:
            weights[coding] = min(weight, weights.get(coding, weight))
    return weights


class CodingChooser(Memo[bytes | None]):
    """`choose_coding` for a fixed set of codings, remembering the fields it has met.

    The answer is the coding to apply, or ``None`` to send the content as it is. The latter is also the answer to a
    client that accepts nothing on offer: RFC 9110, 12.5.3 prefers a response without coding to none. `acceptable`
    tells the two apart.

    ::

        choose = CodingChooser([b"br", b"gzip"])
        choose[b"gzip, deflate"]  # b"gzip"
        choose[b"identity"]  # None
    """

    __slots__ = ("available",)

    def __init__(self, available: Sequence[bytes]) -> None:
        self.available = tuple(available)
        super().__init__(partial(_choose, self.available))

    def acceptable(self, field: bytes | None) -> bool:
        """Tell whether the client accepts anything on offer; if not, 406 is permitted. Not remembered."""
        return choose_coding(field, self.available) is not None


def _choose(available: tuple[bytes, ...], field: bytes) -> bytes | None:
    choice = choose_coding(field, available)
    return None if choice == IDENTITY else choice


def prefer_media_type(accept: bytes | None, offers: Sequence[str]) -> str | None:
    """Return that of ``offers`` which an ``Accept`` value prefers, or ``None`` (RFC 9110, 12.5.1).

    ``offers`` are media types such as ``"text/html"``, the server's favourite first; it wins ties, and it is
    the answer where nothing valid is asked for. The most specific range decides on an offer: ``text/html``
    before ``text/*`` before ``*/*``. Parameters are ignored on both sides, and of ranges that differ in
    nothing else the highest weight counts. ``None`` means that no offer is acceptable.
    """
    listed = parse_weighted(accept) if accept else []
    if not listed:
        return next(iter(offers), None)
    ranges = {offer: _media_ranges(offer) for offer in offers}
    wanted = {name for names in ranges.values() for name in names}
    weights: dict[bytes, int] = {}
    for name, weight in listed:
        if name in wanted:
            weights[name] = max(weight, weights.get(name, 0))
    best, best_weight = None, 0
    for offer, names in ranges.items():
        weight = next((weights[name] for name in names if name in weights), 0)
        if weight > best_weight:
            best, best_weight = offer, weight
    return best


def _media_ranges(offer: str) -> tuple[bytes, bytes, bytes]:
    """Return the media ranges that match ``offer``, the most specific first."""
    media_type = offer.partition(";")[0].strip().lower().encode("latin-1", "replace")
    return media_type, media_type.partition(b"/")[0] + b"/*", b"*/*"
