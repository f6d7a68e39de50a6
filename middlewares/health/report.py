"""What a health check is answered: ``application/health+json``.

Standard: draft-inadarei-api-health-check-06 (the media type, ``status``, ``checks`` and ``notes``).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from middlewares.core.headers import HeaderList

    from .checks import Outcome

__all__ = ("Answer", "answer")


class Answer(NamedTuple):
    """A response that is ready to be sent."""

    status: int
    headers: HeaderList
    body: bytes


def answer(
    *, passes: bool, outcomes: Mapping[str, Outcome] | None = None, note: str = "", with_reasons: bool = False
) -> Answer:
    """Return the answer to a health check.

    ``outcomes`` are shown by name, as passing or not, and with ``with_reasons`` also why not.
    """
    said: dict[str, object] = {"status": _word(passes)}
    if note:
        said["notes"] = [note]
    if outcomes:
        said["checks"] = {name: [_shown(outcome, with_reasons)] for name, outcome in outcomes.items()}
    # What is no Unicode in a reason comes out as an escape.
    body = json.dumps(said).encode()
    headers = [
        (b"content-type", b"application/health+json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    return Answer(200 if passes else 503, headers, body)


def _word(passes: bool) -> str:
    return "pass" if passes else "fail"


def _shown(outcome: Outcome, with_reason: bool) -> dict[str, str]:
    shown = {"status": _word(outcome.passes)}
    if with_reason and outcome.why:
        shown["output"] = outcome.why
    return shown
