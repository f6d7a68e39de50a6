"""Cookies are read as browsers send them and written only as browsers accept them."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewares.core.cookies import find_cookie, find_cookies, format_set_cookie, parse_cookies
from middlewares.errors import OptionError

cookie_octets = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '",;\\')
names = st.text(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~", min_size=1, max_size=20)
values = st.text(cookie_octets, max_size=20)


@pytest.mark.parametrize(
    ("fields", "cookies"),
    [
        ([], {}),
        ([b""], {}),
        ([b"a=1"], {"a": "1"}),
        ([b"a=1; b=2"], {"a": "1", "b": "2"}),
        # cors_security 40: HTTP/2 splits them into several fields.
        ([b"a=1", b"b=2; c=3"], {"a": "1", "b": "2", "c": "3"}),
        ([b" a = 1 ;b\t=2;"], {"a": "1", "b": "2"}),
        ([b"a=1=2; b=="], {"a": "1=2", "b": "="}),
        ([b"a="], {"a": ""}),
        # The last of one name wins, across fields too.
        ([b"a=1; a=2"], {"a": "2"}),
        ([b"a=2", b"a=1"], {"a": "1"}),
        ([b"A=1; a=2"], {"A": "1", "a": "2"}),
        # One pair of quotes is removed; nothing is decoded.
        ([b'a="1"'], {"a": "1"}),
        ([b'a=""1""'], {"a": '"1"'}),
        ([b'a="'], {"a": '"'}),
        ([b'a="x; b=y"'], {"a": '"x', "b": 'y"'}),
        ([b"a=\\101%41+"], {"a": "\\101%41+"}),
        ([b"a=1, b=2"], {"a": "1, b=2"}),
        # Nameless cookies cannot be told from forged ones.
        ([b"a; =b; =__Host-c=d; ;"], {}),
        # Other whitespace is part of the name: this is not __Host-id.
        ([b"\xa0__Host-id=x; \x85__Host-id=y"], {"\xa0__Host-id": "x", "\x85__Host-id": "y"}),
        ([b"$Version=1; a=1; $Path=/"], {"$Version": "1", "a": "1", "$Path": "/"}),
        ([b"a=\xc3\xa9\x00"], {"a": "\xc3\xa9\x00"}),
    ],
)
def test_reading_cookies(fields: list[bytes], cookies: dict[str, str]):
    assert parse_cookies(iter(fields)) == cookies
    for name, value in cookies.items():
        assert find_cookie(iter(fields), name) == value


def test_every_value_of_a_name_is_found_in_the_order_of_sending():
    """Whoever must tell tossed cookies apart sees them all (sessions_caching R17)."""
    fields = [b"id=1; other=id; id=2", b"xid=9; idx=8", b'id="3"; Id=7; id']
    assert find_cookies(fields, "id") == ["1", "2", "3"]
    assert find_cookie(fields, "id") == "3"


@pytest.mark.parametrize("name", ["missing", "", "é", "\u0100", "\udc80", "a=1", "a\u0100"])
def test_a_cookie_that_is_not_there_is_not_found(name: str):
    assert find_cookie([b"a=1; =2", b"?=1"], name) is None
    assert find_cookies([b"a=1; =2", b"?=1"], name) == []


@given(st.lists(st.binary(max_size=40) | st.text('ab="; \t', max_size=40).map(str.encode), max_size=4))
def test_finding_agrees_with_parsing(fields: list[bytes]):
    cookies = parse_cookies(fields)
    for name in {"a", "b", "ab", *cookies}:
        assert find_cookie(fields, name) == cookies.get(name)


@given(names, values)
def test_a_written_cookie_is_read_back(name: str, value: str):
    field = format_set_cookie(name, value, path="/", domain=None, secure=True, http_only=True)
    assert parse_cookies([field.partition(b"; ")[0]]) == {name: value}


WHEN = datetime(1994, 11, 6, 9, 49, 37, tzinfo=timezone(timedelta(hours=1)))


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({}, b"id=v; Path=/"),
        ({"path": None}, b"id=v"),
        ({"max_age": 60}, b"id=v; Max-Age=60; Path=/"),
        ({"max_age": 34560000, "path": None}, b"id=v; Max-Age=34560000"),
        ({"max_age": 0}, b"id=v; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/"),
        ({"expires": WHEN, "path": "/a"}, b"id=v; Expires=Sun, 06 Nov 1994 08:49:37 GMT; Path=/a"),
        ({"max_age": 0, "expires": WHEN}, b"id=v; Max-Age=0; Expires=Sun, 06 Nov 1994 08:49:37 GMT; Path=/"),
        ({"domain": "shop.example.com"}, b"id=v; Path=/; Domain=shop.example.com"),
        ({"secure": True, "http_only": True}, b"id=v; Path=/; Secure; HttpOnly"),
        ({"same_site": "strict"}, b"id=v; Path=/; SameSite=Strict"),
        ({"same_site": "lax"}, b"id=v; Path=/; SameSite=Lax"),
        ({"same_site": "none", "secure": True}, b"id=v; Path=/; Secure; SameSite=None"),
        ({"partitioned": True, "secure": True}, b"id=v; Path=/; Secure; Partitioned"),
    ],
)
def test_writing_attributes(options: dict[str, Any], field: bytes):
    assert format_set_cookie("id", "v", **options) == field


@pytest.mark.parametrize("moment", [datetime(2026, month, 28 - month, tzinfo=UTC) for month in range(1, 13)])
def test_dates_are_written_as_the_standard_library_reads_them(moment: datetime):
    expected = "a=; Expires=" + format_datetime(moment, usegmt=True)
    assert format_set_cookie("a", "", expires=moment, path=None) == expected.encode()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("__Host-id", {"secure": True}),
        ("__Secure-id", {"secure": True, "domain": "example.com", "path": "/a"}),
        ("__Http-id", {"secure": True, "http_only": True, "path": "/a"}),
        ("__Host-Http-id", {"secure": True, "http_only": True}),
        ("__Hostid", {"domain": "example.com"}),
    ],
)
def test_prefixed_names_that_keep_their_promise(name: str, options: dict[str, Any]):
    assert format_set_cookie(name, "v", **options).startswith(name.encode() + b"=v; ")


@pytest.mark.parametrize(
    ("options", "problems"),
    [
        ({"name": ""}, ["name"]),
        ({"name": "a b"}, ["name"]),
        ({"name": "a=b"}, ["name"]),
        ({"name": "é"}, ["name"]),
        ({"value": "a b"}, ["value"]),
        ({"value": "a;b"}, ["value"]),
        ({"value": "a,b"}, ["value"]),
        ({"value": '"a"'}, ["value"]),
        ({"value": "a\\b"}, ["value"]),
        ({"value": "a\r\nset-cookie: x"}, ["value"]),
        ({"value": "é"}, ["value"]),
        ({"value": "v" * 4095}, ["value"]),
        ({"max_age": -1}, ["max_age"]),
        ({"max_age": 34560001}, ["max_age"]),
        ({"expires": datetime(2026, 1, 1)}, ["expires"]),  # noqa: DTZ001 - the missing time zone is the case
        ({"expires": datetime.max.replace(tzinfo=timezone(timedelta(hours=-12)))}, ["expires"]),
        ({"expires": datetime(1969, 1, 1, tzinfo=UTC)}, ["expires"]),
        ({"path": "a"}, ["path"]),
        ({"path": ""}, ["path"]),
        ({"path": "/a;b"}, ["path"]),
        ({"path": "/\n"}, ["path"]),
        ({"path": "/é"}, ["path"]),
        ({"path": "/" * 1025}, ["path"]),
        ({"domain": ""}, ["domain"]),
        ({"domain": ".example.com"}, ["domain"]),
        ({"domain": "example.com; Secure"}, ["domain"]),
        ({"domain": "exa..mple"}, ["domain"]),
        ({"domain": "-a.example"}, ["domain"]),
        ({"domain": "a-.example"}, ["domain"]),
        ({"domain": "a" * 64 + ".example"}, ["domain"]),
        ({"domain": "a." * 127}, ["domain"]),
        ({"domain": "exämple.com"}, ["domain"]),
        ({"same_site": "None", "secure": True}, ["same_site"]),
        ({"same_site": "none"}, ["secure"]),
        ({"partitioned": True}, ["secure"]),
        ({"name": "__Secure-id"}, ["secure"]),
        ({"name": "__SECURE-id"}, ["secure"]),
        ({"name": "__Host-id"}, ["secure"]),
        ({"name": "__host-id", "secure": True, "path": "/a"}, ["path"]),
        ({"name": "__Host-id", "secure": True, "path": None}, ["path"]),
        ({"name": "__Host-id", "secure": True, "domain": "example.com"}, ["domain"]),
        ({"name": "__Http-id", "secure": True}, ["http_only"]),
        ({"name": "__Host-Http-id"}, ["secure", "http_only"]),
        (
            {"name": "", "value": " ", "max_age": -1, "path": "", "domain": ""},
            ["name", "value", "max_age", "path", "domain"],
        ),
    ],
)
def test_what_browsers_refuse_is_refused_with_every_problem(options: dict[str, Any], problems: list[str]):
    """Prefixes, SameSite, Partitioned, lifetimes and sizes (sessions_caching R14 and R15)."""
    arguments = {"name": "id", "value": "v", **options}
    with pytest.raises(OptionError) as caught:
        format_set_cookie(**arguments)
    assert [problem.option for problem in caught.value.problems] == problems


def test_name_and_value_may_have_4096_bytes_together():
    assert format_set_cookie("id", "v" * 4094, path=None) == b"id=" + b"v" * 4094


@pytest.mark.parametrize("value", ["s3cret value", "s3cret" * 1000])
def test_errors_do_not_show_the_value(value: str):
    with pytest.raises(OptionError) as caught:
        format_set_cookie("id", value)
    assert "s3cret" not in str(caught.value)


def test_errors_say_what_to_do():
    message = r"^Set-Cookie: domain must .*; got '\.a\.b' \(leave out the leading dot\)$"
    with pytest.raises(OptionError, match=message):
        format_set_cookie("id", "v", domain=".a.b")
