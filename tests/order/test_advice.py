"""A stack warns of layers in an unwise order, wherever they stand, and gives a copy of itself in the advised order."""

from __future__ import annotations

import secrets
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware as StarletteMiddleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from middlewares import (
    CORS,
    AccessLog,
    Decompress,
    GZip,
    Metrics,
    Middleware,
    OptionError,
    OrderWarning,
    RateLimit,
    RequestID,
    Sessions,
    Stack,
    Timeout,
    Tracing,
    When,
)
from middlewares.order import TWICE
from middlewares.order.layers import layers_of
from tests import stand_ins
from tests.stand_ins import CSRF, Auth, BodyLimit, Cache, ETag, ProxyHeaders, TrustedHosts

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp
    from middlewares.record import Entry


SESSIONS = Middleware(Sessions, secret_key=secrets.token_hex())


class Other:
    """A layer that no rule speaks of."""

    def __init__(self, app: ASGIApp, name: str = "") -> None:
        self.app = app


class Probe(Other):
    order_role = "anywhere"


class Plain(BaseHTTPMiddleware):
    async def dispatch(self, request: Any, call_next: Any) -> Any:
        return await call_next(request)


def found(stack: Stack, **options: Any) -> list[tuple[str, str]]:
    """Return the warnings of a stack as the names and places of the outer and the inner layer."""
    return [(str(warning.outer), str(warning.inner)) for warning in stack.check(**options)]


def names(stack: Stack) -> list[str]:
    return [layer.name for layer in layers_of(stack, {})]


# -- check


def test_a_warning_reads_as_a_paragraph() -> None:
    [warning] = Stack(RateLimit, Stack(GZip, ProxyHeaders)).check()
    assert isinstance(warning, OrderWarning)
    assert str(warning) == (
        "RateLimit [1] is better inside ProxyHeaders [2.2]\n"
        "  why:   Behind a proxy all requests come from one address, until the forwarded one is read.\n"
        "  harm:  Two clients behind one proxy send GET /: the second gets 429 for what the first has used up.\n"
        "  order: ProxyHeaders, RateLimit"
    )


def test_a_warning_of_a_layer_that_stands_twice_reads_as_a_paragraph() -> None:
    [warning] = Stack(GZip, Other, GZip).check()
    assert str(warning).splitlines()[0] == "GZip [1] stands here again: GZip [3]"
    assert str(warning).splitlines()[-1] == "  order: GZip once"


@pytest.mark.parametrize(
    ("stack", "expected"),
    [
        (Stack(), []),
        (Stack(Other, GZip, Plain), []),
        (Stack(ETag, GZip), [("ETag [1]", "GZip [2]")]),
        (Stack(ETag, Other, GZip), [("ETag [1]", "GZip [3]")]),
        (Stack(Stack(Other, ETag), GZip), [("ETag [1.2]", "GZip [2]")]),
        (Stack(Other, Stack(Stack(ETag), GZip)), [("ETag [2.1.1]", "GZip [2.2]")]),
        (Stack(When(ETag, paths=["/a"]), GZip), [("ETag [1]", "GZip [2]")]),
        (Stack(When(Stack(ETag, GZip), paths=["/a"])), [("ETag [1.1]", "GZip [1.2]")]),
        (Stack(When(When(ETag, paths=["/a"]), methods=["GET"]), GZip), [("ETag [1]", "GZip [2]")]),
        (Stack(Cache, ETag, GZip), [("Cache [1]", "GZip [3]"), ("ETag [2]", "GZip [3]")]),
    ],
)
def test_warnings_name_the_layers_and_their_places(stack: Stack, expected: list[tuple[str, str]]) -> None:
    assert found(stack) == expected


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ({"paths": ["/a"]}, {"exclude_paths": ["/a"]}, False),
        ({"exclude_paths": ["/a", "/b"]}, {"paths": ["/a"]}, False),
        ({"exclude_paths": ["/a"]}, {"paths": ["/a", "/b"]}, True),
        ({"methods": ["GET"]}, {"methods": ["POST", "PUT"]}, False),
        ({"methods": ["GET", "POST"]}, {"methods": ["POST"]}, True),
        ({"methods": ["GET"]}, {"paths": ["/a"]}, True),
        ({"hosts": ["a.example"]}, {"hosts": ["b.example"]}, True),  # not looked into: a false alarm is the lesser evil
    ],
)
def test_layers_that_no_request_passes_both_are_not_compared(
    one: dict[str, Any], other: dict[str, Any], meet: bool
) -> None:
    stack = Stack(When(ETag, **one), When(GZip, **other))
    assert bool(stack.check()) is meet
    assert (stack.sorted()[0] is stack[0]) is not meet


@pytest.mark.parametrize(
    ("stack", "is_twice"),
    [
        (Stack(GZip, GZip), True),
        (Stack(GZip, Middleware(GZip, minimum_size=1)), True),
        (Stack(GZip, When(GZip, paths=["/a"])), True),
        (Stack(When(GZip, paths=["/a"]), When(GZip, paths=["/a"])), True),
        (Stack(When(GZip, paths=["/a"]), When(GZip, paths=["/b"])), False),
        (Stack(When(GZip, methods=["GET"]), When(GZip, methods=["PUT"])), False),
        (Stack(GZip, GZipMiddleware), False),
        (Stack(RateLimit, Auth, Middleware(RateLimit, key="user")), False),
        (Stack(Other, Other), True),
        (Stack(Middleware(Other, name="a"), Middleware(Other, name="b")), False),
        (Stack(When(Other, paths=["/a"]), When(Other, paths=["/b"])), False),
        (Stack(Plain, Plain), True),
        (
            Stack(
                Middleware(BaseHTTPMiddleware, dispatch=lambda request, call: call(request)),
                Middleware(BaseHTTPMiddleware, dispatch=lambda request, call: call(request)),
            ),
            False,
        ),
        (Stack(Probe, GZip, Probe), False),
        (Stack(BodyLimit, Other, BodyLimit), True),
        (Stack(BodyLimit, Decompress, BodyLimit), False),
    ],
)
def test_the_same_layer_twice(stack: Stack, is_twice: bool) -> None:
    assert [warning.rule is TWICE for warning in stack.check()] == [True] * is_twice


@pytest.mark.parametrize(
    ("stack", "expected"),
    [
        (Stack(BodyLimit, Decompress, BodyLimit), []),
        (Stack(BodyLimit, Decompress), [("BodyLimit [1]", "Decompress [2]")]),
        (Stack(BodyLimit, Decompress, When(BodyLimit, paths=["/upload"])), [("BodyLimit [1]", "Decompress [2]")]),
        (
            Stack(BodyLimit, Decompress, BodyLimit, Decompress, Cache),
            [("Decompress [2]", "Decompress [4]"), ("BodyLimit [3]", "Decompress [4]")],
        ),
    ],
)
def test_one_body_limit_inside_decompression_is_enough_if_it_holds_for_all(
    stack: Stack, expected: list[tuple[str, str]]
) -> None:
    """A limit outside, on the bytes of the wire, is welcome beside it."""
    assert found(stack) == expected


def test_foreign_layers_are_advised_too() -> None:
    app = Starlette(
        middleware=[
            StarletteMiddleware(Cache),
            StarletteMiddleware(SessionMiddleware, secret_key=secrets.token_hex()),
            StarletteMiddleware(CORSMiddleware),
            StarletteMiddleware(ProxyHeadersMiddleware),
        ]
    )
    assert found(Stack(*app.user_middleware)) == [
        ("Cache [1]", "SessionMiddleware [2]"),
        ("Cache [1]", "CORSMiddleware [3]"),
        ("SessionMiddleware [2]", "ProxyHeadersMiddleware [4]"),
    ]
    assert names(Stack(*app.user_middleware).sorted()) == [
        "CORSMiddleware",
        "ProxyHeadersMiddleware",
        "SessionMiddleware",
        "Cache",
    ]


def test_roles_may_be_given() -> None:
    stack = Stack(Other, GZip)
    assert found(stack, roles={Other: "etag"}) == [("Other [1]", "GZip [2]")]
    assert names(stack.sorted(roles={Other: "etag"})) == ["GZip", "Other"]
    for call in (stack.check, stack.sorted):
        with pytest.raises(OptionError, match=r"Stack: roles must be a role .* got 'ettag' \(did you mean 'etag'\?\)"):
            call(roles={Other: "ettag"})


# -- sorted


@pytest.mark.parametrize(
    ("given", "advised"),
    [
        ([], []),
        ([ETag, GZip], [GZip, ETag]),
        ([Other, ETag, Probe, GZip, Plain], [Other, Probe, GZip, ETag, Plain]),
        ([GZip, CORS, Other], [GZip, CORS, Other]),
        ([Cache, Auth, SESSIONS, CORS, TrustedHosts, ProxyHeaders], None),
    ],
)
def test_layers_stand_in_the_advised_order_and_else_as_given(given: list[Any], advised: list[Any] | None) -> None:
    wanted = advised or [Sessions, Auth, CORS, ProxyHeaders, TrustedHosts, Cache]
    assert [entry.cls for entry in Stack(*given).sorted()] == wanted * bool(given)


def test_a_nested_stack_stays_whole_where_it_can() -> None:
    stack = Stack(Stack(ETag, GZip, Other), CORS)
    assert str(stack.sorted()) == str(Stack(Stack(GZip, ETag, Other), CORS))


def test_a_layer_that_stands_twice_stays_and_opens_no_nested_stack() -> None:
    stack = Stack(Stack(GZip, GZip), CORS)
    assert [warning.rule for warning in stack.check()] == [TWICE]
    assert str(stack.sorted()) == str(stack)


def test_a_nested_stack_is_opened_for_a_layer_that_belongs_between_its_own() -> None:
    stack = Stack(Stack(CORSMiddleware, Cache), Auth)
    assert str(stack.sorted()) == str(Stack(CORSMiddleware, Auth, Cache))


def test_what_stands_together_under_a_condition_stays_together() -> None:
    """Taken apart, its predicate would be asked twice, and the second time see what a layer has changed."""
    stack = Stack(Auth, When(Stack(Cache, CORSMiddleware), paths=["/a"]), ProxyHeaders, When(GZip, paths=["/b"]))
    assert str(stack.sorted()) == str(
        Stack(Auth, ProxyHeaders, When(GZip, paths=["/b"]), When(Stack(CORSMiddleware, Cache), paths=["/a"]))
    )
    assert found(stack.sorted()) == [("Auth [1]", "CORSMiddleware [4.1]")]


@pytest.mark.parametrize("turns", [0, 1, 2])
def test_what_no_order_can_mend_stays_as_given(turns: int) -> None:
    """The log belongs outside the limit, that outside the session, that outside the check; two are one."""
    together = When(Stack(AccessLog, CSRF), paths=["/a"])
    given: list[Entry] = [together, RateLimit, SESSIONS]
    stack = Stack(*given[turns:], *given[:turns])
    assert str(stack.sorted()) == str(stack)
    assert len(stack.check()) >= 1


def test_what_a_stack_says_of_itself_survives() -> None:
    class Ours(Stack):
        pass

    stack = Ours(ETag, When(GZip, paths=["/a"], methods=["GET"], predicate=bool))
    assert isinstance(stack.sorted(), Ours)
    assert stack.sorted()[0] is stack[1]
    assert names(stack) == ["ETag", "GZip"]


LAYERS: list[Entry] = [
    *(Middleware(getattr(stand_ins, name)) for name in stand_ins.__all__),
    *(Middleware(cls) for cls in (AccessLog, Metrics, RequestID, Timeout, Tracing)),
    SESSIONS,
    Middleware(RateLimit),
    Middleware(RateLimit, key="user"),
    Middleware(BodyLimit, limit=1),
    Middleware(GZip),
    Middleware(GZipMiddleware),
    Middleware(CORS),
    Middleware(CORSMiddleware),
    Middleware(TrustedHostMiddleware),
    Middleware(Plain),
    Middleware(Other),
]


MATCHERS: list[dict[str, Any]] = [{"paths": ["/a"]}, {"exclude_paths": ["/a"]}, {"methods": ["GET"]}]


@st.composite
def stacks(draw: st.DrawFn, together: bool = False) -> Stack:
    """Layers in any order, some of them under conditions and in nested stacks; also ``together`` under one."""
    entries = draw(st.permutations(LAYERS))[: draw(st.integers(0, len(LAYERS)))]
    entries = [When(entry, **draw(st.sampled_from(MATCHERS))) if draw(st.booleans()) else entry for entry in entries]
    for _ in range(draw(st.integers(0, 5))):
        start, stop = sorted(draw(st.tuples(st.integers(0, len(entries)), st.integers(0, len(entries)))))
        inside: Entry = Stack(*entries[start:stop])
        if together and draw(st.booleans()):
            inside = When(inside, **draw(st.sampled_from(MATCHERS)))
        entries[start:stop] = [inside]
    return Stack(*entries)


def layers(stack: Stack) -> Counter[tuple[int, str]]:
    return Counter((id(layer.record), str(layer.conditions)) for layer in layers_of(stack, {}))


def order_warnings(stack: Stack) -> list[OrderWarning]:
    return [warning for warning in stack.check() if warning.rule is not TWICE]


@given(stacks())
def test_nothing_is_left_to_warn_of_in_a_sorted_stack(stack: Stack) -> None:
    assert order_warnings(stack.sorted()) == []
    assert (str(stack.sorted()) == str(stack)) == (order_warnings(stack) == [])


@given(stacks() | stacks(together=True))
def test_sorting_keeps_every_layer_and_its_conditions_and_is_done_once(stack: Stack) -> None:
    assert layers(stack.sorted()) == layers(stack)
    assert str(stack.sorted().sorted()) == str(stack.sorted())
