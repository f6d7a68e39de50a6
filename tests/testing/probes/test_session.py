"""A run finds what is wrong, says who and where, and never waits for an application that hangs."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute

from examples.shop.app import app as shop
from middlewares import CORS, GZip, Middleware, OptionError, Stack
from middlewares.testing.probes import Paths, Report, Session, discover, plan

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from middlewares.asgi import ASGIApp

ROOT = Path(__file__).resolve().parents[3]
START = {"type": "http.response.start", "status": 200, "headers": []}
BODY = {"type": "http.response.body", "body": b"hello"}


def check(app: ASGIApp, *layers: Any, timeout: float = 5.0, strict: bool = True, **options: Any) -> Report:
    """Return the report of a run through the layers with lints between all of them."""
    session = Session(timeout=timeout, ignore=options.pop("ignore", ()))
    between = [entry for layer in layers for entry in (layer, session.lint)]
    return session.run(Stack(session.lint, *between)(app), plan(**options), strict=strict)


def seen(report: Report) -> list[tuple[Any, ...]]:
    return [(one.finding.id, one.finding.party, one.finding.layer, one.first.request) for one in report.findings]


async def good(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    await send(dict(START))
    await send({**BODY, "body": b"" if scope["method"] == "HEAD" else b"hello"})


def test_a_good_application_has_no_findings_and_its_rejections_are_notes():
    report = check(good)
    assert seen(report) == []
    assert [(note.kind, note.first.request) for note in report.notes] == [
        ("lifespan", "lifespan"),
        ("raised", "WebSocket /, connect and close"),
    ]
    assert report.requests == 2 * len(plan())
    assert check(good, strict=False).requests == len(plan())


def test_the_shop_behind_our_layers_has_no_errors():
    layers = Middleware(GZip), Middleware(CORS, allow_origins=["https://lint.example"])
    paths = discover(shop)
    quick = Paths(tuple(path for path in paths.http if path not in ("/slow", "/events")), paths.websocket)
    report = check(shop, *layers, discovered=quick)
    assert report.errors == []
    assert {one.finding.id for one in report.findings} <= {"H33"}  # Starlette's bodies for HEAD


def test_equal_findings_are_one_with_its_count_and_its_first_request():
    async def shouting(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] != "/loud":
            return await good(scope, receive, send)
        await send({**START, "headers": [(b"X-Mood", b"bad")]})
        await send({**BODY, "body": b""})

    report = check(shouting, paths=["/loud"])
    assert [one[0:1] + one[3:] for one in seen(report)] == [("H24", "GET /loud")]
    assert report.findings[0].count > 20


class Shouting:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_upper(message: Any) -> None:
            if "headers" in message:
                message = {**message, "headers": [(name.upper(), value) for name, value in message["headers"]]}
            await send(message)

        await self.app(scope, receive, send_upper)


def test_the_layer_that_is_at_fault_is_named():
    async def polite(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise NotImplementedError
        await send({**START, "headers": [(b"x-mood", b"good")]})
        await send({**BODY, "body": b""})

    assert seen(check(polite, GZip, Shouting, GZip)) == [("H24", "middleware", "Shouting", "GET /")]


def test_strict_finds_who_relies_on_habits():
    async def habitual(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope["scheme"]
        await good(scope, receive, send)

    [*_, note] = [note for note in check(habitual).notes if "KeyError" in note.text]
    assert note.first.request == "GET / (strict)"
    assert [note for note in check(habitual, strict=False).notes if "KeyError" in note.text] == []


@pytest.mark.parametrize("rule", ["H24", "HANG"])
def test_a_rule_can_be_left_out(rule: str):
    async def wrong(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise NotImplementedError
        if rule == "HANG":
            await asyncio.sleep(100)
        await send({**START, "headers": [(b"X-Mood", b"bad")]})
        await send({**BODY, "body": b""})

    assert rule in {one.finding.id for one in check(wrong, timeout=0.05).findings}
    assert seen(check(wrong, timeout=0.05, ignore=[rule])) == []


def test_a_rule_that_does_not_exist_is_refused():
    with pytest.raises(OptionError, match="ignore must hold ids of rules; got 'H999'"):
        Session(ignore=["H999"])


def test_the_state_of_the_lifespan_reaches_each_request_as_a_copy():
    states: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["database"] = "open"
            await send({"type": "lifespan.startup.complete"})
            await receive()
            states.append("shutdown")
            await send({"type": "lifespan.shutdown.complete"})
            return
        states.append(scope.get("state"))
        await good(scope, receive, send)

    report = check(app)
    assert seen(report) == []
    requests = [state for state in states[:-1] if state is not None]
    assert states[-1] == "shutdown"
    assert all(state == {"database": "open"} for state in requests)
    assert len({id(state) for state in requests}) == len(requests) > 50


@pytest.mark.parametrize(
    ("answer", "told"),
    [({"message": "no database"}, "its startup failed: no database"), ({}, "its startup failed: without a message")],
)
def test_an_application_that_does_not_start_is_not_asked(answer: Any, told: str):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "lifespan"
        await receive()
        await send({"type": "lifespan.startup.failed", **answer})

    report = check(app)
    assert (report.not_started, report.requests) == (told, 0)


def test_a_failed_shutdown_is_a_note():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            return await good(scope, receive, send)
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.failed", "message": "still busy"})

    [note, *_] = check(app).notes
    assert str(note) == "lifespan: the shutdown failed: still busy"


def test_exceptions_are_notes_with_their_place_and_farewells_are_none():
    async def boom(request: Any) -> Any:
        raise ValueError("on\x1b[31m purpose")

    async def read(request: Any) -> Any:
        return PlainTextResponse(await request.body())

    async def talk(websocket: Any) -> None:
        await websocket.accept()
        while True:
            await websocket.send_text(str(await websocket.receive()))  # raises when the client has gone

    app = Starlette(
        routes=[
            Route("/boom", boom, methods=["GET", "POST"]),
            Route("/read", read, methods=["POST"]),
            WebSocketRoute("/talk", talk),
        ]
    )
    report = check(app, paths=["/boom", "/read", "/talk"], ignore=["H33"])
    [note] = report.notes
    assert f"the application raised ValueError: on?[31m purpose ({__file__}, line " in note.text
    assert (note.first.request, note.count) == ("GET /boom", 35)
    assert seen(report) == []


def test_an_exit_of_the_application_does_not_end_the_run():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        sys.exit(3)

    report = check(app)
    assert {"SystemExit(3)" in note.text for note in report.notes} == {True}


def test_a_stream_that_ends_with_its_client_is_a_note():
    async def stream() -> AsyncIterator[bytes]:
        while True:
            yield b"data: news\n\n"
            await asyncio.sleep(0.01)

    async def events(request: Any) -> Any:
        return StreamingResponse(stream())

    started = monotonic()
    report = check(Starlette(routes=[Route("/events", events)]), paths=["/events"], timeout=0.5, ignore=["H33"])
    assert seen(report) == []
    assert {note.kind for note in report.notes} == {"open"}
    assert monotonic() - started < 10


def test_what_the_application_leaves_running_is_ended():
    left: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if not left:
            left.append(asyncio.create_task(asyncio.sleep(100)))
        await good(scope, receive, send)

    check(app)
    assert left[0].cancelled()


def test_the_timer_of_others_goes_on_after_a_run():
    rung: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    timer = signal.setitimer(signal.ITIMER_REAL, 50)
    try:
        check(good, strict=False)
        assert 1 < signal.getitimer(signal.ITIMER_REAL)[0] < 50
        assert signal.getsignal(signal.SIGALRM)
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, before)


INVALID = {
    "no dict": ("text", "G5", "TypeError: an event must be a dict with a type"),
    "no type": ({"status": 200}, "G5", "TypeError: an event must be a dict with a type"),
    "other protocol": ({"type": "websocket.accept"}, "G5", "ValueError: 'websocket.accept' is no event of http"),
    "no status": ({"type": "http.response.start"}, "H22", "ValueError: http.response.start must have a status"),
    "wrong status": (
        {"type": "http.response.start", "status": "200"},
        "H22",
        "TypeError: status of http.response.start is of type str",
    ),
}


@pytest.mark.parametrize(("event", "rule", "raised"), INVALID.values(), ids=INVALID)
def test_what_no_server_can_encode_is_refused_and_found(event: Any, rule: str, raised: str):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        await send(event)

    report = check(app, strict=False)
    assert {(one.finding.id, one.finding.party) for one in report.findings} == {(rule, "app")}
    assert any(raised in note.text for note in report.notes)


def test_an_application_that_cancels_itself_is_no_failure_of_the_run():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise asyncio.CancelledError

    report = check(app, strict=False)
    assert report.requests == len(plan())
    assert [str(note) for note in report.notes] == ["lifespan: not supported: the application cancelled itself"]


def test_a_lifespan_that_returns_without_an_answer_is_found_and_the_requests_follow():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            return
        await good(scope, receive, send)

    report = check(app, strict=False)
    assert seen(report) == [("L4", "app", seen(report)[0][2], "lifespan")]
    assert report.requests == len(plan())


HANGS = {
    "sleep": "the call did not end after its client had left",
    "swallow": "the call did not end after its client had left",
    "thread": "the call did not end after its client had left",
    "ask": "the call did not end after its client had left",
    "flood": "the call did not end after its client had left",
    "block": "the event loop was blocked for 0.5 s ({file}, line ",
    "spin": "the event loop was blocked for 0.5 s",
    "listen": None,
    "background": None,
}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own: what hangs may hold it up."""
    command = [sys.executable, "-m", "middlewares", "lint", "--format", "json", "--timeout", "0.5", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("way", HANGS)
def test_what_hangs_is_reported_and_not_waited_for(way: str):
    expected = HANGS[way]
    started = monotonic()
    done = run("tests.testing.probes.hanging:app", "--path", f"/{way}", "--ignore", "H36", "--ignore", "H33")
    assert monotonic() - started < 30
    document = json.loads(done.stdout)
    found = document["findings"]
    if expected is None:
        assert (found, done.returncode) == ([], 0)
        return
    assert {finding["id"] for finding in found} == {"HANG"}
    assert sum(finding["count"] for finding in found) == 2 or way == "flood"  # which hangs on old servers only
    assert all(f"/{way}" in finding["request"] for finding in found)
    file = ROOT / "tests/testing/probes/hanging.py"
    assert found[0]["detail"].startswith(expected.format(file=file))
    assert done.returncode == 1
    assert "Task " not in done.stderr  # nothing of asyncio's complaints
    places = [note["request"] for note in document["notes"] if note["kind"] != "lifespan"]
    assert all(f"/{way}" in place or place.startswith("WebSocket") for place in places)  # other paths are answered
    if way != "flood":
        assert "left out" in [note["kind"] for note in document["notes"]]


@pytest.mark.parametrize("app", ["slow_start", "blocked_start"])
def test_a_startup_that_hangs_is_told(app: str):
    done = run(f"tests.testing.probes.hanging:{app}")
    assert "its startup was not complete within 0.5 s" in done.stderr
    assert json.loads(done.stdout)["findings"] == []
    assert done.returncode == 2


def test_a_shutdown_that_hangs_is_reported():
    done = run("tests.testing.probes.hanging:slow_stop", "--ignore", "H33")
    [found] = json.loads(done.stdout)["findings"]
    assert (found["id"], found["request"]) == ("HANG", "lifespan")
    assert done.returncode == 1
