"""An application for browsers: a page that fetches two versions of a list, and what was on the wire for each.

The layer around it does with `Dictionaries` what a compressing layer does, and nothing else: it holds back each whole
body, so that what leaves is easy to see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from middlewares.compression.dictionaries import Dictionaries, Dictionary
from middlewares.core.headers import joined, remove
from tests.compression.versions import json_versions

if TYPE_CHECKING:
    from starlette.requests import Request

    from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send

__all__ = ("VERSIONS", "dcb", "dcz")

VERSIONS = dict(zip(("1", "2"), json_versions(1200, 200), strict=True))

PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Two versions of a list</title>
<pre id="verdicts"></pre>
<script>
async function hash(text) {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
async function load(version) {
  const response = await fetch(`/products/${version}`);
  const text = await response.text();
  return { status: response.status, length: text.length, hash: await hash(text) };
}
async function all() {
  const verdicts = { 1: await load(1) };
  // A browser writes a dictionary to its disk after the response has ended, and tells nobody when.
  for (let attempt = 0; attempt < 50; attempt++) {
    const { available } = await (await fetch("/products/probe", { cache: "no-store" })).json();
    if (available) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  verdicts[2] = await load(2);
  const wire = await (await fetch("/wire")).json();
  document.getElementById("verdicts").textContent = JSON.stringify({ verdicts, wire });
}
all().catch((error) => { document.getElementById("verdicts").textContent = String(error); });
</script>
</html>
"""


class Encoded:
    """Encode whole bodies with dictionaries, for clients that have one, and note what leaves."""

    def __init__(self, app: ASGIApp, dictionaries: Dictionaries, only: bytes) -> None:
        self.app = app
        self.dictionaries = dictionaries
        self.only = only
        self.wire: dict[str, Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        accepted = joined(scope["headers"], b"accept-encoding") or b""
        available = joined(scope["headers"], b"available-dictionary")
        listed = self.only if self.only in accepted.split(b", ") else b""
        codec = self.dictionaries.offer(scope, listed, available)
        held: list[Message] = []

        async def send_encoded(message: Message) -> None:
            held.append(message)
            if message.get("more_body", False) or len(held) == 1:
                return
            start, body = held[0], b"".join(each.get("body", b"") for each in held[1:])
            headers = [*start["headers"], *self.dictionaries.announce(scope, start["status"], start["headers"])]
            learner = self.dictionaries.learner(scope, start["status"], start["headers"])
            if learner is not None:
                learner.add(body)
                learner.finish()
            if self.dictionaries.varies(scope):
                self.dictionaries.vary.extend(headers)
            if codec is not None:
                body = codec.whole(body)
                headers = [*remove(headers, b"content-length"), (b"content-encoding", codec.name)]
            self._note(scope, accepted, available, headers, body)
            await send({**start, "headers": headers})
            await send({"type": "http.response.body", "body": body})

        await self.app(scope, receive, send_encoded)

    def _note(self, scope: Scope, accepted: bytes, available: bytes | None, headers: Any, body: bytes) -> None:
        self.wire[scope["path"]] = {
            "accept": accepted.decode(),
            "available": available and available.decode(),
            "coding": (joined(headers, b"content-encoding") or b"").decode(),
            "vary": (joined(headers, b"vary") or b"").decode(),
            "begins": body[:40].hex(),
            "bytes": len(body),
        }


async def page(request: Request) -> Response:
    return HTMLResponse(PAGE)


async def products(request: Request) -> Response:
    headers = {"cache-control": "public, max-age=3600"}
    return Response(VERSIONS[request.path_params["version"]], media_type="application/json", headers=headers)


async def probe(request: Request) -> Response:
    """Tell whether the request said that a dictionary is there."""
    return JSONResponse({"available": request.headers.get("available-dictionary")})


def _application(only: bytes) -> ASGIApp:
    async def wire(request: Request) -> Response:
        return JSONResponse(encoded.wire)

    routes = [
        Route("/page", page),
        Route("/wire", wire),
        Route("/products/probe", probe),
        Route("/products/{version}", products),
    ]
    dictionaries = Dictionaries([Dictionary(match="/products/*", learn=True, id="products")])
    encoded = Encoded(Starlette(routes=routes), dictionaries, only)
    return encoded


dcz = _application(b"dcz")
dcb = _application(b"dcb")
