"""Answer a request without asking the application: one function for every layer that does so.

The answer is RFC 9457 ``application/problem+json``, plain text or HTML, whichever the client's ``Accept`` prefers; a
WebSocket handshake gets the same over the denial-response extension where the server has it, and a close otherwise.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from html import escape
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from .exchange import EXCHANGE
from .headers import add_vary, joined
from .memo import Memo
from .negotiation import prefer_media_type

if TYPE_CHECKING:
    from collections.abc import Iterable

    from middlewares.asgi import Message, Receive, Scope, Send

    from .cross_origin import InnerPolicy
    from .headers import HeaderList, Headers

__all__ = ("PROBLEM_JSON", "Prepared", "Refusal", "phrase", "refuse", "rendered")

_log = logging.getLogger("middlewares")

PROBLEM_JSON = "application/problem+json"
_OFFERS = (PROBLEM_JSON, "application/json", "text/plain", "text/html")

_STANDARD = frozenset({"type", "title", "status", "detail", "instance"})

# RFC 9110, 15.5: Python knows these by their older names before 3.13.
_PHRASES = {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}

# A flood of refusals should cost little, and clients say few different things.
_preferred = Memo(lambda accept: prefer_media_type(accept, _OFFERS) or PROBLEM_JSON)

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<h1>{title}</h1>
<p>{detail}</p>{reference}
</html>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a request is answered by a layer itself, and how."""

    status: int
    """HTTP status code, 300 to 599."""
    code: str
    """For machines, never sent: the layer and what failed, in words that do not change, such as ``cors.method``."""
    reason: str = ""
    """For logs, never sent: what a code leaves open, such as ``PATCH not allowed``. It may quote the client."""
    detail: str = ""
    """For the person who made the request; it must not give away what the layer protects."""
    title: str = ""
    """Short name of the problem; the standard phrase of the status unless given."""
    type: str = "about:blank"
    """URI of the kind of problem (RFC 9457, 3.1.1)."""
    instance: str = ""
    """URI of this occurrence of the problem (RFC 9457, 3.1.5)."""
    members: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Further members of the problem object (RFC 9457, 3.2), which JSON can hold; the five above stay as they are."""
    reference: str = ""
    """What a person quotes who asks about it, such as the id of the request; shown in text and HTML."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """Further response headers, such as ``Retry-After``."""
    page: str = ""
    """A whole HTML page, for clients that prefer HTML; made of title and detail unless given."""
    close_code: int = 1008
    """WebSocket close code where the server cannot deny a handshake with a response (RFC 6455, 7.4.1)."""


class Prepared:
    """A refusal that is rendered once for each value of ``Accept``, for answers that are sent often.

    It remembers up to 512 of them.
    """

    __slots__ = ("refusal", "rendered")

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        self.rendered: Memo[tuple[HeaderList, bytes]] = Memo(partial(rendered, refusal))

    def for_flood(self, scope: Scope) -> tuple[HeaderList, bytes] | None:
        """Return headers and body of the answer to an HTTP request where sending them is all there is to do.

        ``None`` where layers outside, or a log, are to be told: then `refuse` does it. Of several lines of ``Accept``
        only the first is read, which a server is free to do (RFC 9110, 12.5.1).
        """
        if EXCHANGE in scope or _log.isEnabledFor(logging.DEBUG):
            return None
        headers = scope["headers"]
        for name, value in headers:
            if name == b"accept":
                return self.rendered[value]
        return self.rendered[joined(headers, b"accept") or b""]


async def refuse(
    scope: Scope,
    receive: Receive,
    send: Send,
    refusal: Refusal | Prepared,
    *,
    headers: Iterable[tuple[bytes, bytes]] = (),
    inner: InnerPolicy | None = None,
    also_preflights: bool = False,
) -> None:
    """Answer the HTTP request or WebSocket handshake of ``scope`` with ``refusal``, and record it in the exchange.

    ``headers`` are further response headers, those that only this request has. ``inner`` is the CORS policy inside
    the layer that refuses: it makes the answer readable for permitted pages, and answers preflights instead, which
    carry no credentials and never reach the application. With ``also_preflights`` they are refused like all: for
    checks of the host and of the request as such.
    """
    if inner is not None and inner.is_absent:
        inner = None
    if inner is not None and not also_preflights and await inner.answer(scope, receive, send):
        return None
    accept = _accept(scope["headers"])
    if isinstance(refusal, Prepared):
        fixed, body = refusal.rendered[accept]
        refusal = refusal.refusal
    else:
        fixed, body = rendered(refusal, accept)
    if EXCHANGE in scope:
        scope[EXCHANGE].refusals.append(refusal)
    if _log.isEnabledFor(logging.DEBUG):
        # As repr, cut: paths and reasons may hold line ends, and are as long as a client likes.
        reason = f" ({repr(refusal.reason[:200])[1:-1]})" if refusal.reason else ""
        _log.debug("%s: refused %.200r with %d%s", refusal.code, scope["path"], refusal.status, reason)
    answer = [*fixed, *headers]
    if scope["type"] == "websocket":
        return await _refuse_handshake(
            scope, receive, send, refusal.close_code, {"status": refusal.status, "headers": answer}, body
        )
    if inner is not None:
        answer = await inner.readable(scope, answer)
    await send({"type": "http.response.start", "status": refusal.status, "headers": answer})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def _accept(headers: Headers) -> bytes:
    """Return the whole value of ``Accept``; servers give names in lower case, so a look for others comes second."""
    found = None
    for name, value in headers:
        if name == b"accept":
            if found is not None:
                break
            found = value
    else:
        if found is not None:
            return found
    return joined(headers, b"accept") or b""


async def _refuse_handshake(
    scope: Scope, receive: Receive, send: Send, close_code: int, start: Message, body: bytes
) -> None:
    message = await receive()
    if message["type"] != "websocket.connect":
        return  # the client left
    if "websocket.http.response" not in (scope.get("extensions") or ()):
        # The server answers 403 to a close before accept (ASGI WebSocket, "Close").
        return await send({"type": "websocket.close", "code": close_code})
    await send({"type": "websocket.http.response.start", **start})
    await send({"type": "websocket.http.response.body", "body": body})


def rendered(refusal: Refusal, accept: bytes) -> tuple[HeaderList, bytes]:
    """Return the headers and the body of a refusal, for a client with this value of ``Accept``."""
    media_type = _preferred[accept]
    # Details may quote what a client sent; a lone surrogate in it must not turn the answer into a crash.
    body = _render(refusal, media_type).encode(errors="replace")
    if media_type.endswith("json"):
        content_type = PROBLEM_JSON  # plain JSON is what a client asks for that knows no problem details
    else:
        content_type = f"{media_type}; charset=utf-8"
    headers: HeaderList = [
        (b"content-type", content_type.encode()),
        (b"content-length", b"%d" % len(body)),
        *refusal.headers,
    ]
    return add_vary(headers, b"Accept"), body


def _render(refusal: Refusal, media_type: str) -> str:
    title = refusal.title or phrase(refusal.status)
    if media_type == "text/plain":
        return "\n".join(filter(None, (title, refusal.detail, refusal.reference))) + "\n"
    if media_type == "text/html":
        reference = f"\n<p><small>{escape(refusal.reference)}</small></p>" if refusal.reference else ""
        return refusal.page or _PAGE.format(title=escape(title), detail=escape(refusal.detail), reference=reference)
    problem = {"type": refusal.type, "title": title, "status": refusal.status}
    if refusal.detail:
        problem["detail"] = refusal.detail
    if refusal.instance:
        problem["instance"] = refusal.instance
    members = {name: value for name, value in refusal.members.items() if name not in _STANDARD}
    return json.dumps({**problem, **members})


def phrase(status: int) -> str:
    """Return the reason phrase of a status, in the words of RFC 9110."""
    try:
        return _PHRASES.get(status) or HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"
