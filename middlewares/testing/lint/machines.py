"""The order of events as literal tables: one machine for what an application sends, one for what it receives.

A machine is a table of states; a state is a table of the events that may come, each with the state that follows.
Beside it stands the table of events that have no place in a state, each with the rule that it breaks. What is in
neither breaks the rule of the machine's `Machine.other`.

The last part of a body is an event of its own here: its type with ``!`` behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from .http_events import BODY, DEBUG, DENIAL, DENIAL_BODY, HINT, PATHSEND, PUSH, START, TRAILERS, ZEROCOPY
from .registry import Table, finds_misplaced

__all__ = (
    "HTTP_RECEIVED",
    "HTTP_SENT",
    "LIFESPAN_RECEIVED",
    "LIFESPAN_SENT",
    "WEBSOCKET_RECEIVED",
    "WEBSOCKET_SENT",
    "Machine",
)

_Moves: TypeAlias = dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Machine:
    """What may come in which state."""

    moves: _Moves
    misplaced: Table
    other: tuple[str, str]
    """Rule and complaint for every other event of the protocol."""
    kinds: frozenset[str]
    """Every type of event that the machine knows."""


def _machine(name: str, moves: _Moves, misplaced: Table, other: tuple[str, str]) -> Machine:
    finds_misplaced(name, {**misplaced, "other": {"": other}})
    events = {event for row in moves.values() for event in row} | {event for row in misplaced.values() for event in row}
    return Machine(moves, misplaced, other, frozenset(event.rstrip("!") for event in events))


BODY_END, ZEROCOPY_END, TRAILERS_END = f"{BODY}!", f"{ZEROCOPY}!", f"{TRAILERS}!"

_SECOND_START = ("H21", "a second start")
_LATE_HINT = ("E4", "early hints after the start")
_LATE_DEBUG = ("E7", "debug after the start")
_EARLY_TRAILERS = ("E5", "trailers before the end of the body")
_AFTER_END = ("H32", "an event after the end of the response")
_MIXED = ("E3", "a body beside a path")

HTTP_SENT = _machine(
    "HTTP_SENT",
    {
        "idle": {START: "started", HINT: "idle", DEBUG: "debugged"},
        "debugged": {START: "started", HINT: "debugged"},
        "started": {
            BODY: "streaming",
            BODY_END: "ended",
            PUSH: "started",
            PATHSEND: "path sent",
            ZEROCOPY: "streaming",
            ZEROCOPY_END: "ended",
        },
        "streaming": {
            BODY: "streaming",
            BODY_END: "ended",
            PUSH: "streaming",
            ZEROCOPY: "streaming",
            ZEROCOPY_END: "ended",
        },
        "trailers": {TRAILERS: "trailers", TRAILERS_END: "ended"},
        "ended": {},
        "path sent": {},
    },
    {
        "idle": {
            BODY: ("H21", "a body before the start"),
            BODY_END: ("H21", "a body before the start"),
            PUSH: ("E1", "a push before the start"),
            ZEROCOPY: ("E2", "zerocopysend before the start"),
            ZEROCOPY_END: ("E2", "zerocopysend before the start"),
            PATHSEND: ("E3", "pathsend before the start"),
            TRAILERS: _EARLY_TRAILERS,
            TRAILERS_END: _EARLY_TRAILERS,
        },
        "debugged": {DEBUG: ("E7", "a second debug"), BODY_END: ("H21", "a body before the start")},
        "started": {
            START: _SECOND_START,
            HINT: _LATE_HINT,
            DEBUG: _LATE_DEBUG,
            TRAILERS: _EARLY_TRAILERS,
            TRAILERS_END: _EARLY_TRAILERS,
        },
        "streaming": {
            START: _SECOND_START,
            HINT: _LATE_HINT,
            DEBUG: _LATE_DEBUG,
            PATHSEND: _MIXED,
            TRAILERS: _EARLY_TRAILERS,
            TRAILERS_END: _EARLY_TRAILERS,
        },
        "trailers": {START: _SECOND_START, PUSH: ("E1", "a push after the end of the body")},
        "ended": {
            START: _SECOND_START,
            HINT: _LATE_HINT,
            DEBUG: _LATE_DEBUG,
            PUSH: ("E1", "a push after the end of the response"),
            TRAILERS: ("E5", "trailers that were not announced, or after their end"),
            TRAILERS_END: ("E5", "trailers that were not announced, or after their end"),
        },
        "path sent": {
            BODY: _MIXED,
            BODY_END: _MIXED,
            ZEROCOPY: _MIXED,
            ZEROCOPY_END: _MIXED,
            PATHSEND: ("E3", "a second path"),
            START: _SECOND_START,
        },
    },
    _AFTER_END,
)

_REQUEST, _REQUEST_END, _GONE = "http.request", "http.request!", "http.disconnect"

HTTP_RECEIVED = _machine(
    "HTTP_RECEIVED",
    {
        "new": {_REQUEST: "new", _REQUEST_END: "whole", _GONE: "gone"},
        "whole": {_GONE: "gone"},
        "gone": {_GONE: "gone"},
    },
    {
        "whole": {
            _REQUEST: ("H18", "a request event after the end of the body"),
            _REQUEST_END: ("H18", "a request event after the end of the body"),
        },
        "gone": {
            _REQUEST: ("H19", "a request event after the disconnect"),
            _REQUEST_END: ("H19", "a request event after the disconnect"),
        },
    },
    ("H16", "an event that HTTP does not have"),
)

_ACCEPT, _SEND, _CLOSE = "websocket.accept", "websocket.send", "websocket.close"
_DENIAL_END = f"{DENIAL_BODY}!"
_AFTER_CLOSE = ("W10", "an event after the close")
_AFTER_DENIAL = ("E8", "an event after the denial response began")
_LATE_DENIAL = ("E8", "a denial response after the accept")
_UNSTARTED_DENIAL = ("E8", "the body of a denial response before its start")

WEBSOCKET_SENT = _machine(
    "WEBSOCKET_SENT",
    {
        "handshake": {_ACCEPT: "open", _CLOSE: "closed", DENIAL: "denying"},
        "open": {_SEND: "open", _CLOSE: "closed"},
        "denying": {DENIAL_BODY: "denying", _DENIAL_END: "denied"},
        "denied": {},
        "closed": {},
    },
    {
        "handshake": {
            _SEND: ("W10", "data before the accept"),
            DENIAL_BODY: _UNSTARTED_DENIAL,
            _DENIAL_END: _UNSTARTED_DENIAL,
        },
        "open": {
            _ACCEPT: ("W6", "a second accept"),
            DENIAL: _LATE_DENIAL,
            DENIAL_BODY: _LATE_DENIAL,
            _DENIAL_END: _LATE_DENIAL,
        },
        "denying": dict.fromkeys((_ACCEPT, _SEND, _CLOSE, DENIAL), _AFTER_DENIAL),
        "denied": dict.fromkeys((_ACCEPT, _SEND, _CLOSE, DENIAL, DENIAL_BODY, _DENIAL_END), _AFTER_DENIAL),
    },
    _AFTER_CLOSE,
)

_CONNECT, _RECEIVE, _DISCONNECT = "websocket.connect", "websocket.receive", "websocket.disconnect"

WEBSOCKET_RECEIVED = _machine(
    "WEBSOCKET_RECEIVED",
    {
        "new": {_CONNECT: "connected"},
        "connected": {_RECEIVE: "connected", _DISCONNECT: "gone"},
        "gone": {_DISCONNECT: "gone"},
    },
    {
        "connected": {_CONNECT: ("W3", "a second connect")},
        "gone": {
            _RECEIVE: ("W13", "data after the disconnect"),
            _CONNECT: ("W3", "a second connect"),
        },
    },
    ("W3", "an event before the connect"),
)

_STARTED, _START_FAILED = "lifespan.startup.complete", "lifespan.startup.failed"
_STOPPED, _STOP_FAILED = "lifespan.shutdown.complete", "lifespan.shutdown.failed"
_SECOND_ANSWER = ("L4", "a second answer to the startup")

LIFESPAN_SENT = _machine(
    "LIFESPAN_SENT",
    {
        "starting": {_STARTED: "started", _START_FAILED: "failed"},
        "started": {},
        "stopping": {_STOPPED: "stopped", _STOP_FAILED: "stopped"},
        "failed": {},
        "stopped": {},
    },
    {
        "waiting": {
            _STARTED: ("L4", "an answer before the startup"),
            _START_FAILED: ("L4", "an answer before the startup"),
        },
        **{
            state: {_STARTED: _SECOND_ANSWER, _START_FAILED: _SECOND_ANSWER}
            for state in ("started", "failed", "stopping", "stopped")
        },
    },
    ("L9", "an answer to a shutdown that nobody asked for, or a second one"),
)

_STARTUP, _SHUTDOWN = "lifespan.startup", "lifespan.shutdown"

LIFESPAN_RECEIVED = _machine(
    "LIFESPAN_RECEIVED",
    {"new": {_STARTUP: "starting"}, "starting": {_SHUTDOWN: "stopping"}, "stopping": {}},
    {
        "new": {_SHUTDOWN: ("L3", "a shutdown before the startup")},
        "starting": {_STARTUP: ("L3", "a second startup")},
    },
    ("L8", "an event after the shutdown"),
)
