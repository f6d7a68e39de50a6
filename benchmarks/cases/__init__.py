"""The cases, one module per area; each module lists its own in ``CASES``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import (
    codings,
    cors,
    decompress,
    dictionary,
    gzip,
    limit_stores,
    lint,
    load_control,
    metrics,
    observability,
    observing,
    passthrough,
    rate_limit,
    reload,
    routes,
    service,
    session_stores,
    sessions,
    stack,
    tracing,
)

if TYPE_CHECKING:
    from benchmarks.case import Case

__all__ = ("ALL", "select")

ALL: tuple[Case, ...] = (
    *passthrough.CASES,
    *gzip.CASES,
    *codings.CASES,
    *dictionary.CASES,
    *decompress.CASES,
    *cors.CASES,
    *load_control.CASES,
    *metrics.CASES,
    *service.CASES,
    *rate_limit.CASES,
    *limit_stores.CASES,
    *sessions.CASES,
    *session_stores.CASES,
    *stack.CASES,
    *reload.CASES,
    *lint.CASES,
    *observing.CASES,
    *observability.CASES,
    *tracing.CASES,
    *routes.CASES,
)


def select(names: list[str]) -> tuple[Case, ...]:
    """Return the cases with these names, in the order of ``ALL``; ``gzip`` also stands for every ``gzip-…``.

    Raises ``LookupError`` with the name that fits none.
    """
    if not names:
        return ALL
    for name in names:
        if not any(_fits(case, name) for case in ALL):
            raise LookupError(name)
    return tuple(case for case in ALL if any(_fits(case, name) for name in names))


def _fits(case: Case, name: str) -> bool:
    return case.name == name or case.name.startswith(f"{name}-")
