"""Cookies that a browser may send: none may crash, cost much, or be taken for what it is not."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewares.sessions.records import Record
from middlewares.sessions.tokens import Encrypted, Ids, Signed
from tests.sessions.sites import KEY, OLD_KEY, Counting, Site

if TYPE_CHECKING:
    from middlewares import Session

NAME = "__Host-session"


def put(session: Session) -> None:
    session["a"] = 1


def is_empty(session: Session) -> None:
    assert dict(session) == {}


JUNK = {
    "empty": "",
    "a word": "hello",
    "only the kind": "S",
    "another kind": "I" + "A" * 40,
    "not base64": "S!!!.???",
    "not ASCII": "S\xff\xfe.\xe4",
    "quoted": '"S"',
    "chunks that are not there": "K2.S",
    "many chunks": "K9." + "S" * 100,
    "chunks of chunks": "K2.K2.S",
    "unsigned JSON": b64encode(b'{"user_id": 1}').decode(),
    "a pickle": "gASVAAAAAAAAAA==",
    "one megabyte": "S" + "A" * 1_000_000,
    "ten thousand dots": "S" + "." * 10_000,
    "a deep one": "S" + b64encode(b"[" * 2000).decode(),
}


@pytest.mark.parametrize("value", JUNK.values(), ids=JUNK)
async def test_junk_is_an_empty_session(site: Site, value: str) -> None:
    response = await site.visit(is_empty, f"{site.cookie}={value}")
    assert response.status == 200
    assert response.header("set-cookie") is None


@given(value=st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=100))
async def test_any_cookie_field_is_survived(value: str) -> None:
    for options in ({}, {"encrypted": True}, {"store": "memory://"}):
        site = Site(**options)
        for header in (value, f"{site.cookie}={value}", f"{site.cookie}=S{value}"):
            assert (await site.visit(is_empty, header)).status == 200


async def test_junk_costs_next_to_nothing() -> None:
    """A megabyte is put aside by its length: as fast as any other foreign megabyte, but for some microseconds."""
    site = Site()
    started = time.perf_counter()
    for _ in range(20):
        await site.visit(is_empty, f"{site.cookie}=S{'A' * 1_000_000}")
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize("payload", [b"[]", b"null", b"1", b'"text"', b"{", b"", b"\xff", b'{"a":1} '])
@pytest.mark.parametrize("cls", [Signed, Encrypted])
async def test_genuine_values_that_hold_no_session_are_an_empty_one(cls: Any, payload: bytes) -> None:
    site = Site(encrypted=cls is Encrypted)
    record = Record(1_000_000, 1_000_000, 1_000_000, payload)
    value = cls([KEY], site.cookie).seal(bytes(16) + record.pack())
    assert (await site.visit(is_empty, f"{site.cookie}={value}")).status == 200
    short = cls([KEY], site.cookie).seal(bytes(5))
    assert (await site.visit(is_empty, f"{site.cookie}={short}")).status == 200


async def test_a_cookie_in_lines_of_its_own_is_found(site: Site) -> None:
    """As HTTP/2 allows (RFC 9113, 8.2.3)."""
    browser = site.browser()
    await browser.visit(put)
    name, value = next(iter(browser.cookies.items()))
    fields = ["theme=dark", f"{name}={value}", "visits=4"]
    from middlewares.testing import request

    site._acts["x"] = lambda session: session["a"] and None
    headers = [(b"x-act", b"x"), *((b"cookie", field.encode()) for field in fields)]
    assert (await request(site.layer, headers=headers)).status == 200


@pytest.mark.parametrize("around", ["{}", "a=b; {}; c=d", "{} ; c=d", "a=b;{}", "x__Host-session=1; {}", ' {} ;a="b"'])
async def test_a_cookie_is_found_among_others(around: str) -> None:
    site = Site()
    browser = site.browser()
    await browser.visit(put)
    await site.visit(lambda session: session["a"] and None, around.format(browser.header))


async def test_the_same_value_twice_is_one(site: Site) -> None:
    browser = site.browser()
    await browser.visit(put)
    await site.visit(lambda session: session["a"] and None, f"{browser.header}; {browser.header}")


async def test_junk_of_the_same_name_does_not_hide_a_session(site: Site) -> None:
    browser = site.browser()
    await browser.visit(put)
    for header in (f"{site.cookie}=junk; {browser.header}", f"{browser.header}; {site.cookie}=junk"):
        await site.visit(lambda session: session["a"] and None, header)


async def test_few_of_many_values_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site()
    tried: list[str] = []
    monkeypatch.setattr(Signed, "open", lambda self, value: tried.append(value))
    await site.visit(is_empty, "; ".join(f"{site.cookie}=S{number}" for number in range(1000)))
    assert len(tried) == 4


async def test_an_id_is_named_in_the_store_by_its_digest_alone(store_site: Site) -> None:
    browser = store_site.browser()
    await browser.visit(put)
    store = store_site.layer._keeper.store
    assert store is not None
    keys = [item.key async for item in store.items()]
    value = browser.cookies[store_site.cookie]
    assert keys
    assert not any(value[1:30] in key for key in keys)


async def test_invented_ids_cost_no_look_into_the_store() -> None:
    from middlewares.stores.memory import MemoryStore

    store = Counting(MemoryStore())
    site = Site(store=store)
    for value in ("I" + "A" * 40, "I" + "b" * 40, Ids([OLD_KEY], site.cookie).seal(bytes(18))):
        await site.visit(is_empty, f"{site.cookie}={value}")
    assert store.calls == []
    await site.visit(is_empty, f"{site.cookie}={Ids([KEY], site.cookie).seal(bytes(18))}")
    assert store.calls == ["get_now"]


@pytest.mark.parametrize(
    ("options", "name", "attributes"),
    [
        ({"secure": False}, "session", ["Max-Age=1209600", "Path=/", "HttpOnly", "SameSite=Lax"]),
        ({"https_only": False}, "session", ["Max-Age=1209600", "Path=/", "HttpOnly", "SameSite=Lax"]),
        (
            {"domain": "example.com", "path": "/app"},
            "__Secure-session",
            ["Max-Age=1209600", "Path=/app", "Domain=example.com", "Secure", "HttpOnly", "SameSite=Lax"],
        ),
        (
            {"partitioned": True, "same_site": "none", "max_age": None},
            "__Host-session",
            ["Path=/", "Secure", "HttpOnly", "SameSite=None", "Partitioned"],
        ),
        (
            {"max_age": 10**9, "absolute_max_age": None},
            "__Host-session",
            ["Max-Age=34560000", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"],
        ),
    ],
)
async def test_attributes_are_as_asked_and_repeated_to_delete(
    options: dict[str, Any], name: str, attributes: list[str]
) -> None:
    browser = Site(**options).browser()
    first = await browser.visit(put)
    last = await browser.visit(lambda session: session.clear())
    (set_line,), (gone,) = first.values("set-cookie"), last.values("set-cookie")
    assert set_line.split("; ")[1:] == attributes
    assert set_line.startswith(f"{name}=")
    lasting = [attribute for attribute in attributes if not attribute.startswith("Max-Age")]
    assert gone.split("; ") == [f"{name}=", "Max-Age=0", "Expires=Thu, 01 Jan 1970 00:00:00 GMT", *lasting]


def test_json_is_as_short_as_it_can_be() -> None:
    from middlewares.sessions.records import decode, encode

    assert encode({"ä": [1, 2]}) == '{"ä":[1,2]}'.encode()
    assert decode(json.dumps({"ä": [1, 2]}).encode()) == {"ä": [1, 2]}
