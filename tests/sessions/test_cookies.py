"""Cookies that a browser may send: none may crash, cost much, or be taken for what it is not."""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
import time
from base64 import b64encode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import Signer

from middlewares import MissingExtra, OptionError, Sessions
from middlewares.sessions import SessionTooLarge
from middlewares.sessions.keys import derive
from middlewares.sessions.records import Record
from middlewares.sessions.tokens import Encrypted, Ids, Signed
from tests.sessions.sites import KEY, OLD_KEY, Counting, Site

if TYPE_CHECKING:
    from middlewares import Session

SEALERS = (Signed, Encrypted, Ids)
NAME = "__Host-session"


def put(session: Session) -> None:
    session["a"] = 1


def is_empty(session: Session) -> None:
    assert dict(session) == {}


@pytest.mark.parametrize("cls", [Signed, Encrypted])
@given(payload=st.binary(max_size=300))
def test_what_was_sealed_is_opened(cls: Any, payload: bytes) -> None:
    sealer = cls([KEY], NAME)
    value = sealer.seal(payload)
    assert sealer.open(value) == (payload, True)
    assert cls([OLD_KEY, KEY], NAME).open(value) == (payload, False)


@pytest.mark.parametrize("cls", SEALERS)
@given(text=st.text(max_size=200), cut=st.integers(0, 60), at=st.integers(0, 60))
def test_nothing_else_is_opened(cls: Any, text: str, cut: int, at: int) -> None:
    sealer = cls([KEY], NAME)
    value = sealer.seal(bytes(18))
    assert sealer.open(text) is None
    assert sealer.open(sealer.kind + text) is None
    assert sealer.open(value[:cut]) is None or cut >= len(value)
    swapped = "A" if value[1 + at % (len(value) - 2)] != "A" else "B"
    place = 1 + at % (len(value) - 2)
    assert sealer.open(value[:place] + swapped + value[place + 1 :]) is None


@pytest.mark.parametrize("cls", SEALERS)
def test_a_value_is_good_for_its_key_and_its_cookie_alone(cls: Any) -> None:
    value = cls([KEY], NAME).seal(bytes(18))
    assert cls([OLD_KEY], NAME).open(value) is None
    assert cls([KEY], "__Host-other").open(value) is None


@given(payload=st.binary(max_size=300))
def test_signatures_are_hmac_and_those_of_itsdangerous(payload: bytes) -> None:
    """Signed with the standard library and with itsdangerous as it is, it is the same value."""
    key = derive(KEY, "signed", NAME)
    value = Signed([KEY], NAME).seal(payload)
    body, _, signature = value.encode().rpartition(b".")
    assert signature == urlsafe_b64encode(hmac.digest(key, body, "sha256")).rstrip(b"=")
    assert body[1:] == urlsafe_b64encode(payload).rstrip(b"=")
    theirs = Signer(key, key_derivation="none", digest_method=hashlib.sha256)
    assert theirs.unsign(value) == body


def test_encrypted_values_tell_nothing_and_never_repeat() -> None:
    sealer = Encrypted([KEY], NAME)
    values = [sealer.seal(b"secret" * 5) for _ in range(50)]
    assert len({*values}) == 50
    assert not any("secret" in value for value in values)


def test_the_key_of_a_process_is_renewed_in_good_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Encrypted, "_MOST_MESSAGES", 3)
    sealer = Encrypted([KEY], NAME)
    values = [sealer.seal(b"x") for _ in range(7)]
    assert len({value[:20] for value in values}) == 3  # the salt stands in front
    assert all(sealer.open(value) for value in values)


def test_forged_salts_are_not_kept() -> None:
    sealer = Encrypted([KEY], NAME)
    for number in range(1000):
        assert sealer.open("E" + Encrypted([OLD_KEY], NAME).seal(bytes([number % 256]))[1:]) is None
    assert len(sealer._known) <= 1


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


async def test_too_much_for_a_cookie_is_an_error_that_says_so() -> None:
    site = Site()
    with pytest.raises(SessionTooLarge, match="oversize"):
        await site.visit(lambda session: session.update(text="x" * 5000))


class TestChunks:
    async def test_two_cookies_hold_what_one_cannot(self) -> None:
        browser = Site(oversize="chunk").browser()
        await browser.visit(lambda session: session.update(text="x" * 4000))
        assert [*browser.cookies] == [NAME, f"{NAME}.1"]
        assert all(len(name) + len(value) <= 4096 for name, value in browser.cookies.items())
        assert await browser.data() == {"text": "x" * 4000}

    async def test_a_part_that_is_not_needed_any_more_is_deleted(self) -> None:
        browser = Site(oversize="chunk").browser()
        await browser.visit(lambda session: session.update(text="x" * 4000))
        await browser.visit(lambda session: session.update(text="x"))
        assert [*browser.cookies] == [NAME]
        assert await browser.data() == {"text": "x"}

    async def test_all_parts_are_deleted_in_the_end(self) -> None:
        browser = Site(oversize="chunk").browser()
        await browser.visit(lambda session: session.update(text="x" * 4000))
        await browser.visit(lambda session: session.clear())
        assert browser.cookies == {}

    async def test_parts_of_two_writes_do_not_fit_together(self) -> None:
        site = Site(oversize="chunk")
        one, two = site.browser(), site.browser()
        await one.visit(lambda session: session.update(text="x" * 4000))
        await two.visit(lambda session: session.update(text="y" * 4000))
        one.cookies[f"{NAME}.1"] = two.cookies[f"{NAME}.1"]
        assert await one.data() == {}

    @pytest.mark.parametrize("length", [6000, 50_000])
    async def test_there_is_a_bound(self, length: int) -> None:
        """Servers in front take some 8 KB for all cookies."""
        site = Site(oversize="chunk")
        with pytest.raises(SessionTooLarge):
            await site.visit(lambda session: session.update(text="x" * length))

    async def test_a_planted_part_makes_no_session(self) -> None:
        site = Site(oversize="chunk")
        browser = site.browser()
        await browser.visit(lambda session: session.update(text="x" * 4000))
        response = await site.visit(is_empty, f"{browser.header}; {NAME}.1=planted")
        assert response.status == 200


class TestSpill:
    async def test_what_is_too_large_goes_into_the_store(self) -> None:
        from middlewares.stores.memory import MemoryStore

        store = MemoryStore()
        browser = Site(oversize="spill", store=store).browser()
        await browser.visit(lambda session: session.update(text="x"))
        assert browser.cookies[NAME][0] == "S"
        assert len(store) == 0
        await browser.visit(lambda session: session.update(text="x" * 5000))
        assert browser.cookies[NAME][0] == "I"
        assert await browser.data() == {"text": "x" * 5000}
        assert len(store) == 1

    async def test_a_new_session_may_be_too_large_at_once(self) -> None:
        browser = Site(oversize="spill", store="memory://").browser()
        await browser.visit(lambda session: session.update(text="x" * 5000))
        await browser.visit(lambda session: session.update(more=1))
        assert await browser.data() == {"text": "x" * 5000, "more": 1}


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
    ("options", "named"),
    [
        pytest.param({"secret_key": ""}, "secret_key must", id="empty key"),
        pytest.param({"secret_key": []}, "secret_key must not be empty", id="no key"),
        pytest.param({"secret_key": "short"}, "secret_key must have at least 32 bytes", id="short key"),
        pytest.param({"secret_key": [KEY, ""]}, r"key 2 of 2", id="empty among others"),
        pytest.param({"secret_key": f"{KEY},{OLD_KEY}"}, "secret_key must hold no comma", id="commas"),
        pytest.param({"secret_key": "a" * 40}, "secret_key must be random", id="one letter"),
        pytest.param({"secret_key": "env:NO_SUCH_VARIABLE"}, "secret_key cannot be read", id="not in the environment"),
        pytest.param({"secret_key": "file:/no/such/file"}, "secret_key cannot be read", id="no such file"),
        pytest.param({"secret_key": 5}, "secret_key must be a string", id="a number for a key"),
        pytest.param({"session_cookie": "__Host-x", "path": "/app"}, "path must be '/'", id="__Host- with a path"),
        pytest.param({"session_cookie": "__hOsT-x", "domain": "a.example"}, "domain must be None", id="any case"),
        pytest.param({"session_cookie": "__Secure-x", "secure": False}, "secure must be True", id="__Secure-"),
        pytest.param({"secure": False, "same_site": "none"}, "secure must be True", id="SameSite=None"),
        pytest.param({"secure": False, "partitioned": True}, "secure must be True", id="Partitioned"),
        pytest.param({"session_cookie": "a b"}, "session_cookie must be a token", id="no name"),
        pytest.param({"path": "app"}, "path must begin with '/'", id="path"),
        pytest.param({"domain": ".example.com"}, "domain must be a host", id="domain"),
        pytest.param({"max_age": 0}, "max_age must be more", id="max_age"),
        pytest.param({"absolute_max_age": -1}, "absolute_max_age must be more", id="absolute_max_age"),
        pytest.param({"refresh": 2.0}, "refresh must be from 0 to 1", id="refresh"),
        pytest.param({"store": "mysql://"}, "store must be the URL", id="store"),
        pytest.param({"store": 5}, "store must be", id="no store at all"),
        pytest.param({"revocations": "nothing"}, "revocations must be the URL", id="revocations"),
        pytest.param({"oversize": "spill"}, "oversize 'spill' needs", id="spill without a store"),
        pytest.param({"store": "memory://", "oversize": "chunk"}, "oversize 'chunk' is for", id="chunks in a store"),
        pytest.param({"store": "memory://", "encrypted": True}, "encrypted is for", id="encrypted store"),
        pytest.param({"store": "memory://", "revocations": "memory://"}, "revocations is for", id="revoked store"),
        pytest.param({"renewal_age": 60}, "renewal_age needs", id="renewal without a store"),
        pytest.param({"https_only": True, "secure": False}, "https_only must not", id="contradiction"),
        pytest.param({"secret_key": {KEY, OLD_KEY}}, "secret_key must be a list: the first", id="no first key"),
        pytest.param(
            {"secret_key": "File:/run/secrets/session_keys_of_the_shop"}, "in lower case", id="a misspelt file"
        ),
        pytest.param({"secret_key": "file:\0"}, "secret_key cannot be read", id="no path"),
        pytest.param({"secret_key": f"{KEY}\udcff"}, "secret_key must be text", id="no text"),
        pytest.param({"old_secret_key": ""}, "old_secret_key must not be empty", id="empty old key"),
        pytest.param({"old_secret_key": "env:NO_SUCH_VARIABLE"}, "old_secret_key cannot be read", id="no old key"),
        pytest.param({"store_deadline": float("inf")}, "store_deadline must be more", id="no deadline"),
        pytest.param({"same_site": "Lax"}, "same_site must be one of", id="same_site"),
    ],
)
def test_what_cannot_be_right_is_refused_when_it_is_built(options: dict[str, Any], named: str) -> None:
    async def app(*_: Any) -> None: ...

    with pytest.raises(OptionError, match=named) as caught:
        Sessions(app, **{"secret_key": KEY, **options})
    assert "short" not in str(caught.value)
    assert OLD_KEY not in str(caught.value)


def test_without_cryptography_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(MissingExtra, match=r"middlewares\[encrypted\]"):
        Site(encrypted=True)


def test_keys_may_stand_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("SESSION_KEY", KEY)
    (tmp_path / "keys").write_text(f"{KEY}\n{OLD_KEY}\n")
    assert Site(secret_key="env:" + "SESSION_KEY").layer._keeper.is_like(Site().layer._keeper)
    expected = Site(secret_key=[KEY, OLD_KEY]).layer._keeper
    assert Site(secret_key=f"file:{tmp_path}/keys").layer._keeper.is_like(expected)


def test_no_key_shows_in_the_repr() -> None:
    shown = repr(Site(store="redis://user:password@localhost").layer)
    assert KEY not in shown
    assert "password" not in shown


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
