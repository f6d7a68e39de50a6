"""An application for browsers: a page that fetches two versions of a list, and what was on the wire for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from middlewares import Compress
from middlewares.compression.dictionaries import Dictionary
from tests.compression.versions import json_versions
from tests.interop.wiretap import Wiretap

if TYPE_CHECKING:
    from starlette.requests import Request

    from middlewares.asgi import ASGIApp

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
  // A browser writes a dictionary to its disk after the response has ended, and the layer prepares it when first asked;
  // neither tells when it is done.
  for (let attempt = 0; attempt < 50; attempt++) {
    const { headers } = await fetch("/products/probe", { cache: "no-store" });
    if ((headers.get("content-encoding") ?? "").startsWith("dc")) break;
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


async def page(request: Request) -> Response:
    return HTMLResponse(PAGE)


async def products(request: Request) -> Response:
    headers = {"cache-control": "public, max-age=3600"}
    return Response(VERSIONS[request.path_params["version"]], media_type="application/json", headers=headers)


async def probe(request: Request) -> Response:
    """Answer something that is encoded with a dictionary as soon as there is one."""
    return Response(VERSIONS["1"], media_type="application/json")


def _application(other: bytes) -> ASGIApp:
    async def wire(request: Request) -> Response:
        return JSONResponse(wiretap.seen)

    routes = [
        Route("/page", page),
        Route("/wire", wire),
        Route("/products/probe", probe),
        Route("/products/{version}", products),
    ]
    declared = Dictionary(match="/products/*", learn=True, id="products")
    wiretap = Wiretap(Compress(Starlette(routes=routes), dictionaries=[declared]), hidden=frozenset({other}))
    return wiretap


dcz = _application(b"dcb")
dcb = _application(b"dcz")
