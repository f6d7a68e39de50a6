"""Rules, checks and mutants belong together: none stands alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewares.testing import http_scope
from middlewares.testing.lint import CHECKED, RULES
from middlewares.testing.lint.http_events import event_faults
from middlewares.testing.lint.registry import check
from middlewares.testing.lint.scopes import is_plain_http, scope_faults
from middlewares.testing.lint.values import plain_headers, plain_length
from tests.testing.lint.app_mutants import MUTANTS
from tests.testing.lint.layer_mutants import MUTANTS as LAYER_MUTANTS
from tests.testing.lint.server_mutants import EVENTS, SCOPES, SENDS

OBSERVABLE = {rule.id for rule in RULES.values() if rule.unobservable is None}
ALONE = "G1 G8 G9 G13 G16 G18 H14 H19 L2 L3 L6 L8 L11 W14 W16"
"""Rules whose mutants are tests of their own in ``test_server_mutants``."""


def test_there_are_98_rules_in_their_order():
    counted = {letter: sum(rule[0] == letter for rule in RULES) for letter in "GHWLE"}
    assert counted == {"G": 22, "H": 37, "W": 16, "L": 13, "E": 10}
    assert list(RULES) == [f"{letter}{number + 1}" for letter, count in counted.items() for number in range(count)]


def test_every_observable_rule_has_a_check_and_every_check_a_rule():
    assert set(CHECKED) == OBSERVABLE


def test_every_observable_rule_has_a_mutant():
    in_tables = {*MUTANTS, *(case[0] for case in (*LAYER_MUTANTS, *SCOPES, *EVENTS, *SENDS))}
    assert in_tables | {*ALONE.split()} == OBSERVABLE


def test_every_rule_says_who_what_why_and_how_to_mend_it():
    for rule in RULES.values():
        assert rule.statement.endswith(".")
        assert rule.hint.endswith(".")
        assert rule.source.startswith(("ASGI", "HTTP & WebSocket", "Lifespan", "TLS", "Extensions", "ours: "))
        assert rule.unobservable is None or len(rule.unobservable) > 20
        assert rule.unseen is None or (len(rule.unseen) > 20 and rule.unobservable is None)


def test_a_check_of_an_unobservable_or_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="declared as unobservable"):
        check("G11", "scope http")(lambda _value, _scope: None)
    with pytest.raises(KeyError):
        check("X1")(lambda _value, _scope: None)


def test_checks_name_only_rules_that_exist():
    source = "".join(path.read_text() for path in Path(check.__code__.co_filename).parent.glob("*.py"))
    assert set(re.findall(r'report\(\s*"([A-Z]\d+)"', source)) <= OBSERVABLE


_PARTS = st.sampled_from(
    [b"a", b"A", b"", b":x", b"x-a", b"a b", b"1\r\n", b"\0", b"\n", "a", None, 1, bytearray(b"a")]
)
_PAIRS = st.one_of(st.tuples(_PARTS, _PARTS), st.lists(_PARTS, max_size=3), _PARTS)
_HEADERS = st.one_of(st.lists(_PAIRS, max_size=3), st.tuples(_PAIRS), st.none(), _PARTS)
_VALUES: dict[str, list[Any]] = {
    "asgi": [None, {}, {"version": 3}, {"version": "3.0"}],
    "http_version": ["1.1", "1", "2", None],
    "method": ["GET", "get", "", b"GET", "PURGE"],
    "scheme": ["http", "", None, "ws"],
    "path": ["/", "", "/a?b", "/%41", b"/", "/é"],
    "raw_path": [None, b"/", "/", b"/?a", b"/%41"],
    "query_string": [b"", b"?a", b"a b", "a", None],
    "root_path": ["", "/", "/b", None, b""],
    "client": [None, ("a", 1), ["a", 1], ("a", "1"), ("a",), "ab", (1, 1)],
    "server": [None, ("a", 1), ["a", None], ("a", "1"), ()],
    "state": [None, {}, []],
    "extensions": [None, {}, [], {"a": {}}, {"a": 1}, {1: {}}, {"tls": {}}, {"tls": {"client_cert_chain": "x"}}],
}


@given(st.fixed_dictionaries({}, optional={key: st.sampled_from(values) for key, values in _VALUES.items()}))
def test_the_short_way_of_scopes_passes_nothing_that_a_check_would_find(change):
    scope = {**http_scope(), **change}
    if is_plain_http(scope):
        assert scope_faults(scope, "http") == []


@given(_HEADERS)
def test_the_short_way_of_headers_passes_nothing_that_a_check_would_find(headers):
    if plain_length(headers) is not None:
        assert event_faults({"type": "http.response.start", "status": 200, "headers": headers}, {}, "send") == []
    if plain_headers(headers):
        assert scope_faults({**http_scope(), "headers": headers}, "http") == []
