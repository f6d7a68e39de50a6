"""A browser as far as CORS is concerned: the Fetch standard's protocol, read from the standard and from nothing else.

It knows nothing of the layer that is tested. Numbers of clauses are those of https://fetch.spec.whatwg.org.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from middlewares.asgi import ASGIApp, Message

__all__ = ("Answer", "Page", "Verdict", "ask", "fetch", "unsafe_names")

TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
SIMPLE_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")
ALWAYS_VISIBLE = {"cache-control", "content-language", "content-length", "content-type"}
ALWAYS_VISIBLE |= {"expires", "last-modified", "pragma"}
NEVER_VISIBLE = {"set-cookie", "set-cookie2"}


@dataclass(frozen=True)
class Page:
    """A call of ``fetch`` by the script of a page, in mode ``cors``, to another origin."""

    origin: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Set by the script; names in any case."""
    credentials: bool = False
    """Whether the credentials mode is ``include``."""


@dataclass(frozen=True)
class Answer:
    """A response as it left the server."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def lines(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]

    def get(self, name: str) -> str | None:
        """Return a header as 2.2.2, "get" has it."""
        lines = self.lines(name)
        return ", ".join(lines) if lines else None


@dataclass(frozen=True)
class Verdict:
    """What came of a call."""

    is_readable: bool
    is_sent: bool
    """Whether the request itself, and no preflight alone, went out."""
    answers: list[Answer]
    """Of the preflight, if there was one, and of the request, if it went out."""
    visible: frozenset[str] = frozenset()
    """Names of the headers that the script can read."""


def fetch(app: ASGIApp, page: Page, *, path: str = "/") -> Verdict:
    """Make the call (4.3, HTTP fetch)."""
    names = unsafe_names(page)
    answers = []
    if names or page.method not in ("GET", "HEAD", "POST"):
        headers = [("accept", "*/*"), ("access-control-request-method", page.method)]
        if names:
            headers.append(("access-control-request-headers", ",".join(names)))
        headers.append(("origin", page.origin))
        answers.append(ask(app, "OPTIONS", headers, path=path))
        if not _passes_preflight(answers[0], page, names):
            return Verdict(False, False, answers)
    headers = [("accept", "*/*"), *page.headers.items(), ("origin", page.origin)]
    if page.credentials:
        headers.append(("cookie", "session=1"))
    answer = ask(app, page.method, headers, path=path)
    answers.append(answer)
    is_readable = _passes_check(answer, page)
    return Verdict(is_readable, True, answers, frozenset(_visible(answer, page)) if is_readable else frozenset())


def unsafe_names(page: Page) -> list[str]:
    """Return the CORS-unsafe request-header names, sorted and in lower case (2.2.2)."""
    unsafe = {name.lower() for name, value in page.headers.items() if not _is_safelisted(name.lower(), value)}
    safe = [(name, value) for name, value in page.headers.items() if name.lower() not in unsafe]
    if sum(len(value) for _, value in safe) > 1024:
        unsafe |= {name.lower() for name, _ in safe}
    return sorted(unsafe)


def _is_safelisted(name: str, value: str) -> bool:
    if len(value) > 128:
        return False
    if name == "accept":
        return not any(character in '"():<>?@[\\]{}\x7f' for character in value)
    if name in ("accept-language", "content-language"):
        return all(character.isalnum() or character in " *,-.;=" for character in value)
    if name == "content-type":
        return value.partition(";")[0].strip().lower() in SIMPLE_TYPES
    return False


def _passes_preflight(answer: Answer, page: Page, names: list[str]) -> bool:
    """CORS-preflight fetch, 4.8, from step 7 on."""
    if not (_passes_check(answer, page) and 200 <= answer.status <= 299):
        return False
    methods = _extract(answer.lines("access-control-allow-methods"))
    allowed = _extract(answer.lines("access-control-allow-headers"))
    if methods is None or allowed is None:
        return False
    is_star = not page.credentials
    is_listed = page.method in (*methods, "GET", "HEAD", "POST") or (is_star and "*" in methods)
    if not is_listed:
        return False
    allowed = [name.lower() for name in allowed]
    if "authorization" in names and "authorization" not in allowed:
        return False
    return all(name in allowed or (is_star and "*" in allowed) for name in names)


def _passes_check(answer: Answer, page: Page) -> bool:
    """CORS check, 4.9."""
    origin = answer.get("access-control-allow-origin")
    if origin is None:
        return False
    if not page.credentials and origin == "*":
        return True
    if origin != page.origin:
        return False
    return not page.credentials or answer.get("access-control-allow-credentials") == "true"


def _visible(answer: Answer, page: Page) -> Iterable[str]:
    """CORS filtered response, 2.2.6."""
    exposed = {name.lower() for name in _extract(answer.lines("access-control-expose-headers")) or []}
    for name in {name.lower() for name, _ in answer.headers} - NEVER_VISIBLE:
        if name in ALWAYS_VISIBLE or name in exposed or ("*" in exposed and not page.credentials):
            yield name


def _extract(lines: list[str]) -> list[str] | None:
    """Extract header list values (2.2.2): ``None`` if one is no token."""
    values = [value.strip(" \t") for line in lines for value in line.split(",")]
    values = [value for value in values if value]
    return values if all(TOKEN.issuperset(value) for value in values) else None


def ask(app: ASGIApp, method: str, headers: list[tuple[str, str]], *, path: str = "/") -> Answer:
    """Send one request to an application that waits for nothing."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
    }
    sent: list[Message] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    call: Any = app(scope, receive, send)
    try:
        call.send(None)
    except StopIteration:
        start, *bodies = sent
        pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
        return Answer(start["status"], pairs, b"".join(message.get("body", b"") for message in bodies))
    raise AssertionError("the application waits")
