"""Check the options of the layer when it is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from middlewares.core.addresses import Network, parse_networks
from middlewares.core.fields import is_token
from middlewares.core.options import check_types
from middlewares.core.paths import path_problem
from middlewares.errors import OptionErrors

if TYPE_CHECKING:
    from collections.abc import Collection

    from .attributes import CapturedHeaders
    from .middleware import Tracing

__all__ = ("captured_headers", "check_options")


def check_options(layer: Tracing) -> tuple[Network, ...]:
    """Return the networks whose clients are trusted; raise `OptionError` with everything that is wrong."""
    problems = OptionErrors(layer)
    check_types(problems, layer)
    problems.raise_if_any()
    for pattern in layer.exclude_paths:
        if (problem := path_problem(pattern)) is not None:
            problems.add("exclude_paths", problem, pattern)
    for option in ("capture_request_headers", "capture_response_headers", "redact_headers"):
        for name in getattr(layer, option):
            problems.check(is_token(name), option, "must hold header names", name)
    for parameter in layer.redact_parameters:
        is_name = bool(parameter) and not set("=&;") & set(parameter)
        problems.check(is_name, "redact_parameters", "must hold names of query parameters", parameter)
    networks = () if isinstance(layer.trust, str) else parse_networks(problems, "trust", layer.trust)
    problems.raise_if_any()
    return networks


def captured_headers(names: Collection[str], redacted: Collection[str]) -> CapturedHeaders:
    """Return the names of headers to capture, in lower case, and whether only their presence is told."""
    hidden = {name.lower() for name in redacted}
    return {name.lower().encode(): name.lower() in hidden for name in names}
