"""What attackers do to sessions. Each of these works, or once worked, against a known implementation."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
from base64 import b64encode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any

import pytest
from itsdangerous import TimestampSigner, URLSafeTimedSerializer

from middlewares.sessions.tokens import Encrypted, Ids, Signed
from middlewares.stores.memory import MemoryStore
from tests.sessions.sites import KEY, Counting, Site
from tests.sessions.test_peers import Code

if TYPE_CHECKING:
    from pathlib import Path

    from middlewares import Session


def login(session: Session) -> None:
    session["user_id"] = "victim"


def look(session: Session) -> None:
    session.get("user_id")


class TestFixation:
    """The attacker knows the id before the victim logs in."""

    @pytest.mark.parametrize("planted", ["abc", "I" + "A" * 40, "Sabc.def"])
    async def test_an_id_that_somebody_made_up_never_becomes_a_session(self, site: Site, planted: str) -> None:
        victim = site.browser()
        victim.cookies[site.cookie] = planted
        await victim.visit(login)
        assert victim.cookies[site.cookie] != planted
        attacker = site.browser()
        attacker.cookies[site.cookie] = planted
        assert await attacker.data() == {}

    async def test_a_genuine_id_that_has_no_session_is_not_taken_up(self, store_site: Site) -> None:
        gone = store_site.browser()
        await gone.visit(lambda session: session.update(a=1))
        planted = gone.copy()
        await gone.visit(lambda session: session.clear())
        victim = planted.copy()
        await victim.visit(login)
        assert victim.cookies != planted.cookies
        assert await planted.data() == {}

    async def test_the_session_of_the_attacker_is_not_the_one_logged_in(self, store_site: Site) -> None:
        attacker = store_site.browser()
        await attacker.visit(lambda session: session.update(cart=["lamp"]))
        victim = attacker.copy()
        await victim.visit(login)
        assert (await victim.data())["user_id"] == "victim"
        assert "user_id" not in await attacker.data()


class TestReplayAndResurrection:
    async def test_a_copied_cookie_is_worthless_after_the_logout(self) -> None:
        for options in ({"store": "memory://"}, {"revocations": "memory://"}):
            browser = Site(**options).browser()
            await browser.visit(login)
            thief = browser.copy()
            await browser.visit(lambda session: session.clear())
            assert await thief.data() == {}

    async def test_a_slow_request_does_not_bring_back_what_was_logged_out(self, store_site: Site) -> None:
        browser = store_site.browser()
        await browser.visit(login)
        slow = browser.copy()
        is_read, may_save = asyncio.Event(), asyncio.Event()

        async def save(session: Session) -> None:
            session["late"] = session["user_id"]
            is_read.set()
            await may_save.wait()

        async with asyncio.TaskGroup() as group:
            group.create_task(slow.visit(save))
            await is_read.wait()
            await browser.visit(lambda session: session.invalidate())
            may_save.set()
        assert slow.cookies == {} or await slow.data() == {}
        store = store_site.layer._keeper.store
        assert store is not None
        assert [item async for item in store.items() if b"victim" in item.value] == []


class TestTossing:
    """A sibling domain plants a second cookie of the name; browsers send that with the longer path first."""

    @pytest.mark.parametrize("is_first", [True, False])
    async def test_of_two_genuine_sessions_none_is_used(
        self, site: Site, is_first: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        victim, attacker = site.browser(), site.browser()
        await victim.visit(login)
        await attacker.visit(lambda session: session.update(user_id="attacker"))
        pair = [attacker.header, victim.header]
        found: list[dict[str, Any]] = []
        with caplog.at_level(logging.WARNING, "middlewares"):
            await site.visit(
                lambda session: found.append(dict(session)), "; ".join(pair if is_first else reversed(pair))
            )
        assert found == [{}]
        assert "2 genuine cookies" in caplog.text

    async def test_junk_does_not_log_anybody_out(self, site: Site) -> None:
        victim = site.browser()
        await victim.visit(login)
        found: list[Any] = []
        await site.visit(
            lambda session: found.append(session.get("user_id")),
            f"{site.cookie}=junk; {victim.header}; {site.cookie}=more",
        )
        assert found == ["victim"]


ADMIN = {"user_id": "admin"}
DOWNGRADES = {
    "plain JSON": json.dumps(ADMIN).replace(" ", "").replace('"', "'"),
    "base64 of JSON": b64encode(json.dumps(ADMIN).encode()).decode(),
    "base64url of JSON": urlsafe_b64encode(json.dumps(ADMIN).encode()).decode(),
    "a pickle": b64encode(pickle.dumps(ADMIN)).decode(),
    "signed, without a signature": "S" + urlsafe_b64encode(bytes(32) + json.dumps(ADMIN).encode()).decode(),
    "with an empty signature": "S" + urlsafe_b64encode(bytes(32) + json.dumps(ADMIN).encode()).decode() + ".",
    "of Starlette": TimestampSigner(KEY).sign(b64encode(json.dumps(ADMIN).encode())).decode(),
    "of Flask": URLSafeTimedSerializer(KEY, salt="cookie-session").dumps(ADMIN),
}


class TestForeignTokens:
    @pytest.mark.parametrize("value", DOWNGRADES.values(), ids=DOWNGRADES)
    async def test_no_other_format_is_fallen_back_to(self, site: Site, value: str) -> None:
        attacker = site.browser()
        attacker.cookies[site.cookie] = value
        assert await attacker.data() == {}

    async def test_a_pickle_in_the_store_is_no_session_and_runs_nothing(self, store_site: Site, tmp_path: Path) -> None:
        """Whoever can write to the store cannot make the application run what they like."""
        browser = store_site.browser()
        await browser.visit(login)
        store = store_site.layer._keeper.store
        assert store is not None
        ran = tmp_path / "ran"
        [item] = [item async for item in store.items()]
        for front in (b"", item.value[:1], item.value[:9], item.value[:25]):
            await store.replace(item.key, None, front + pickle.dumps(Code(str(ran))), 60)
            assert await browser.copy().data() == {}
        assert not ran.exists()

    @pytest.mark.parametrize("made_by", [Signed, Encrypted])
    async def test_the_first_letter_selects_one_reader_and_no_other(self, made_by: Any) -> None:
        """What is genuine for one reader, under the letter of another."""
        value = made_by([KEY], "__Host-session").seal(bytes(32) + b'{"user_id":"admin"}')
        for options in ({}, {"encrypted": True}, {"store": "memory://"}):
            for letter in "SEI":
                if letter == value[0]:
                    continue
                attacker = Site(**options).browser()
                attacker.cookies["__Host-session"] = letter + value[1:]
                assert await attacker.data() == {}

    async def test_a_layer_reads_only_the_kind_that_it_writes(self) -> None:
        """An encrypted layer does not take a signed session, nor one with a store a cookie that holds data."""
        sites = [Site(), Site(encrypted=True), Site(store="memory://")]
        for one in sites:
            browser = one.browser()
            await browser.visit(login)
            for other in sites:
                if other is not one:
                    attacker = other.browser()
                    attacker.cookies = {**browser.cookies}
                    assert await attacker.data() == {}

    async def test_tokens_of_other_uses_of_the_key_are_none(self, site: Site) -> None:
        """Such as a link in a letter that the application signs with the same secret and the default salt."""
        link = TimestampSigner(KEY).sign(b64encode(json.dumps(ADMIN).encode())).decode()
        for value in (link, "S" + link, "E" + link, "I" + link):
            attacker = site.browser()
            attacker.cookies[site.cookie] = value
            assert await attacker.data() == {}

    async def test_the_cookie_of_another_layer_is_none(self, site: Site) -> None:
        """The same key, the same kind, another name: a visitor's own session for the admin's."""
        options = {"encrypted": site.layer.encrypted, "store": site.layer._keeper.store}
        other = Site(session_cookie="__Host-admin", **options)
        browser = site.browser()
        await browser.visit(login)
        attacker = other.browser()
        attacker.cookies["__Host-admin"] = browser.cookies[site.cookie]
        assert await attacker.data() == {}


class TestFlooding:
    async def test_visitors_without_cookies_fill_no_store(self) -> None:
        store = MemoryStore()
        site = Site(store=store)
        for _ in range(100):
            await site.visit(look)
        assert len(store) == 0

    async def test_invented_ids_ask_no_store(self) -> None:
        store = Counting(MemoryStore())
        site = Site(store=store)
        for number in range(100):
            value = Ids([KEY[::-1]], site.cookie).seal(number.to_bytes(18))
            await site.visit(look, f"{site.cookie}={value}")
        assert store.calls == []


async def test_whoever_reads_the_store_cannot_log_in(store_site: Site) -> None:
    browser = store_site.browser()
    await browser.visit(login)
    store = store_site.layer._keeper.store
    assert store is not None
    for item in [item async for item in store.items()]:
        for value in (item.key, "I" + item.key, item.key.removeprefix("s:"), "I" + item.key[2:42]):
            attacker = store_site.browser()
            attacker.cookies[store_site.cookie] = value
            assert await attacker.data() == {}
        assert "victim" not in (item.owner or "")


async def test_a_shared_cache_is_told_that_a_page_is_for_one_visitor(site: Site) -> None:
    browser = site.browser()
    response = await browser.visit(login)
    assert response.header("cache-control") == "no-store"
    assert (await browser.visit(look)).header("vary") == "Cookie"
