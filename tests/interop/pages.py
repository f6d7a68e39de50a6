"""An application for browsers: a page that makes requests of another origin, and what those requests ask for.

One server answers for all hosts below ``localhost``, which browsers take to this machine: the page may come from
``app.localhost``, which is allowed, or from any other; the requests go to ``api.app.localhost``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from middlewares import CORS, GZip, Middleware, Stack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

__all__ = ("EVENTS", "PRODUCTS", "app")

PRODUCTS = json.dumps([{"id": number, "name": f"Product {number}"} for number in range(300)])
EVENTS = "".join(f"data: {number}\n\n" for number in range(50))

PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Requests of another origin</title>
<pre id="verdicts"></pre>
<script>
const api = `http://api.app.localhost:${location.port}`;
const json = { "content-type": "application/json" };
const requests = {
  get: ["/products"],
  head: ["/products", { method: "HEAD" }],
  events: ["/events"],
  missing: ["/nowhere"],
  post_form: ["/orders", { method: "POST", body: "plain" }],
  post_json: ["/orders", { method: "POST", headers: json, body: "{}" }],
  put: ["/orders", { method: "PUT", body: "new" }],
  put_lower_case: ["/orders", { method: "put", body: "new" }],
  delete: ["/orders", { method: "DELETE" }],
  header_allowed: ["/orders", { headers: { "X-Note": "1" } }],
  header_refused: ["/orders", { headers: { "X-Other": "1" } }],
  first_with_cookies: ["/cookie", { credentials: "include" }],
  with_cookies: ["/cookie", { credentials: "include" }],
  without_cookies: ["/cookie", { credentials: "omit" }],
};
async function verdict(url, options) {
  try {
    const response = await fetch(url, options);
    const { headers, status } = response;
    return {
      status,
      text: await response.text(),
      total: headers.get("x-total"),
      hidden: headers.get("x-hidden"),
      coding: headers.get("content-encoding"),
    };
  } catch (error) {
    return null;
  }
}
async function all() {
  const verdicts = { same_origin: await verdict("/products") };
  for (const [name, [path, options]] of Object.entries(requests)) {
    verdicts[name] = await verdict(api + path, options);
  }
  const seen = await (await fetch("/seen")).json();
  document.getElementById("verdicts").textContent = JSON.stringify({ verdicts, seen });
}
all();
</script>
</html>
"""

_seen: list[str] = []


async def page(request: Request) -> Response:
    return HTMLResponse(PAGE)


async def products(request: Request) -> Response:
    return Response(PRODUCTS, media_type="application/json", headers={"x-total": "300", "x-hidden": "1"})


async def events(request: Request) -> Response:
    async def each() -> AsyncIterator[str]:
        for event in EVENTS.splitlines(keepends=True):
            yield event

    return StreamingResponse(each(), media_type="text/event-stream")


async def orders(request: Request) -> Response:
    _seen.append(f"{request.method} {request.headers.get('content-type', '-')}")
    return Response((await request.body()).decode() or "no body")


async def cookie(request: Request) -> Response:
    response = Response(request.cookies.get("visited", "never"))
    response.set_cookie("visited", "before")
    return response


async def seen(request: Request) -> Response:
    """Tell which orders have reached the application, and forget them."""
    orders = [*_seen]
    _seen.clear()
    return JSONResponse(orders)


_stack = Stack(
    GZip,
    Middleware(
        CORS,
        allow_origin_regex=r"http://app\.localhost:[0-9]+",
        allow_methods=["GET", "POST", "PUT"],
        allow_headers=["content-type", "x-note"],
        allow_credentials=True,
        expose_headers=["x-total"],
    ),
)
_application = Starlette(
    routes=[
        Route("/page", page),
        Route("/products", products),
        Route("/events", events),
        Route("/orders", orders, methods=["GET", "POST", "PUT", "DELETE"]),
        Route("/cookie", cookie),
        Route("/seen", seen),
    ]
)
app = _stack(_application)
