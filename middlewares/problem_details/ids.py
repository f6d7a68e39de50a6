"""Name the request in a problem: its id and that of its trace, by which logs and traces are found."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import quote
from uuid import UUID

if TYPE_CHECKING:
    from middlewares.core.exchange import Exchange
    from middlewares.core.refusals import Refusal

__all__ = ("completed",)

_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}-?([0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}")


def completed(problem: Refusal, exchange: Exchange) -> Refusal:
    """Return a problem with the ids that layers have published."""
    request_id, trace_id = exchange.request_id, exchange.trace_id
    members = {**problem.members}
    known = []
    if request_id:
        members["request_id"] = request_id
        known.append(f"request {request_id}")
    if trace_id:
        members["trace_id"] = trace_id
        known.append(f"trace {trace_id}")
    reference = ", ".join(known)
    instance = problem.instance or (_urn(request_id) if request_id else "")
    return replace(problem, members=members, instance=instance, reference=reference[:1].upper() + reference[1:])


def _urn(request_id: str) -> str:
    if _UUID.fullmatch(request_id):
        return UUID(request_id).urn  # RFC 9562, 4
    return f"urn:request:{quote(request_id, safe='', errors='replace')}"  # RFC 8141, 2
