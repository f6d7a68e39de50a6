"""What stands by for the day that something is wrong: requests that are no health check, and that do not fail.

No peer is known that does this for any ASGI application: each stands beside the bare application alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.answer import unchanged
from benchmarks.apps import answer_from_pool
from benchmarks.case import Bar, Case, Subject, ours
from benchmarks.pool import browser_head, http_scope

if TYPE_CHECKING:
    from middlewares.asgi import Scope

__all__ = ("CASES",)

_SMALL = 100


def _download(index: int) -> Scope:
    return http_scope(index, browser_head(index), size=_SMALL)


def _case(name: str, what: str, bar: float, *subjects: Subject) -> Case:
    return Case(name, what, answer_from_pool, _download, subjects, unchanged, bars=(Bar(overhead_us=bar),))


CASES = (
    _case("health", "another path than those of health checks", 0.6, ours("middlewares:Health")),
    _case("problem_details", "an answer that is no error", 2.0, ours("middlewares:ProblemDetails")),
)
