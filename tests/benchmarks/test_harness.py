"""The benchmark harness tells slow from quick, and measures nothing that does not do its work."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import __main__ as command_line
from benchmarks import cases, report
from benchmarks.answer import Answer, WrongOutputError, compressed, unchanged
from benchmarks.apps import answer_from_pool
from benchmarks.case import Bar, Case, Subject, peer, wrap
from benchmarks.measure import CaseResult, measure
from benchmarks.pool import POOL_SIZE, browser_head, http_scope, json_body

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send

QUICK, SLOW = 100, 2_000


def layer(work: int = 0, change: Callable[[Message], Message] = lambda message: message) -> Any:
    """Return a build of a layer that adds up ``work`` numbers per request and changes every message."""

    def build(app: ASGIApp) -> ASGIApp:
        async def layered(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_changed(message: Message) -> None:
                await send(change(message))

            sum(range(work))
            await app(scope, receive, send_changed)

        return layered

    return build


def make_case(own: Any, *peers: Subject, bars: tuple[Bar, ...] = ()) -> Case:
    return Case(
        "sample",
        "work of a known size",
        answer_from_pool,
        lambda index: http_scope(index, browser_head(index), size=100),
        (Subject("ours", own, peer=False), *peers),
        unchanged,
        bars=bars,
    )


def run(case: Case, *, rounds: int = 5) -> CaseResult:
    return measure(case, rounds=rounds, window_ms=1)


def share_of_collector(case: Case) -> float:
    """Return how much longer ours takes with the collector on than with it off."""
    own = run(case).subjects[0]
    assert own.on is not None
    assert own.off is not None
    return own.on.best / own.off.best


def run_main(monkeypatch: pytest.MonkeyPatch, case: Case, *arguments: str) -> int:
    monkeypatch.setattr(cases, "ALL", (case,))
    return command_line.main(["--rounds", "15", "--window", "0.5", *arguments])


def wrong_body(message: Message) -> Message:
    return {**message, "body": b"{}"} if message["type"] == "http.response.body" else message


SLOW_PEER = Subject("slow", layer(SLOW), peer=True)
MISSING = peer("missing", "a_package_that_nobody_wrote:Layer")


def test_slower_subject_is_measured_as_slower() -> None:
    result = run(make_case(layer(QUICK), SLOW_PEER))
    own, slow = result.subjects
    for collector in ("off", "on"):
        bare_ns, own_ns, slow_ns = (getattr(r, collector).best for r in (result.bare, own, slow))
        assert bare_ns < own_ns < slow_ns / 3
        assert getattr(own, collector).median >= own_ns


def test_second_column_counts_cyclic_garbage() -> None:
    """With the collector on, a request pays for the cycles that it leaves behind."""

    def litter(message: Message) -> Message:
        for _ in range(500):
            cycle: list[Any] = []
            cycle.append(cycle)
        return message

    littered, clean = (share_of_collector(make_case(own)) for own in (layer(change=litter), layer(QUICK)))
    assert clean < 1.3 < littered


@pytest.mark.parametrize(
    ("bar", "met"),
    [
        (Bar(peer="slow", ratio=0.5), True),
        (Bar(peer="slow", ratio=0.5, totals=True), True),
        (Bar(peer="slow", ratio=0.001), False),
        (Bar(peer="slow", ratio=1.0, body_bytes=True), True),
        (Bar(peer="slow", ratio=0.99, body_bytes=True), False),
        (Bar(overhead_us=1_000), True),
        (Bar(overhead_us=0.001), False),
    ],
    ids=str,
)
def test_bar_is_judged(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], bar: Bar, met: bool
) -> None:
    """A missed bar changes the exit status with ``--check`` only."""
    case = make_case(layer(QUICK), SLOW_PEER, bars=(bar,))
    assert run_main(monkeypatch, case) == 0
    assert f"bar {'met' if met else 'MISSED'}: {bar}" in capsys.readouterr().out
    assert run_main(monkeypatch, case, "--check") == (0 if met else 1)


def test_wrong_output_is_refused() -> None:
    own, wrong = run(make_case(layer(), Subject("wrong", layer(change=wrong_body), peer=True))).subjects
    assert own.off is not None
    assert wrong.off is None
    assert wrong.problem == "wrong output: the body is not the application's"


def test_output_that_turns_wrong_while_it_is_timed_is_refused() -> None:
    answers = iter(range(10**9))
    own = run(make_case(layer(change=lambda m: wrong_body(m) if next(answers) > 100 else m))).subjects[0]
    assert own.wrong
    assert own.off is None


def test_wrong_output_of_ours_fails_the_run_and_that_of_a_peer_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = layer(change=wrong_body)
    assert run_main(monkeypatch, make_case(wrong, SLOW_PEER)) == 1
    assert run_main(monkeypatch, make_case(layer(), Subject("wrong", wrong, peer=True))) == 0


def test_missing_peer_is_reported_and_the_others_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    case = make_case(layer(), SLOW_PEER, MISSING, bars=(Bar(peer="missing", ratio=0.5),))
    result = run(case)
    printed = report.text(result)
    assert "missing: not installed (No module named 'a_package_that_nobody_wrote')" in printed
    assert "bar not judged: overhead at most 0.5 of missing" in printed
    assert [subject.off is None for subject in result.subjects] == [False, False, True]
    assert run_main(monkeypatch, case) == 0
    assert run_main(monkeypatch, case, "--check") == 1


def test_requests_are_fresh() -> None:
    """A subject that marks whatever it is handed never meets its own mark."""

    def marking(app: ASGIApp) -> ASGIApp:
        async def mark(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_marked(message: Message) -> None:
                for holder in (message, dict(message.get("headers", ()))):
                    assert b"x-mark" not in holder
                message["x-mark"] = True
                message.get("headers", []).append((b"x-mark", b"1"))
                await send(message)

            for name in ("state", "asgi"):
                assert "mark" not in scope[name]
                scope[name]["mark"] = True
            assert "mark" not in scope
            assert (b"x-mark", b"1") not in scope["headers"]
            scope["mark"] = True
            scope["headers"].append((b"x-mark", b"1"))
            await app(scope, receive, send_marked)

        return mark

    assert run(make_case(marking)).subjects[0].problem is None


def test_pool_holds_a_thousand_different_requests_and_answers() -> None:
    for size in (100, 1_000):
        bodies = {json_body(size, index) for index in range(POOL_SIZE)}
        assert len(bodies) == POOL_SIZE
        assert all(json.loads(body) for body in bodies)
        assert all(size <= len(body) < size + 500 for body in bodies)
    assert len({browser_head(index) for index in range(POOL_SIZE)}) == POOL_SIZE


@pytest.mark.parametrize("body", [b"[]", b"\x1f\x8b", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03rubbish"])
def test_body_that_does_not_decode_is_wrong_output(body: bytes) -> None:
    def answer(body: bytes, *headers: tuple[bytes, bytes]) -> Answer:
        start = {"type": "http.response.start", "status": 200, "headers": headers}
        return Answer((start, {"type": "http.response.body", "body": body}))

    with pytest.raises(WrongOutputError, match="body"):
        compressed(answer(body, (b"content-encoding", b"gzip")), answer(b"[]"), {})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: make_case(layer(), Subject("second", layer(), peer=False)), "exactly one subject must be ours"),
        (lambda: make_case(layer(), SLOW_PEER, SLOW_PEER), "labels must differ"),
        (lambda: make_case(layer(), Subject("bare", layer(), peer=True)), "labels must differ"),
        (lambda: make_case(layer(), bars=(Bar(peer="slow", ratio=1),)), "refers to 'slow'"),
        (lambda: Bar(), "either overhead_us, or peer and ratio"),
        (lambda: Bar(ratio=0.5), "either overhead_us, or peer and ratio"),
        (lambda: Bar(overhead_us=1, peer="slow", ratio=0.5), "either overhead_us, or peer and ratio"),
    ],
)
def test_case_that_makes_no_sense_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_list_names_every_case(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["--list"]) == 0
    printed = capsys.readouterr().out
    assert all(f"{case.name} " in printed and case.what in printed for case in cases.ALL)


def test_names_of_cases_are_unique() -> None:
    names = [case.name for case in cases.ALL]
    assert len({*names}) == len(names)


def test_name_up_to_a_hyphen_selects_a_group() -> None:
    assert [case.name for case in cases.select(["gzip-json-1k", "cors"])] == [
        "gzip-json-1k",
        "cors-no-origin",
        "cors-allowed-origin",
        "cors-preflight",
        "cors-any",
        "cors-many-origins",
        "cors-websocket",
        "cors-hostile-preflight",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stak"], "there is no case 'stak'; did you mean 'stack'?"),
        (["--rounds", "0"], "must be positive; got 0"),
        (["--window", "nan"], "must be positive; got nan"),
        (["--write", "stack"], "--write takes the whole table"),
    ],
)
def test_bad_arguments_are_explained(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    with pytest.raises(SystemExit) as ended:
        command_line.main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


GROUPS = {case.name.partition("-")[0]: case.name for case in reversed(cases.ALL)}
"""A case of each group, which runs each time; the others only in a sweep."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(case.name, marks=() if case.name in GROUPS.values() else pytest.mark.sweep) for case in cases.ALL],
)
def test_every_case_runs(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One tiny round of each: whatever is installed answers rightly, and the JSON holds all of it."""
    target = tmp_path / "results.json"
    assert command_line.main(["--rounds", "1", "--window", "0.1", "--json", str(target), name]) == 0
    printed = capsys.readouterr().out
    written = json.loads(target.read_text(encoding="utf-8"))
    [case] = [case for case in written["cases"] if case["name"] == name]
    assert f"{case['name']}: {case['what']}\n" in printed
    for subject in case["subjects"]:
        assert not subject["wrong"], subject["problem"]
        assert subject["problem"] or subject["off"]["best"] > 0


def test_write_replaces_the_table_in_the_readme(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- results -->\nold\n<!-- /results -->\nafter\n", encoding="utf-8")
    monkeypatch.setattr(command_line, "_README", readme)
    for _ in range(2):
        assert run_main(monkeypatch, make_case(layer(), SLOW_PEER, MISSING), "--write") == 0
    text = readme.read_text(encoding="utf-8")
    assert text.startswith("before\n<!-- results -->\n")
    assert text.endswith("\n<!-- /results -->\nafter\n")
    assert "old" not in text
    assert text.count("### sample") == 1
    assert "| slow |" in text
    assert "- missing: not installed" in text


def test_readme_has_a_place_for_the_table() -> None:
    text = command_line._README.read_text(encoding="utf-8")
    assert text.index("<!-- results -->") < text.index("<!-- /results -->")


def test_wrap_imports_when_it_is_used() -> None:
    build = wrap("a_package_that_nobody_wrote:Layer")
    with pytest.raises(ModuleNotFoundError):
        build(answer_from_pool)
