"""A stack is an immutable list of layers, the first listed outermost, that stands wherever a middleware does."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import iscoroutinefunction
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware as StarletteMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from middlewares import CORS, GZip, Middleware, OptionError, Stack, When
from middlewares.testing import Driver, http_scope, lifespan, lifespan_scope, request, websocket, websocket_scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send
    from middlewares.record import Entry

ORIGIN = "https://a.example"


def trace(name: str) -> Any:
    """Return a middleware that writes its name into the response on the way out."""

    def middleware(app: ASGIApp) -> ASGIApp:
        async def traced(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_traced(message: Message) -> None:
                if message["type"] == "http.response.body":
                    message = {**message, "body": message["body"] + name.encode()}
                await send(message)

            await app(scope, receive, send_traced)

        return traced

    middleware.__name__ = name
    return middleware


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b":"})


def home(_request: Any) -> PlainTextResponse:
    return PlainTextResponse(":")


A, B, C, D = map(trace, "ABCD")


def names(stack: Stack) -> list[str]:
    return [entry.name for entry in stack]


# -- building an application


async def test_the_first_listed_is_outermost():
    assert (await request(Stack(A, B, C)(app))).text == ":CBA"


async def test_nested_stacks_stand_where_they_are_listed():
    nested = Stack(A, Stack(B, Stack(C)), Stack(), D)
    assert (await request(nested(app))).text == ":DCBA"
    assert (await request(Stack(A)(Stack(B, C)(app)))).text == ":CBA"


async def test_an_empty_stack_changes_nothing():
    assert Stack()(app) is app
    assert (await request(Stack(Stack())(app))).text == ":"
    assert len(Stack()) == 0


async def test_one_stack_wraps_several_applications():
    stack = Stack(A)

    async def other(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"!"})

    assert (await request(stack(app))).text == ":A"
    assert (await request(stack(other))).text == "!A"


@pytest.mark.parametrize(
    "entry",
    [
        Middleware(GZipMiddleware, minimum_size=1),
        StarletteMiddleware(GZipMiddleware, minimum_size=1),
        Stack(A),
        A,
        GZip,
    ],
)
async def test_every_kind_of_entry_is_a_record_in_the_stack(entry: Entry):
    stack = Stack(entry)
    assert isinstance(stack[0], Middleware)
    assert list(stack) == [stack[0]]
    assert (await request(stack(app))).text in (":", ":A")


def starlette(stack: Stack) -> ASGIApp:
    return Starlette(routes=[Route("/", home)], middleware=[Middleware(B), Middleware(stack), Middleware(C)])


def starlette_with_its_own_record(stack: Stack) -> ASGIApp:
    records = [StarletteMiddleware(B), StarletteMiddleware(stack), StarletteMiddleware(C)]
    return Starlette(routes=[Route("/", home)], middleware=records)


def fastapi(stack: Stack) -> ASGIApp:
    framework = FastAPI(middleware=[Middleware(B), Middleware(stack), Middleware(C)])
    framework.add_route("/", home)
    return framework


def added(stack: Stack) -> ASGIApp:
    framework = FastAPI()
    framework.add_route("/", home)
    for entry in (C, stack, B):
        framework.add_middleware(entry)
    return framework


def mounted(stack: Stack) -> ASGIApp:
    inner = Starlette(routes=[Route("/", home)], middleware=[Middleware(C)])
    return Starlette(routes=[Mount("/", Stack(B, stack)(inner))])


@pytest.mark.parametrize("register", [starlette, starlette_with_its_own_record, fastapi, added, mounted])
async def test_a_stack_is_a_middleware_to_frameworks(register: Callable[[Stack], ASGIApp]):
    assert (await request(register(Stack(A, D)))).text == ":CDAB"


def test_an_entry_that_returns_no_application_is_named():
    def forgetful(app: ASGIApp) -> Any:
        pass

    with pytest.raises(OptionError, match=r"^Stack: \[2\] \(forgetful\) must return an ASGI application; got None$"):
        Stack(A, forgetful, B)(app)


def test_what_an_entry_returned_is_shown_in_short():
    with pytest.raises(OptionError, match=r"must return an ASGI application; got \['x") as caught:
        Stack(lambda app: ["x"] * 1000)(app)
    assert len(str(caught.value)) < 250


def test_the_problems_of_all_entries_are_told_at_once_each_with_its_place():
    misspelt: dict[str, Any] = {"minimum_siz": 1, "compresslevel": 10}
    entries: list[Entry] = [
        A,
        StarletteMiddleware(GZip, **misspelt),
        SessionMiddleware,
        StarletteMiddleware(CORS, allow_origins="*"),
        Starlette(),
    ]
    with pytest.raises(OptionError) as caught:
        Stack(*entries)
    *others, last = str(caught.value).splitlines()
    assert others == [
        "Stack: [2] (GZip) minimum_siz is unknown (did you mean 'minimum_size'?)",
        "Stack: [2] (GZip) compresslevel must be from 1 to 9; got 10",
        "Stack: [3] (SessionMiddleware) secret_key is required",
        "Stack: [4] (CORS) allow_origins must be a list of strings; got '*' (write ['*'])",
    ]
    assert last.startswith("Stack: [5] (Starlette) class must be a middleware class or factory; got ")


# -- what reaches the application


@pytest.mark.parametrize(
    "scope",
    [lifespan_scope(), websocket_scope(), {"type": "later.protocol", "path": "/"}],
    ids=lambda scope: scope["type"],
)
async def test_what_layers_do_not_handle_reaches_the_application_untouched(scope: Scope):
    """Scope, receive and send are the very objects that the server passed."""
    reached: list[tuple[Any, ...]] = []

    async def inner(*call: Any) -> None:
        reached.append(call)

    async def receive() -> Message:
        return {}

    async def send(message: Message) -> None:
        pass

    before = dict(scope)
    await Stack(GZip, Stack(Middleware(CORS, allow_origins=[ORIGIN]), GZip))(lambda s, r, t: inner(s, r, t))(
        scope, receive, send
    )
    ((got_scope, got_receive, got_send),) = reached
    assert got_scope is scope
    assert scope == before
    assert (got_receive, got_send) == (receive, send)


async def test_lifespan_and_websockets_work_through_a_stack():
    events: list[str] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                events.append((await receive())["type"])
                await send({"type": f"lifespan.{step}.complete"})
            return
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": (await receive())["text"]})
        await receive()

    wrapped = Stack(GZip, CORS, When(GZip, paths=["/none"]))(inner)
    async with lifespan(wrapped), websocket(wrapped) as ws:
        await ws.send_text("hello")
        assert await ws.receive_text() == "hello"
    assert events == ["lifespan.startup", "lifespan.shutdown"]


ALLOWED = Middleware(CORS, allow_origins=[ORIGIN, "https://b.example"])


@pytest.mark.parametrize(
    "stack",
    [
        Stack(GZip),
        Stack(ALLOWED),
        Stack(GZip, ALLOWED),
        Stack(ALLOWED, GZip),
        Stack(Stack(GZip), Stack(ALLOWED, Stack())),
        # A condition may hand on what it was handed, so the layer outside it must mark its send.
        Stack(GZip, When(ALLOWED, paths=["/none"])),
        Stack(GZip, When(ALLOWED, paths=["/"])),
        Stack(GZip, When(When(ALLOWED, paths=["/none"]), paths=["/"])),
        Stack(ALLOWED, When(A, paths=["/"])),
        Stack(ALLOWED, When(A, paths=["/none"]), GZip),
        Stack(GZip, A, ALLOWED),
    ],
    ids=repr,
)
@pytest.mark.parametrize("headers", [{}, {"origin": ORIGIN, "accept-encoding": "gzip"}], ids=["plain", "all in use"])
async def test_a_foreign_application_is_handed_a_send_that_is_a_coroutine_function(
    stack: Stack, headers: dict[str, str]
):
    """Asgiref's adapters, and through them Django, warn about anything else."""
    sends: list[Any] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        sends.append(send)
        await app(scope, receive, send)

    await request(stack(inner), headers=headers)
    assert [iscoroutinefunction(send) for send in sends] == [True]


async def test_exceptions_pass_as_the_same_object():
    error = LookupError("x")

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    async with Driver(Stack(GZip, ALLOWED, When(CORS, methods=["GET"]))(inner), http_scope()) as call:
        with pytest.raises(LookupError) as caught:
            await call.finish()
    assert caught.value is error


# -- changing a stack


STACK = Stack(A, B, C)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (lambda: STACK.insert_before(B, D), "ADBC"),
        (lambda: STACK.insert_after(B, D), "ABDC"),
        (lambda: STACK.insert_before(A, D), "DABC"),
        (lambda: STACK.insert_after(C, D), "ABCD"),
        (lambda: STACK.insert_before(B, D, A), "ADABC"),
        (lambda: STACK.insert_after("B", D), "ABDC"),
        (lambda: STACK.insert_before(0, D), "DABC"),
        (lambda: STACK.insert_after(-1, D), "ABCD"),
        (lambda: STACK.insert_before(-3, D), "DABC"),
        (lambda: STACK.insert_before(B), "ABC"),
        (lambda: STACK.replace(B, D), "ADC"),
        (lambda: STACK.replace("B", D, A), "ADAC"),
        (lambda: STACK.replace(2, Stack(D)), ["A", "B", "Stack"]),
        (lambda: STACK.remove(B), "AC"),
        (lambda: STACK.remove("A"), "BC"),
        (lambda: STACK.remove(-1), "AB"),
        (lambda: STACK.remove(0).remove(0).remove(0), ""),
    ],
)
def test_a_change_makes_a_new_stack(changed: Callable[[], Stack], expected: str | list[str]):
    assert names(changed()) == list(expected)
    assert names(STACK) == ["A", "B", "C"]


@pytest.mark.parametrize("target", [GZip, "GZip", "gzip", 1, -2])
def test_a_layer_is_found_by_class_name_registered_name_and_index(target: object):
    stack = Stack(A, Middleware(GZip, minimum_size=1), CORS)
    assert names(stack.remove(target)) == ["A", "CORS"]


@pytest.mark.parametrize("target", [GZip, "gzip", "When", When, 1])
def test_a_condition_is_found_by_what_it_applies(target: object):
    assert names(Stack(A, When(GZip, paths=["/x"]), CORS).remove(target)) == ["A", "CORS"]


def test_a_nested_stack_is_found_as_itself():
    inner = Stack(B, C)
    assert names(Stack(A, inner).remove(inner)) == ["A"]
    assert names(Stack(A, inner).remove("Stack")) == ["A"]


@pytest.mark.parametrize(
    ("stack", "target", "problem"),
    [
        (STACK, "E", "Stack: target must be one of A, B, C; got 'E'"),
        (STACK, GZip, "Stack: target must be one of A, B, C; got 'GZip'"),
        (STACK, "gzip", "Stack: target must be one of A, B, C; got 'gzip'"),
        (STACK, 3, "Stack: target must be one of A, B, C; got 3"),
        (STACK, -4, "Stack: target must be one of A, B, C; got -4"),
        (STACK, None, "Stack: target must be one of A, B, C; got None"),
        (Stack(), "gzip", "Stack: target cannot be found: the stack is empty; got 'gzip'"),
        (Stack(), 0, "Stack: target cannot be found: the stack is empty; got 0"),
        (
            Stack(GZip, A, GZip),
            "gzip",
            "Stack: target must mean one layer, but stands at 0, 2: give the index; got 'gzip'",
        ),
        (
            Stack(GZip, A, GZip),
            GZip,
            "Stack: target must mean one layer, but stands at 0, 2: give the index; got 'GZip'",
        ),
        (
            Stack(GZip, When(GZip, paths=["/"])),
            "GZip",
            "Stack: target must mean one layer, but stands at 0, 1: give the index; got 'GZip'",
        ),
    ],
)  # fmt: skip
def test_an_unknown_or_ambiguous_target_is_refused(stack: Stack, target: object, problem: str):
    changes: list[Callable[[], Stack]] = [
        lambda: stack.insert_before(target, D),
        lambda: stack.insert_after(target, D),
        lambda: stack.replace(target, D),
        lambda: stack.remove(target),
    ]
    for change in changes:
        with pytest.raises(OptionError) as caught:
            change()
        assert str(caught.value) == problem


def test_a_new_entry_is_checked_like_any():
    with pytest.raises(OptionError, match=r"^Stack: \[2\] \(SessionMiddleware\) secret_key is required$"):
        STACK.insert_after(A, SessionMiddleware)


def test_a_stack_cannot_be_changed_in_place():
    with pytest.raises(AttributeError, match="a Stack is immutable: cannot set 'entries'"):
        STACK.entries = ()
    with pytest.raises(AttributeError, match="a Stack is immutable: cannot set 'more'"):
        STACK.more = 1
    with pytest.raises(AttributeError, match="a Stack is immutable: cannot delete 'entries'"):
        del STACK.entries
    assert isinstance(STACK.entries, tuple)


def test_a_subclass_stays_one():
    class Ours(Stack):
        pass

    assert type(Ours(A).insert_after(A, B)) is Ours


# -- a list


def test_a_stack_is_a_sequence_of_records():
    assert len(STACK) == 3
    assert [STACK[0], STACK[1], STACK[-1]] == list(STACK)
    assert all(isinstance(entry, Middleware) for entry in STACK)
    assert Stack(*STACK).entries == STACK.entries
    with pytest.raises(IndexError):
        STACK[3]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda stack: pickle.loads(pickle.dumps(stack))])  # noqa: S301 - our own bytes
def test_a_stack_can_be_copied_and_pickled(copied: Callable[[Stack], Stack]):
    stack = Stack(Middleware(GZip, minimum_size=3), When(CORS, paths=["/api/*"]), Stack(GZip))
    twin = copied(stack)
    assert str(twin) == str(stack)
    assert repr(twin) == repr(stack)
    assert callable(twin(app))


TREE = """\
Stack
├─ GZip(minimum_size=1000)
├─ When(paths=['/api/*'], methods=['GET'])
│  └─ CORS(allow_origins=['https://a.example'])
├─ Stack
│  ├─ A()
│  ├─ When(paths=['/x'])
│  │  └─ When(methods=['GET'])
│  │     └─ Stack
│  │        ├─ B()
│  │        └─ C()
│  └─ Stack
├─ SessionMiddleware(secret_key=…, max_age=60)
└─ When(hosts=['a.example'])
   └─ Stack
      └─ D()"""


def test_a_stack_prints_as_a_tree():
    stack = Stack(
        Middleware(GZip, minimum_size=1000),
        When(Middleware(CORS, allow_origins=[ORIGIN]), paths=["/api/*"], methods=["GET"]),
        Stack(A, When(When(Stack(B, C), methods=["GET"]), paths=["/x"]), Stack()),
        StarletteMiddleware(SessionMiddleware, secret_key="hunter2", max_age=60),  # noqa: S106 - shown as "…"
        When(Stack(D), hosts=["a.example"]),
    )
    assert str(stack) == TREE
    assert "\n".join(stack.tree()) == TREE


def test_an_empty_stack_prints_as_one_line():
    assert str(Stack()) == "Stack"
    assert repr(Stack()) == "Stack()"


def test_repr_is_how_it_is_written():
    stack = Stack(Middleware(GZip, minimum_size=3), Stack(A), When(B, methods=["GET"]))
    assert repr(stack) == (
        "Stack(Middleware(GZip, minimum_size=3), Middleware(Stack(Middleware(A))), "
        "When(Middleware(B), methods=['GET']))"
    )
