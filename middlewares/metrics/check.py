"""Find everything that is wrong with the options before a request is counted."""

from __future__ import annotations

import re
from math import inf
from typing import TYPE_CHECKING, Any, Final

from middlewares.core.addresses import parse_networks
from middlewares.core.options import check_types
from middlewares.core.paths import path_problem
from middlewares.errors import OptionErrors

from .labels import check_labels
from .layout import SIZES, layout_of, merged
from .presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ("check_options",)

_PREFIX: Final = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)?")
_LEAST_SERIES: Final = 10


def check_options(layer: Any) -> None:
    """Raise `OptionError` with every problem."""
    problems = OptionErrors(layer)
    check_types(problems, layer)
    problems.raise_if_any()
    for pattern in layer.exclude_paths:
        words = path_problem(pattern)
        problems.check(words is None, "exclude_paths", words or "", pattern)
    path = layer.path
    is_path = path is None or (path.startswith("/") and path != "/" and path_problem(path) is None)
    problems.check(is_path and not re.search(r"[*{]", path or ""), "path", "must be a path such as '/metrics'", path)
    parse_networks(problems, "allow", layer.allow)
    problems.check(not layer.allow or path is not None, "allow", "must not be given without 'path'", layer.allow)
    problems.check(
        bool(_PREFIX.fullmatch(layer.prefix)), "prefix", "must be the begin of a name, such as 'shop_'", layer.prefix
    )
    for option in ("buckets", "size_buckets", "slo"):
        _check_bounds(problems, option, getattr(layer, option))
    problems.check(
        layer.max_series >= _LEAST_SERIES, "max_series", f"must be at least {_LEAST_SERIES}", layer.max_series
    )
    check_labels(problems, layer.labels, _labels_of(layer.names))
    problems.raise_if_any()


def _check_bounds(problems: OptionErrors, option: str, bounds: Collection[float] | None) -> None:
    for bound in bounds or ():
        problems.check(0 < bound <= inf, option, "must hold numbers above 0", bound)
    if bounds is not None and option != "slo":
        problems.check(bool({*bounds} - {inf}), option, "must hold at least one number", bounds)


def _labels_of(names: str) -> frozenset[str]:
    """Return the labels that metrics have with a set of names: one that is there twice spoils the whole page."""
    preset = PRESETS[names]
    families = preset.families("", layout_of(merged(preset.durations, preset.always), SIZES), ())
    return frozenset(name for family in families for name, _ in family.labels)
