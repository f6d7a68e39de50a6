"""The values of labels, of which no client can make more than a few."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Final

from middlewares.asgi import connection_of
from middlewares.core.fields import is_token
from middlewares.core.headers import find
from middlewares.core.known_methods import OTHER_METHOD

if TYPE_CHECKING:
    from middlewares.core.observed import ObservedCall
    from middlewares.errors import OptionErrors

    from .families import Pairs
    from .store import Key

__all__ = ("OTHER", "Labels", "check_labels", "tame", "tame_scheme")

OTHER: Final = OTHER_METHOD
"""What stands for all values that are not known, as the conventions have it for methods."""

_SCHEMES: Final = frozenset({"http", "https", "ws", "wss"})
_VERSIONS: Final = frozenset({"1.0", "1.1", "2", "3"})
_NAME: Final = re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_]*")
_RESERVED: Final = frozenset(
    {
        *("http_request_method", "url_scheme", "http_response_status_code", "http_route", "error_type", "le"),
        *("network_protocol_version", "otel_metric_overflow", "quantile"),
    }
)
_RULE: Final = "must hold a value, a callable, or a table with 'header' or 'response_header', and 'values'"
_LONGEST: Final = 200


def tame(key: Key) -> Key:
    """Return the key of a request with values that are few, whatever a server or an application came up with."""
    method, scheme, status, route, error, version, custom = key
    if status is not None:
        is_status = isinstance(status, int) and 100 <= status <= 599
        if not is_status and error == str(status):
            error = OTHER
        status = int(status) if is_status else OTHER
    if route is not None and not isinstance(route, str):
        route = None
    if version is not None and version not in _VERSIONS:
        version = OTHER
    return method, tame_scheme(scheme), status, route, error, version, custom


def tame_scheme(scheme: str) -> str:
    """Return a scheme that is one of few."""
    return scheme if scheme in _SCHEMES else OTHER


class Labels:
    """The labels that a user added to those of requests."""

    __slots__ = ("_asked", "constant")

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.constant: Pairs = tuple((name, value) for name, value in given.items() if isinstance(value, str))
        """Those with the same value for every request."""
        self._asked = tuple((name, _reader(value)) for name, value in given.items() if not isinstance(value, str))

    @property
    def is_asked(self) -> bool:
        """Whether any differs from request to request."""
        return bool(self._asked)

    def of(self, call: ObservedCall, failed: Callable[[Exception], None]) -> Pairs:
        """Return all labels of a request; one that cannot be had has no value, and is reported."""
        pairs: list[tuple[str, str]] = []
        for name, read in self._asked:
            try:
                value = read(call)
                text = "" if value is None else str(value)[:_LONGEST]
            except Exception as error:  # noqa: BLE001 - a function of the user must not break a request
                failed(error)
                text = ""
            pairs.append((name, text))
        return (*self.constant, *pairs)


def check_labels(problems: OptionErrors, given: Mapping[str, Any], taken: frozenset[str]) -> None:
    """Record what is wrong with labels that a user adds to those that are ``taken``."""
    for name, value in given.items():
        problems.check(
            bool(_NAME.fullmatch(name)), "labels", "must have names of letters, digits and '_', such as 'tenant'", name
        )
        problems.check(name not in _RESERVED | taken, "labels", "must not have names that are taken", name)
        if isinstance(value, Mapping):
            _check_table(problems, value)
        else:
            problems.check(isinstance(value, str) or callable(value), "labels", _RULE, value)
            # Nobody awaits what they return: each would be a value of its own.
            problems.check(not iscoroutinefunction(value), "labels", "must not hold asynchronous functions", value)


def _check_table(problems: OptionErrors, table: Mapping[str, Any]) -> None:
    values = table.get("values")
    is_listed = isinstance(values, (list, tuple, set, frozenset)) and all(isinstance(value, str) for value in values)
    one = {*table} - {"values"}
    name = next((table[kind] for kind in one), None)
    is_right = one in ({"header"}, {"response_header"}) and isinstance(name, str) and is_token(name)
    problems.check(is_listed and is_right, "labels", _RULE, dict(table), f"other values become {OTHER!r}")


def _reader(value: Any) -> Callable[[ObservedCall], Any]:
    if not isinstance(value, Mapping):
        return lambda call: value(connection_of(call.inner))
    allowed = {text.encode("latin-1", "replace"): text for text in value["values"]}
    is_request = "header" in value
    name = value["header" if is_request else "response_header"].lower().encode("latin-1", "replace")

    def read(call: ObservedCall) -> str | None:
        found = find(call.scope["headers"] if is_request else call.response_headers, name)
        return None if found is None else allowed.get(found, OTHER)

    return read
