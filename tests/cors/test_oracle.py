"""Whatever is declared, a browser that follows the Fetch standard does that: random policies, pages, applications."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.middleware.cors import CORSMiddleware

from middlewares import CORS
from tests.cors.browser import ask, fetch
from tests.cors.declared import Case, random_case

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp
    from tests.cors.browser import Answer

OURS = ("access-control-allow-origin", "access-control-allow-credentials", "access-control-expose-headers", "vary")
OF_PREFLIGHTS = ("access-control-allow-methods", "access-control-allow-headers", "access-control-max-age")
SWEPT = 100_000


def faults(app: ASGIApp, case: Case) -> set[str]:
    """Return in what the outcome differs from what is declared."""
    case.app.reached.clear()
    verdict = fetch(app, case.page)
    found = set()
    for what, done, meant in (
        ("read", verdict.is_readable, case.is_readable()),
        ("sent", verdict.is_sent, case.is_permitted()),
    ):
        if done != meant:
            found.add(f"{what}: more open than declared" if done else f"{what}: more closed than declared")
    if case.app.reached != [case.page.method] * verdict.is_sent:
        found.add("a preflight reached the application, or a request did not")
    if verdict.is_readable and verdict.visible & {"etag", "x-total", "x-hidden"} != case.visible():
        found.add("other headers exposed than declared")
    if verdict.is_sent:
        found |= faults_of_response(verdict.answers[-1], case)
    elif verdict.answers[0].status >= 400:
        found |= faults_of_refusal(verdict.answers[0])
    return found


def faults_of_response(answer: Answer, case: Case) -> set[str]:
    found = {f"{name} on a response" for name in OF_PREFLIGHTS if answer.lines(name)}
    found |= {f"{name} doubled" for name in OURS if len(answer.lines(name)) > 1 and name != "vary"}
    if answer.lines("access-control-allow-credentials") and not answer.lines("access-control-allow-origin"):
        found.add("credentials without origin")
    members = [member.strip().lower() for line in answer.lines("vary") for member in line.split(",")]
    given = {value.lower() for name, values in case.app.headers if name == b"Vary" for value in values.split(b", ")}
    if not given <= {member.encode() for member in members}:
        found.add("lost a member of Vary")
    if len(set(members)) < len(members) or ("*" in members and len(members) > 1 and b"*" in given):
        found.add("a superfluous member of Vary")
    return found


def faults_of_refusal(answer: Answer) -> set[str]:
    """A refusal tells nothing of the policy."""
    return {f"{name} in a refusal" for name in (*OURS[:3], *OF_PREFLIGHTS) if answer.lines(name)}


def assert_as_declared(case: Case) -> None:
    assert not (found := faults(CORS(case.app, **case.policy.options()), case)), (found, case)


@given(st.randoms(use_true_random=False))
def test_outcomes_are_as_declared(random: Random) -> None:
    assert_as_declared(random_case(random))


def test_many_outcomes_are_as_declared() -> None:
    kinds: Counter[tuple[bool, bool]] = Counter()
    random = Random(20_260_501)  # noqa: S311 - repeatable on purpose
    for _ in range(2_000):
        case = random_case(random)
        assert_as_declared(case)
        kinds[case.is_permitted(), case.is_readable()] += 1
    # Not one sided: each outcome comes up often.
    assert min(kinds[outcome] for outcome in ((True, True), (True, False), (False, False))) > 100


@pytest.mark.sweep
@pytest.mark.timeout(600)
def test_a_hundred_thousand_outcomes_are_as_declared() -> None:
    random = Random(SWEPT)  # noqa: S311 - repeatable on purpose
    for _ in range(SWEPT):
        assert_as_declared(random_case(random))


def test_the_known_faults_of_another_layer_show() -> None:
    """The control: an oracle that found nothing in it would find nothing anywhere."""
    random = Random(7)  # noqa: S311 - repeatable on purpose
    found: Counter[str] = Counter()
    for _ in range(3_000):
        case = random_case(random, for_starlette=True)
        found.update(faults(CORSMiddleware(case.app, **case.policy.options()), case))
    assert found["read: more open than declared"] > 10, "it reflects any origin where '*' meets credentials"
    assert found["read: more closed than declared"] > 10, "it refuses HEAD and POST in preflights unless listed"
    assert found["credentials without origin"] > 10
    assert found["access-control-allow-methods in a refusal"] > 10
    assert found["a superfluous member of Vary"] > 10, "it adds to '*', and doubles what is there"


def test_a_split_list_of_headers_is_judged_as_a_whole() -> None:
    """The control judges the first line only, so what a proxy splits means something else to it."""
    case = random_case(Random(1))  # noqa: S311 - repeatable on purpose
    headers = [("origin", "https://a.example"), ("access-control-request-method", "GET")]
    headers += [("access-control-request-headers", name) for name in ("x-a", "x-evil")]
    options: dict[str, Any] = {"allow_origins": ["https://a.example"], "allow_headers": ["x-a"]}
    assert ask(CORS(case.app, **options), "OPTIONS", headers).status == 403
    assert ask(CORSMiddleware(case.app, **options), "OPTIONS", headers).status == 200
