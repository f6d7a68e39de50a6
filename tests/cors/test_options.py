"""A CORS policy that cannot work, or that would let others in, does not build; every problem is told at once."""

from __future__ import annotations

from typing import Any

import pytest

from middlewares import CORS, CORSPolicy, Middleware
from middlewares.errors import OptionError
from tests.cors.policies import A, B, answering

TRUSTED = {"allow_credentials": True}
AS_SENT = "must hold origins as browsers send them, such as 'https://app.example.com' or 'http://localhost:3000'"
CREDENTIALS_FOR_ALL = "must be false when any origin is allowed: every site could act for the user"
LIST_THEM = "list the origins, or set dangerously_allow_any_origin_with_credentials"
NULL = "any sandboxed page can send 'null'; where that is meant, set dangerously_allow_null_origin"
SUPERFLUOUS = "must be left out when any origin is allowed: it could not add one"
TOO_LARGE = "must be a regular expression (the repetition number is too large)"
BROKEN = "must be a regular expression (missing ), unterminated subpattern at position 8)"
STAR = "must name each header when credentials are allowed: '*' is taken for a header of that name"
SANDBOXED = "must be false together with allow_credentials: any site can make a sandboxed page, and act for the user"
PLAIN = "must not hold plain http together with allow_credentials: whoever is on the network can speak for it"
INSECURE = "set dangerously_allow_insecure_origins"
PUBLIC = "must not hold all hosts of a public suffix together with allow_credentials: anybody can get one"
YOURS = "(name your own, as in 'https://*.yours.{}', or set dangerously_allow_public_suffixes)"
STARS = "a star stands for whole labels in front or for the port, as in 'https://*.example.com'"
ASKED = "must hold headers that a page may set: browsers never ask for this one"
NOT_ASKED = "must be left out without allow_origin_callable: nothing else looks at request headers"
MATCHES_ANY = "must not match any origin together with allow_credentials: every site could act for the user"
END_IT = "end it in a domain of yours, or set dangerously_allow_any_origin_with_credentials"
NESTED = "must not repeat a mere repetition, as '([a-z]+)+' does: one long origin could stop the application"
ONE_LESS = "leave one of them out"
LOOSE = "must escape its dots: an unescaped one matches any character, and so other people's hosts"


@pytest.mark.parametrize(
    ("options", "problems"),
    [
        # a string for a list: attack 7
        ({"allow_origins": A}, [f"allow_origins must be a list of strings; got '{A}' (write ['{A}'])"]),
        ({"allow_methods": "GET"}, ["allow_methods must be a list of strings; got 'GET' (write ['GET'])"]),
        ({"allow_headers": "x-a"}, ["allow_headers must be a list of strings; got 'x-a' (write ['x-a'])"]),
        (
            {"expose_headers": "x-a"},
            ["expose_headers must be a list of strings or one of 'auto'; got 'x-a' (write ['x-a'])"],
        ),
        # reflection: attack 6
        (
            {"allow_origins": ["*"], "allow_credentials": True},
            [f"allow_credentials {CREDENTIALS_FOR_ALL}; got True ({LIST_THEM})"],
        ),
        ({"allow_origins": ["*", A]}, [f"allow_origins must hold '*' alone; got ['*', '{A}']"]),
        (
            {"allow_origins": ["*"], "allow_origin_regex": r"https://a\.b"},
            [
                rf"allow_origin_regex {SUPERFLUOUS}; got 'https://a\\.b'",
            ],
        ),
        # attack 5
        ({"allow_origins": ["null"]}, [f"allow_origins {AS_SENT}; got 'null' ({NULL})"]),
        (
            {"allow_origins": [A], "dangerously_allow_null_origin": True, "allow_credentials": True},
            [f"dangerously_allow_null_origin {SANDBOXED}; got True"],
        ),
        # attack 8
        (
            {"allow_origins": ["http://a.example.com", "http://*.a.example", "http://a:*"], "allow_credentials": True},
            [
                f"allow_origins {PLAIN}; got 'http://a.example.com' (write 'https://a.example.com', or {INSECURE})",
                f"allow_origins {PLAIN}; got 'http://*.a.example' (write 'https://*.a.example', or {INSECURE})",
                f"allow_origins {PLAIN}; got 'http://a:*' (write 'https://a:*', or {INSECURE})",
            ],
        ),
        # attack 9
        (
            {"allow_origins": ["https://*.github.io", "https://*.co.uk:*", "https://*.com"], "allow_credentials": True},
            [
                f"allow_origins {PUBLIC}; got 'https://*.github.io' {YOURS.format('github.io')}",
                f"allow_origins {PUBLIC}; got 'https://*.co.uk:*' {YOURS.format('co.uk')}",
                f"allow_origins {PUBLIC}; got 'https://*.com' {YOURS.format('com')}",
            ],
        ),
        # spelling
        (
            {"allow_origins": ["https://A.example.com/", "https://a.example.com:443", "", "https://*example.com"]},
            [
                f"allow_origins {AS_SENT}; got 'https://A.example.com/' (did you mean '{A}'?)",
                f"allow_origins {AS_SENT}; got 'https://a.example.com:443' (did you mean '{A}'?)",
                f"allow_origins {AS_SENT}; got ''",
                f"allow_origins {AS_SENT}; got 'https://*example.com' ({STARS})",
            ],
        ),
        (
            {
                "allow_origins": [
                    "https://*.Example.com/",
                    "https://*.1.2.3.4",
                    "http://localhost:80:*",
                    "https://bü.de",
                ]
            },
            [
                f"allow_origins {AS_SENT}; got 'https://*.Example.com/' (did you mean 'https://*.example.com'?)",
                f"allow_origins {AS_SENT}; got 'https://*.1.2.3.4' ({STARS})",
                f"allow_origins {AS_SENT}; got 'http://localhost:80:*' (did you mean 'http://localhost:*'?)",
                f"allow_origins {AS_SENT}; got 'https://bü.de' (did you mean 'https://xn--b-eha.de'?)",
            ],
        ),
        # attack 2
        (
            {"allow_origin_regex": "https://app.example.com"},
            [rf"allow_origin_regex {LOOSE}; got 'https://app.example.com' (write '\.')"],
        ),
        (
            {"allow_origin_regex": r"https://.\.example\.com"},
            [rf"allow_origin_regex {LOOSE}; got 'https://.\\.example\\.com' (write '\.')"],
        ),
        (
            {"allow_origin_regex": r"https://[a-z]+.example\.com"},
            [rf"allow_origin_regex {LOOSE}; got 'https://[a-z]+.example\\.com' (write '\.')"],
        ),
        (
            {"allow_origin_regex": r"https://a.\.?example\.com"},
            [rf"allow_origin_regex {LOOSE}; got 'https://a.\\.?example\\.com' (write '\.')"],
        ),
        (
            {"allow_origin_regex": "https://(a"},
            [
                f"allow_origin_regex {BROKEN}; got 'https://(a'",
            ],
        ),
        (
            {"allow_origin_regex": "a{99999999999}"},
            [f"allow_origin_regex {TOO_LARGE}; got 'a{{99999999999}}'"],
        ),
        *(
            ({"allow_origin_regex": pattern, **TRUSTED}, [f"allow_origin_regex {NESTED}; got {pattern!r} ({ONE_LESS})"])
            for pattern in (
                r"https://([a-z0-9-]+)+\.example\.com",
                r"https://(?:\w*)+\.example\.com",
                r"https://(?P<name>[^.]+)*\.example\.com",
                r"https://(a{1,}){2,}\.example\.com",
            )
        ),
        # attacks 6 and 9, as expressions
        *(
            (
                {"allow_origin_regex": pattern, "allow_credentials": True, **more},
                [f"allow_origin_regex {MATCHES_ANY}; got {pattern!r} ({END_IT})"],
            )
            for pattern, more in (
                (".*", {}),
                (r"https?://[^/]+", {}),
                (r"https://\S+|https://a\.example", {"dangerously_allow_public_suffixes": True}),
                ("http://.+", {"dangerously_allow_insecure_origins": True}),
            )
        ),
        (
            {"allow_origin_regex": r"https://([a-z-]+\.)+(github|gitlab)\.io", "allow_credentials": True},
            [
                f"allow_origin_regex must not match all hosts of {host} together with allow_credentials: anybody can "
                r"get one; got 'https://([a-z-]+\\.)+(github|gitlab)\\.io' "
                "(name your own, or set dangerously_allow_public_suffixes)"
                for host in ("github.io", "gitlab.io")
            ],
        ),
        # methods and headers
        (
            {"allow_methods": ["put", "TRACE", "connect", "a b", ""]},
            [
                "allow_methods must be in upper case, as browsers send it; got 'put' (write 'PUT')",
                "allow_methods must hold request methods that browsers send; got 'TRACE'",
                "allow_methods must hold request methods that browsers send; got 'connect'",
                "allow_methods must hold request methods that browsers send; got 'a b'",
                "allow_methods must hold request methods that browsers send; got ''",
            ],
        ),
        (
            {"allow_headers": ["x a", "x:\r\n"], "expose_headers": ["ä"]},
            [
                "allow_headers must hold header names; got 'x a'",
                r"allow_headers must hold header names; got 'x:\r\n'",
                "expose_headers must hold header names; got 'ä'",
            ],
        ),
        (
            {"allow_headers": ["Cookie", "Sec-Fetch-Site", "x-a", "ORIGIN"]},
            [f"allow_headers {ASKED}; got {name!r} (leave it out)" for name in ("Cookie", "Sec-Fetch-Site", "ORIGIN")],
        ),
        (
            {"allow_origin_vary": ["x a", "X-Tenant"]},
            [
                "allow_origin_vary must hold header names; got 'x a'",
                f"allow_origin_vary {NOT_ASKED}; got ['x a', 'X-Tenant']",
            ],
        ),
        ({"websockets": "all"}, ["websockets must be true or false or one of 'listed' or None; got 'all'"]),
        # each path's policy, in its place
        (
            {
                "max_age": -1,
                "policies": [
                    {"paths": ["/a"], "allow_origins": [A]},
                    {"path": ["/b"], "allow_origins": ["https://b.example/"], "max_age": -2},
                    {"paths": ["b"], "allow_methods": "GET"},
                    {"paths": ["b*"]},
                    {"paths": ["/c"], "allow_orgins": [A]},
                    {"paths": []},
                ],
            },
            [
                "max_age must not be negative; got -1",
                "policies[2].path is unknown (did you mean 'paths'?)",
                "policies[2].paths must be given (such as ['/api/*'])",
                f"policies[2].allow_origins {AS_SENT}; got 'https://b.example/' (did you mean 'https://b.example'?)",
                "policies[2].max_age must not be negative; got -2",
                "policies[3].allow_methods must be a list of strings; got 'GET' (write ['GET'])",
                "policies[4].paths must hold patterns that begin with '/'; got 'b*'",
                "policies[5].allow_orgins is unknown (did you mean 'allow_origins'?)",
                "policies[6].paths must hold a pattern, such as '/api/*'; got []",
            ],
        ),
        (
            {"max_age": 1.5, "policies": [{"paths": ["/a"], "max_age": -2}]},
            ["max_age must be an integer; got 1.5", "policies[1].max_age must not be negative; got -2"],
        ),
        (
            {"max_age": 1.5, "policies": [1]},
            [
                "max_age must be an integer; got 1.5",
                "policies must be a list of CORSPolicy objects or tables of anything; got [1]",
            ],
        ),
        # CORS 14: no page may read it
        (
            {"expose_headers": ["X-A", "Set-Cookie"]},
            ["expose_headers must hold headers that a page may ever read; got 'Set-Cookie'"],
        ),
        # CORS 6
        (
            {"allow_origins": [A], "allow_credentials": True, "expose_headers": ["*"]},
            [
                f"expose_headers {STAR}; got ['*']",
            ],
        ),
        # CORS 15
        ({"max_age": -1}, ["max_age must not be negative; got -1"]),
        (
            {"max_age": 1.5, "allow_credentials": "yes", "allow_private_network": 1},
            [
                "allow_credentials must be true or false; got 'yes'",
                "max_age must be an integer; got 1.5",
                "allow_private_network must be true or false; got 1",
            ],
        ),
    ],
)
def test_policies_that_do_not_build(options: dict[str, Any], problems: list[str]) -> None:
    """When wrapped and when written down for later, in the same words."""
    for build in (lambda: CORS(answering(), **options), lambda: Middleware(CORS, **options)):
        with pytest.raises(OptionError) as caught:
            build()
        assert str(caught.value).splitlines() == [f"CORS: {problem}" for problem in problems]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"allow_origins": (A, B)},
        {"allow_origins": {A}},
        {
            "allow_origins": [
                "https://*.example.com",
                "http://localhost:*",
                "https://*.example.com:*",
                "https://*.github.io",
            ]
        },
        {
            "allow_origins": ["http://*.localhost", "http://localhost:*", "http://127.9.9.9", "http://[::1]:*"],
            **TRUSTED,
        },
        {"allow_origins": ["http://a.example"], "dangerously_allow_insecure_origins": True, **TRUSTED},
        {"allow_origins": ["https://*.github.io"], "dangerously_allow_public_suffixes": True, **TRUSTED},
        {"allow_origins": ["https://*.me.github.io"], **TRUSTED},
        {"allow_origins": ["*"], "dangerously_allow_any_origin_with_credentials": True, **TRUSTED},
        {"dangerously_allow_null_origin": True},
        {"allow_origin_callable": lambda origin, connection: True, "allow_origin_vary": ["X-Tenant"]},
        {"policies": [CORSPolicy(paths=["/a"], allow_origins=["*"]), {"paths": ["/b/*"]}]},
        {"allow_origins": ["http://localhost:3000", "http://127.0.0.1:8000", "http://[::1]:3000"]},
        {"allow_origins": ["chrome-extension://abcdefghijklmnop", "capacitor://localhost"]},
        {"allow_origins": [A], "allow_origin_regex": r"https://.*\.example\.com"},
        {"allow_origin_regex": r"https://(?:[a-z0-9-]+\.)?example\.com(?::[0-9]{4})?"},
        {"allow_origin_regex": r"https://[a-z.]+\.example[.]com"},
        {"allow_origin_regex": r"https://[].]a\.example\.com|https://[^].]\.example\.com"},
        {"allow_origin_regex": ".*"},
        {"allow_origin_regex": r"https://(?:[a-z0-9-]+\.)+example\.com"},
        {"allow_origin_regex": r"https://([a-z]+)?\.([a-z]+){2}(a|b+)+\.example\.com"},
        {"allow_origin_regex": ".*", "dangerously_allow_any_origin_with_credentials": True, **TRUSTED},
        {"allow_origin_regex": r"https://.*\.github\.io", "dangerously_allow_public_suffixes": True, **TRUSTED},
        {"allow_origin_regex": r"https://shop-[a-z0-9]+\.vercel\.app|http://.*\.localhost(:\d+)?", **TRUSTED},
        {"allow_methods": ["*"], "allow_headers": ["*"], "expose_headers": ["*"], "max_age": 0},
        {"allow_methods": ["PATCH", "patch", "PURGE", "QUERY"]},
        {"allow_headers": ["Authorization", "X-CSRF-Token"], "allow_credentials": True, "allow_origins": [A]},
    ],
)
def test_policies_that_build(options: dict[str, Any]) -> None:
    CORS(answering(), **options)
