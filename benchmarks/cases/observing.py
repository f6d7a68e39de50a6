"""Ids of requests, access logs and times: what watching a request costs."""

from __future__ import annotations

import io
import logging
import os
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmarks.answer import Answer, expect, unchanged
from benchmarks.apps import answer_from_pool
from benchmarks.case import Bar, Case, Subject, ours, peer
from benchmarks.pool import ANSWER, browser_head, http_scope

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Scope

__all__ = ("CASES",)

_CORRELATION = "asgi-correlation-id"
_LOGGER = "asgi-logger"
_SIZE = 1_000
_ID = "0198f5a2-6c1d-4e40-9d0c-{:012x}"


def _scope(index: int, *extra: tuple[str, str]) -> Scope:
    scope = http_scope(index, browser_head(index, extra=extra), size=_SIZE)
    headers, body = scope[ANSWER]
    return {**scope, ANSWER: (tuple(line for line in headers if line[0] != b"x-request-id"), body)}


def _with_id(index: int) -> Scope:
    return _scope(index, ("x-request-id", _ID.format(index)))


def _verify_id(got: Answer, bare: Answer, scope: Scope) -> None:
    unchanged(got, bare, scope)
    values = got.values(b"x-request-id")
    expect(len(values) == 1, f"x-request-id is {values!r}")
    sent = dict(scope["headers"]).get(b"x-request-id")
    expect(sent is None or values == [sent], f"x-request-id is {values!r}, not {sent!r}")


def _verify_timing(got: Answer, bare: Answer, scope: Scope) -> None:
    unchanged(got, bare, scope)
    expect(got.values(b"server-timing")[0].startswith(b"total;dur="), "no total")


@cache
def _stream_logger(name: str) -> logging.Logger:
    logger = logging.getLogger(name)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(logging.StreamHandler(io.TextIOWrapper(io.FileIO(os.open(os.devnull, os.O_WRONLY), "w"))))
    return logger


def _our_log(app: ASGIApp) -> ASGIApp:
    from middlewares import AccessLog

    return AccessLog(app, logger=_stream_logger("benchmarks.ours").name)


def _written_log(app: ASGIApp) -> ASGIApp:
    from middlewares import AccessLog

    return AccessLog(app, output=os.open(os.devnull, os.O_WRONLY))


def _peers_log(app: ASGIApp) -> ASGIApp:
    module: Any = import_module("asgi_logger")
    wrapped: ASGIApp = module.AccessLoggerMiddleware(app, logger=_stream_logger("benchmarks.peer"))
    return wrapped


_IDS = (ours("middlewares:RequestID"), peer(_CORRELATION, "asgi_correlation_id:CorrelationIdMiddleware"))

CASES = (
    Case(
        "request-id-new",
        "a request without an id",
        answer_from_pool,
        _scope,
        _IDS,
        _verify_id,
        bars=(Bar(peer=_CORRELATION, ratio=0.5), Bar(overhead_us=2.3)),
    ),
    Case(
        "request-id-given",
        "a request that comes with an id",
        answer_from_pool,
        _with_id,
        _IDS,
        _verify_id,
        bars=(Bar(peer=_CORRELATION, ratio=0.5),),
    ),
    Case(
        "access-log",
        "a line of JSON through logging to a stream, beside a line of text",
        answer_from_pool,
        _scope,
        (Subject("ours AccessLog", _our_log, peer=False), Subject(_LOGGER, _peers_log, peer=True)),
        unchanged,
    ),
    Case(
        "access-log-written",
        "a line of JSON, written by a thread",
        answer_from_pool,
        _scope,
        (Subject("ours AccessLog", _written_log, peer=False), Subject(_LOGGER, _peers_log, peer=True)),
        unchanged,
        bars=(Bar(peer=_LOGGER, ratio=0.5),),
    ),
    Case(
        "server-timing",
        "the time until a response begins",
        answer_from_pool,
        _scope,
        (ours("middlewares:ServerTiming", show_to="anybody"),),
        _verify_timing,
    ),
)
