"""Clients are told apart by what they cannot choose, and share a quota with their own network only."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from middlewares.rate_limit import MemoryLimits, RateLimit
from middlewares.rate_limit.keys import Hosts, key_text
from middlewares.testing import http_scope, request

from .apps import hello, statuses


@pytest.mark.parametrize(
    "addresses",
    [
        ("1.2.3.4", "::ffff:1.2.3.4", "::ffff:102:304", "::FFFF:1.2.3.4"),
        ("2001:db8::1", "2001:db8:0:0:ffff::9", "2001:db8::1.2.3.4", "2001:db8::1%eth0"),
        ("fe80::1%eth0", "fe80::2"),
    ],
)
def test_addresses_of_one_client(addresses: tuple[str, ...]) -> None:
    assert len({Hosts()[address].key for address in addresses}) == 1


def test_addresses_of_different_clients() -> None:
    addresses = ("1.2.3.4", "1.2.3.5", "2001:db8::1", "2001:db8:0:1::1", "::1.2.3.4", "testclient", "/run/sock", "")
    assert len({Hosts()[address].key for address in addresses}) == len(addresses)


def test_hosts_are_remembered_within_bounds() -> None:
    hosts = Hosts()
    for number in range(20_000):
        hosts[f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"]
    assert len(hosts) <= 8192


def test_only_the_oldest_host_is_forgotten_for_a_new_one() -> None:
    hosts = Hosts()
    known = {name: hosts[name] for name in (f"10.0.{number >> 8}.{number & 255}" for number in range(8192))}
    for number in range(3):
        hosts[f"10.1.0.{number}"]
    assert list(known)[:3] == [name for name, host in known.items() if hosts.get(name) is not host]
    assert hosts["x" * 10_000].key.startswith("#")
    assert "x" * 10_000 not in hosts


async def test_ten_thousand_addresses_of_one_network_are_one_client() -> None:
    store = MemoryLimits()
    app = RateLimit(hello, limit="10/hour", store=store)
    found = [(await statuses(app, 1, client=(f"2001:db8::{n:x}", 1)))[0] for n in range(200)]
    assert found.count(200) == 10
    hosts = Hosts()
    assert len({hosts[f"2001:db8::{n:x}"].key for n in range(10_000)}) == 1
    assert len(store) == 2, "the /64 and the /48 around it"


async def test_many_small_networks_are_held_by_the_large_one_around_them() -> None:
    app = RateLimit(hello, limit="1/hour")
    found = [(await statuses(app, 1, client=(f"2001:db8:0:{n:x}::1", 1)))[0] for n in range(200)]
    assert found.count(200) == 16
    assert len({Hosts()[f"2001:db8:0:{n:x}::1"].network for n in range(0, 65_536, 97)}) == 1
    free = RateLimit(hello, limit="1/hour", ipv6_factor=0)
    found = [(await statuses(free, 1, client=(f"2001:db8:0:{n:x}::1", 1)))[0] for n in range(50)]
    assert found.count(200) == 50


async def test_the_large_network_is_only_told_of_where_it_refuses() -> None:
    app = RateLimit(hello, limit="1/hour", ipv6_factor=2)
    answers = [await request(app, client=(f"2001:db8:0:{n}::1", 1)) for n in range(3)]
    assert answers[0].header("ratelimit-policy") == '"1/hour";q=1;w=3600'
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert '"1/hour /48";q=2;w=3600' in (answers[2].header("ratelimit-policy") or "")
    assert b'"violated-policies": ["1/hour /48"]' in answers[2].body


async def test_no_header_of_a_client_moves_its_address() -> None:
    app = RateLimit(hello, limit="5/hour")
    found = [(await statuses(app, 1, headers={"x-forwarded-for": f"10.0.0.{n}"}))[0] for n in range(50)]
    assert found.count(200) == 5


@pytest.mark.parametrize("key", ["a\r\nb", "{0}", "{tag}x", "\x00", "k" * 1_000_000, "käse", "\ud800"])
def test_what_is_long_or_odd_is_kept_as_its_hash(key: str) -> None:
    text = key_text(key)
    assert len(text) <= 64
    assert text.isascii()
    assert text.isprintable()


async def test_header_keys() -> None:
    app = RateLimit(hello, limit="1/hour", key="header:X-API-Key", on_missing_key="deny")
    assert await statuses(app, 2, headers={"x-api-key": "a"}) == [200, 429]
    assert await statuses(app, 1, headers={"x-api-key": "b"}) == [200]
    assert await statuses(app, 1, headers={"x-api-key": ""}) == [403]
    assert await statuses(app, 1, headers=[("x-api-key", "a"), ("x-api-key", "c")]) == [200]


async def test_nobody_can_choose_the_key_of_a_client_without_one() -> None:
    app = RateLimit(hello, limit="1/hour", key="header:x-key")
    assert await statuses(app, 1) == [200]
    assert await statuses(app, 1, headers={"x-key": "127.0.0.1"}) == [200]
    assert await statuses(app, 1, headers={"x-key": "\x01"}) == [200]
    assert await statuses(app, 1) == [429]


class Lazy:
    is_authenticated = True

    @property
    def identity(self) -> str:
        raise NotImplementedError

    display_name = "ada"


@pytest.mark.parametrize(
    ("scope", "key"),
    [
        ({"user": "ada"}, "ada"),
        ({"user": b"ada"}, "ada"),
        ({"user": 7}, "7"),
        ({"user": Lazy()}, "ada"),
        ({"user": SimpleNamespace(id=7)}, "7"),
        ({"user": SimpleNamespace(is_authenticated=False, id=7)}, None),
        ({"user": SimpleNamespace()}, None),
        ({}, None),
    ],
)
def test_user_keys(scope: dict[str, Any], key: str | None) -> None:
    from middlewares.rate_limit.keys import compile_key

    key_of = compile_key("user")
    assert key_of is not None
    assert key_of({**http_scope(), **scope}) == key


@pytest.mark.parametrize(
    ("session", "key"), [({"id": "s1"}, "s1"), (SimpleNamespace(id="s2"), "s2"), ({}, None), (None, None)]
)
def test_session_keys(session: Any, key: str | None) -> None:
    from middlewares.rate_limit.keys import compile_key

    key_of = compile_key("session")
    assert key_of is not None
    assert key_of({**http_scope(), "session": session}) == key


async def test_several_keys_together_are_one_client() -> None:
    async def tenant(connection: Any) -> Any:
        return connection.query_params.get("tenant")

    app = RateLimit(hello, limit="1/hour", key=["ip", "header:x-key", tenant], on_missing_key="deny")
    assert await statuses(app, 2, headers={"x-key": "a"}, query="tenant=1") == [200, 429]
    assert await statuses(app, 1, headers={"x-key": "a"}, query="tenant=2") == [200]
    assert await statuses(app, 1, headers={"x-key": "b"}, query="tenant=1") == [200]
    assert await statuses(app, 1, headers={"x-key": "a"}, query="tenant=1", client=("192.0.2.1", 1)) == [200]
    assert await statuses(app, 1, headers={"x-key": "a"}) == [403]


async def test_the_parts_of_a_key_cannot_be_shifted() -> None:
    app = RateLimit(hello, limit="1/hour", key=["header:a", "header:b"])
    assert await statuses(app, 1, headers={"a": "1,1:2", "b": "3"}) == [200]
    assert await statuses(app, 1, headers={"a": "1", "b": "2,1:3"}) == [200]


async def test_a_client_without_address_is_one_too() -> None:
    app = RateLimit(hello, limit="1/hour")
    assert await statuses(app, 2, client=None) == [200, 429]
