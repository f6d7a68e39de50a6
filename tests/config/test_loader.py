"""A file becomes a stack, or one error with every problem, each at its place."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.middleware.httpsredirect import HTTPSRedirectMiddleware

from middlewares import CORS, ConfigError, GZip, Middleware, Stack, When, from_config
from middlewares.asgi import ASGIApp
from middlewares.config.document import MAX_BYTES
from middlewares.core.layer import Layer
from middlewares.registry import BUILTIN


class Tag:
    """A middleware of a third party; what it is given is only looked at when it is built."""

    def __init__(self, app: ASGIApp, label: str, *, count: int = 1) -> None:
        self.app = app


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Picky(Layer):
    """A layer that does not raise the error it should."""

    app: ASGIApp = field(kw_only=False)
    count: int = 1

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError("count:\nlow")


def takes_anything(app: ASGIApp, **options: Any) -> ASGIApp:
    return app


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def third_party(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files name the classes above as ``thirdparty:Tag``."""
    module = type(os)("thirdparty")
    vars(module).update(Tag=Tag, Picky=Picky, takes_anything=takes_anything)
    monkeypatch.setitem(__import__("sys").modules, "thirdparty", module)


def load(text: str | bytes) -> Stack:
    Path("m.toml").write_bytes(text.encode() if isinstance(text, str) else text)
    return from_config("m.toml")


def problems_of(text: str | bytes) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return str(caught.value).splitlines()


def test_entries_become_records_in_the_order_of_the_file() -> None:
    stack = load(
        """
        [[middleware]]
        use = "cors"
        allow_origins = ["https://a.example"]

        [[middleware]]
        use = "starlette.middleware.httpsredirect:HTTPSRedirectMiddleware"

        [[middleware]]
        use = "gzip"
        minimum_size = 1_000
        when = { paths = ["/api/*"], methods = ["GET"] }
        """
    )
    expected = Stack(
        Middleware(CORS, allow_origins=["https://a.example"]),
        HTTPSRedirectMiddleware,
        When(Middleware(GZip, minimum_size=1000), paths=["/api/*"], methods=["GET"]),
    )
    assert [type(entry) for entry in stack] == [type(entry) for entry in expected]
    assert str(stack) == str(expected)


def test_an_entry_that_is_not_enabled_is_left_out() -> None:
    stack = load('[[middleware]]\nuse = "gzip"\nenabled = false\n[[middleware]]\nuse = "cors"\nenabled = true')
    assert [entry.cls for entry in stack] == [CORS]


def test_an_entry_that_is_not_enabled_is_checked_all_the_same() -> None:
    assert problems_of('[[middleware]]\nuse = "gzip"\nenabled = false\nminimum_size = "big"') == [
        "m.toml:4:16: middleware[1] (gzip): minimum_size must be an integer; got 'big'"
    ]


def test_a_matcher_may_stand_in_a_table_of_its_own() -> None:
    stack = load('[[middleware]]\nuse = "gzip"\n[middleware.when]\nhosts = ["a.example"]')
    assert isinstance(stack[0], When)


def test_an_array_without_entries_is_an_empty_stack() -> None:
    assert len(load("middleware = []")) == 0


def test_a_path_object_and_a_byte_order_mark_are_taken(folder: Path) -> None:
    file = folder / "with mark.toml"
    file.write_bytes(b'\xef\xbb\xbf[[middleware]]\nuse = "gzip"')
    assert len(from_config(file)) == 1


@pytest.mark.parametrize("path", [None, 3.5, {"middleware": []}])
def test_what_is_no_path_is_a_mistake_of_the_caller(path: Any) -> None:
    with pytest.raises(TypeError, match="PathLike"):
        from_config(path)


def test_options_reach_a_class_of_a_third_party() -> None:
    stack = load('[[middleware]]\nuse = "thirdparty:Tag"\nlabel = "a"\ncount = 2')
    assert (stack[0].cls, stack[0].kwargs) == (Tag, {"label": "a", "count": 2})


EVERYTHING_WRONG = """\
# One of each.
[[middleware]]
use = "gzip"
minimum_siz = 3
compresslevel = "x"
when = { paths = ["/a/*"], path = 1, hosts = "a.example" }

[[middleware]]
use = "cors"
allow_orgins = ["https://a.example"]
allow_origins = "*"
enabled = "no"
cls = 1

[[middleware]]
use = "gzp"
when = { methods = ["get"] }

[[middleware]]
user = "gzip"

[[middleware]]
use = 7
when = ["/a"]

[[middleware]]
use = "thirdparty:Tag"
"la\\u0062l" = "a"

[middlewares]
"""

EVERYTHING_REPORTED = """\
m.toml:4:1: middleware[1] (gzip): unknown option 'minimum_siz'; did you mean 'minimum_size'?
m.toml:5:17: middleware[1] (gzip): compresslevel must be an integer or None; got 'x'
m.toml:6:28: middleware[1] (gzip): unknown option 'when.path'; did you mean 'paths'?
m.toml:6:46: middleware[1] (gzip): when.hosts must be a list of strings; got 'a.example' (write ['a.example'])
m.toml:10:1: middleware[2] (cors): unknown option 'allow_orgins'; did you mean 'allow_origins'?
m.toml:11:17: middleware[2] (cors): allow_origins must be a list of strings; got '*' (write ['*'])
m.toml:12:11: middleware[2] (cors): enabled must be true or false; got 'no'
m.toml:13:1: middleware[2] (cors): unknown option 'cls'
m.toml:16:7: middleware[3]: unknown middleware 'gzp'; did you mean 'gzip'?
m.toml:17:20: middleware[3]: when.methods must hold request methods in upper case; got 'get'
m.toml:19:1: middleware[4]: use is required
m.toml:23:7: middleware[5]: use must be a string; got 7
m.toml:24:8: middleware[5]: when must be a table of paths, exclude_paths, methods, hosts; got ['/a']
m.toml:26:1: middleware[6] (thirdparty:Tag): label is required
m.toml:28:1: middleware[6] (thirdparty:Tag): unknown option 'labl'; did you mean 'label'?
m.toml:30:2: unknown option 'middlewares'; did you mean 'middleware'?
"""


def test_all_problems_of_a_file_are_reported_at_once_in_its_order() -> None:
    assert problems_of(EVERYTHING_WRONG) == EVERYTHING_REPORTED.splitlines()


def test_of_a_file_that_is_wrong_all_over_the_first_hundred_problems_are_shown() -> None:
    problems = problems_of("".join(f"key{number} = 1\n" for number in range(150)) + "middleware = []\n")
    assert len(problems) == 101
    assert problems[99] == "m.toml:100:1: unknown option 'key99'"
    assert problems[100] == "m.toml: and 50 more"


ENTRIES = {
    "app is no option": ('use = "gzip"\napp = 1', "m.toml:3:1: middleware[1] (gzip): unknown option 'app'"),
    "app is no option of what takes anything": (
        'use = "thirdparty:takes_anything"\napp = 1\nself = 2',
        (
            "m.toml:3:1: middleware[1] (thirdparty:takes_anything): unknown option 'app'\n"
            "m.toml:4:1: middleware[1] (thirdparty:takes_anything): unknown option 'self'"
        ),
    ),
    "a quoted key with a dot": (
        'use = "gzip"\n"when.paths" = 1',
        "m.toml:3:1: middleware[1] (gzip): unknown option 'when.paths'",
    ),
    "a dotted key": ('use = "gzip"\na.b = 1', "m.toml:3:1: middleware[1] (gzip): unknown option 'a'"),
    "a dash": (
        'use = "gzip"\n minimum-size = 1',
        "m.toml:3:2: middleware[1] (gzip): unknown option 'minimum-size'; did you mean 'minimum_size'?",
    ),
    "no matcher": (
        'use = "gzip"\nwhen = {}',
        "m.toml:3:8: middleware[1] (gzip): when must hold at least one of paths, exclude_paths, methods, hosts",
    ),
    "a predicate is code": (
        'use = "gzip"\nwhen = {predicate = "x:y"}',
        "m.toml:3:9: middleware[1] (gzip): unknown option 'when.predicate'",
    ),
    "a constructor that fails": (
        'use = "thirdparty:Picky"\ncount = -1\nwhen = {methods = ["GET"]}',
        "m.toml:2:7: middleware[1] (thirdparty:Picky): cannot be built: ValueError: count: low ({file}, line {line})",
    ),
    "an unprintable name": (
        'use = "gzip"\n"a\\u001b[31m" = 1',
        "m.toml:3:1: middleware[1] (gzip): unknown option 'a\\x1b[31m'",
    ),
    "an empty name": (
        'use = ""',
        "m.toml:2:7: middleware[1]: unknown middleware ''; known are {known}, and any class as 'package.module:Class'",
    ),
}


@pytest.mark.parametrize(("entry", "reported"), ENTRIES.values(), ids=ENTRIES.keys())
def test_what_is_wrong_with_an_entry_is_told(entry: str, reported: str) -> None:
    line = Picky.__post_init__.__code__.co_firstlineno + 2
    reported = reported.format(file=__file__, line=line, known=", ".join(sorted(BUILTIN)))
    assert problems_of(f"[[middleware]]\n{entry}") == reported.splitlines()


FILES: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "m.toml:1:1: there is no [[middleware]] table; write middleware = [] if none is meant"),
    "one table": (
        '\n[middleware]\nuse = "gzip"',
        "m.toml:2:1: middleware must be an array of tables: write [[middleware]]",
    ),
    "an array of names": (
        'middleware = ["gzip"]',
        "m.toml:1:14: middleware must be an array of tables: write [[middleware]]",
    ),
    "no TOML": ("a = 1\nb = = 2", "m.toml:2:5: is not TOML: Invalid value"),
    "cut short": ('[[middleware]]\nuse = "gz', "m.toml:2:10: is not TOML: Unterminated string"),
    "a key twice": ("a = 1\na = 2", "m.toml:2:6: is not TOML: Cannot overwrite a value"),
    "no UTF-8": (b"a = 1\nb = '\xc3\xa9\xff'", "m.toml:2:7: is not UTF-8: byte 0xff"),
    "no UTF-8 behind a byte order mark": (b"\xef\xbb\xbfa\xff", "m.toml:1:2: is not UTF-8: byte 0xff"),
    "a null character": ("a = 1\n\0", "m.toml:2:1: is not TOML: Invalid statement"),
    "too large": (b"#" * (MAX_BYTES + 1), "m.toml: is larger than 256 KiB, the most that is read"),
    "nested too deeply": (
        "a = " + "[" * 100_000,
        "m.toml:1:37: is nested more than 32 levels deep",
    ),
    "a dotted key too deep": ("\n" + ".".join("a" * 40), "m.toml:2:65: is nested more than 32 levels deep"),
    "an integer beyond 64 bits": (
        f'[[middleware]]\nuse = "gzip"\nminimum_size = [1, 0x{"f" * 5000}]',
        "m.toml:3:20: is not TOML: an integer must fit 64 bits",
    ),
    "two of them": (
        f"a = {2**63 - 1}\nb = {2**63}\nc = {-(2**63)}\nd = {-(2**63) - 1}",
        "m.toml:2:5: is not TOML: an integer must fit 64 bits\nm.toml:4:5: is not TOML: an integer must fit 64 bits",
    ),
}


@pytest.mark.parametrize(("content", "reported"), FILES.values(), ids=FILES.keys())
def test_what_is_wrong_with_a_file_is_told(content: str | bytes, reported: str) -> None:
    assert "\n".join(problems_of(content)) == reported


def test_an_integer_too_long_for_python_is_told() -> None:
    assert problems_of("b = 'x'\na = [1, " + "9" * 5000 + "]") == [
        "m.toml:2:9: is not TOML: an integer must fit 64 bits"
    ]


def _missing(folder: Path) -> str:
    return "missing.toml"


def _directory(folder: Path) -> str:
    (folder / "dir").mkdir()
    return "dir"


def _below_a_file(folder: Path) -> str:
    (folder / "file").touch()
    return "file/m.toml"


def _link_to_itself(folder: Path) -> str:
    (folder / "loop").symlink_to("loop")
    return "loop"


@pytest.mark.parametrize(
    ("make", "reported"),
    [
        (_missing, "missing.toml: there is no such file"),
        (_directory, "dir: is a directory; it must be a TOML file"),
        (_below_a_file, "file/m.toml: cannot be read: Not a directory"),
        (_link_to_itself, "loop: cannot be read: Too many levels of symbolic links"),
        (lambda _: "a\0b", "'a\\x00b': cannot be read: embedded null byte"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(make: Any, reported: str, folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        from_config(make(folder))
    assert str(caught.value) == reported


def test_a_file_that_may_not_be_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ConfigError, match=r"^m\.toml: cannot be read: Permission denied$"):
        from_config("m.toml")
