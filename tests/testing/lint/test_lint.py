"""The lint as a layer: its modes, what a finding says, sampling, strict input, and that nothing is left behind."""

from __future__ import annotations

import gc
import logging
import weakref
from typing import Any

import anyio
import pytest

from middlewares import CORS, GZip, Middleware, OptionError, Stack
from middlewares.testing import Driver, Finding, Lint, LintError, http_scope, request
from tests.testing.lint.course import REQUEST, around, body, ids, make_scope, passes_on, serve, start


async def faulty(scope: Any, receive: Any, send: Any) -> None:
    await send(start(99))
    await send(body())


async def plain(scope: Any, receive: Any, send: Any) -> None:
    await send(start())
    await send(body())


async def test_a_finding_says_who_what_after_what_and_how_to_mend_it():
    lint = Lint(faulty, name="outermost")
    await serve(lint)
    assert str(lint.findings[0]).splitlines() == [
        "H22 error, app faulty: status is 99",
        "  rule: `status` is an int from 200 to 999.",
        "  mend: Send the number as an int; for hints use http.response.early_hint.",
        "  seen by outermost, after:",
        "    app sends http.response.start 99",
    ]


async def test_collect_keeps_findings_up_to_a_bound():
    lint = Lint(faulty)
    for _ in range(1100):
        await serve(lint)
    assert len(lint.findings) == 1000


async def test_report_takes_a_list_or_a_function():
    found: list[Finding] = []
    told: list[Finding] = []
    await serve(Lint(faulty, report=found))
    await serve(Lint(faulty, report=told.append))
    assert found == told
    assert ids(found) == {"H22"}


async def test_raise_raises_where_the_rule_was_broken():
    lint = Lint(faulty, mode="raise")
    with pytest.raises(LintError, match="H22 error, app faulty: status is 99") as raised:
        await request(lint)
    assert raised.value.finding.id == "H22"
    assert ids(lint.findings) == {"H22"}


async def test_raise_within_a_stack_blames_nobody_else():
    lint = Lint(passes_on(Lint(faulty, mode="raise")))
    assert isinstance((await serve(lint))[-1], LintError)
    assert lint.findings == []


async def test_log_logs(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING, "middlewares.testing.lint"):
        await serve(Lint(faulty, mode="log"))
    assert [(record.levelname, record.message[:9]) for record in caplog.records] == [("ERROR", "H22 error")]


@pytest.mark.parametrize(("rate", "found"), [(0.0, 0), (0.25, 25), (1.0, 100)])
async def test_sample_checks_a_share_of_the_calls(rate: float, found: int):
    lint = Lint(faulty, mode="sample", sample_rate=rate)
    for _ in range(100):
        await serve(lint)
    assert len(lint.findings) == found


async def test_rules_can_be_left_out():
    lint = Lint(faulty, ignore=["H22"])
    await serve(lint)
    assert lint.findings == []


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"mode": "shout"}, "mode must be one of 'collect', 'raise', 'log', 'sample'"),
        ({"sample_rate": 2}, "sample_rate must be from 0 to 1"),
        ({"deadline": 0}, "deadline must be above 0"),
        ({"ignore": ["H99"]}, "ignore must hold ids of rules"),
        ({"strict": 1}, "strict must be true or false"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], problem: str):
    with pytest.raises(OptionError, match=problem):
        Middleware(Lint, **options)


async def test_a_layer_is_named_also_where_only_the_call_shows_the_next_lint():
    """A closure hides its application from the outer lint until it calls it."""
    inner = Lint(plain)

    async def closure(scope: Any, receive: Any, send: Any) -> None:
        async def send_wrong(message: Any) -> None:
            await send({**message, "status": 99} if "status" in message else message)

        await inner(scope, receive, send_wrong)

    lint = Lint(closure)
    await serve(lint)
    assert [(f.id, f.party, f.layer) for f in lint.findings] == [("H22", "middleware", "closure")]


async def test_several_layers_between_two_lints_are_named_together():
    class Breaking:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.app({**scope, "method": "get"}, receive, send)

    findings: list[Finding] = []
    lint = Middleware(Lint, report=findings)
    await serve(Stack(lint, passes_on, Breaking, lint)(plain))
    assert [(f.id, f.layer) for f in findings] == [("H2", "Transparent > Breaking")]


async def test_what_a_request_held_is_freed_without_the_collector():
    freed: list[weakref.ref[Any]] = []

    class State:
        pass

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await plain(scope, receive, send)

    lint = around(passes_on(around(app)))
    state = State()
    freed.append(weakref.ref(state))
    scope = make_scope(state={"held": state})
    gc.collect()
    gc.disable()
    try:
        await serve(lint, scope)
        del scope, state
        await anyio.lowlevel.checkpoint()
        assert freed[0]() is None
    finally:
        gc.enable()


async def test_a_long_stream_keeps_a_short_history():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        for _ in range(1000):
            await send(body(b"x", more_body=True))

    lint = Lint(app)
    await serve(lint)
    assert ids(lint.findings) == {"H34"}
    assert len(lint.findings[0].history) == 40


class TestStrict:
    """Awkward input is legal, and reaches application and server."""

    async def test_an_application_that_relies_on_optional_keys_stumbles(self):
        async def app(scope: Any, receive: Any, send: Any) -> None:
            assert scope["root_path"] == ""
            await plain(scope, receive, send)

        lint = Lint(app, strict=True)
        assert isinstance((await serve(lint))[-1], KeyError)

    async def test_headers_come_in_a_tuple_in_mixed_case(self):
        seen = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            seen.append(scope["headers"])
            await plain(scope, receive, send)

        await serve(Lint(app, strict=True), http_scope(headers={"x-a": "1"}))
        assert seen == [((b"X-A", b"1"),)]

    async def test_the_request_body_is_split_with_empty_chunks_and_extra_keys(self):
        seen: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            while not seen or seen[-1].get("more_body"):
                seen.append(await receive())
            await plain(scope, receive, send)

        await serve(Lint(app, strict=True), events=[{**REQUEST, "body": b"abcd"}])
        assert [event.get("body") for event in seen] == [b"ab", None, b"cd"]
        assert "lint.extra" in seen[0]

    async def test_neither_receive_nor_send_returns_a_coroutine(self):
        import inspect

        async def app(scope: Any, receive: Any, send: Any) -> None:
            for waiting in (receive(), send(start()), send(body())):
                assert not inspect.iscoroutine(waiting)
                await waiting

        lint = Lint(app, strict=True)
        assert not isinstance((await serve(lint))[-1], Exception)

    async def test_the_disconnect_is_told_again(self):
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await plain(scope, receive, send)
            for _ in range(3):
                assert (await receive())["type"] == "http.disconnect"

        asked = []

        async def receive() -> Any:
            asked.append(1)
            return {"type": "http.disconnect"}

        await serve(Lint(app, strict=True), receive=receive)
        assert len(asked) == 1

    async def test_the_server_gets_headers_once_and_a_body_in_pieces(self):
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(start())
            await send(body(b"abcd"))

        sent = await serve(Lint(app, strict=True))
        assert not isinstance(sent[0]["headers"], list)
        assert [*sent[0]["headers"]] == [(b"x-a", b"1")]
        assert [bytes(message.get("body", b"")) for message in sent[1:]] == [b"ab", b"", b"cd"]

    async def test_an_application_that_refuses_an_extra_key_is_found(self):
        async def app(scope: Any, receive: Any, send: Any) -> None:
            def take(type: str, body: bytes = b"", more_body: bool = False) -> None:  # noqa: A002
                pass

            take(**await receive())

        lint = Lint(app, strict=True)
        await serve(lint)
        assert [(f.id, f.party) for f in lint.findings] == [("G9", "app")]


@pytest.mark.parametrize("strict", [False, True])
async def test_an_app_cancelled_anywhere_is_clean(strict: bool):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        await receive()
        await receive()

    lint = Lint(app, strict=strict)
    async with Driver(lint, http_scope()) as call:
        await call.receive("http.response.start")
        await call.cancel()
    assert lint.findings == []


def test_it_runs_on_trio():
    lint = Lint(passes_on(Lint(plain)), strict=True)
    sent = anyio.run(serve, lint, backend="trio")
    assert [message["type"] for message in sent] == ["http.response.start", *["http.response.body"] * 3]
    assert lint.findings == []


def test_lints_between_layers_are_no_matter_of_order():
    assert Stack(Lint, GZip, Lint, CORS, Lint).check() == ()
