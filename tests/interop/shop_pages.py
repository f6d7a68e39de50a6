"""The shop with sessions in a store, and a page that uses it in a frame as a visitor does: types, clicks, and looks."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from anyio import Event, fail_after
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route

from examples.shop.app import app as shop
from examples.shop.app import lifespan
from middlewares import Sessions

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ("app",)

PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>A visit</title>
<iframe id="shop" width="1000" height="800"></iframe>
<script>
const frame = document.getElementById("shop");
const by = (id) => frame.contentDocument?.getElementById(id);
const pause = () => new Promise((resolve) => setTimeout(resolve, 20));
async function until(condition) {
  for (let left = 250; left && !condition(); left--) await pause();
  return condition();
}
async function open() {
  frame.src = "/?" + Math.random();
  await new Promise((resolve) => { frame.onload = resolve; });
  await until(() => by("account") && !by("account").hidden);
  return by("who").textContent;
}
function greeted() {
  return new Promise((resolve) => {
    const socket = new WebSocket(`ws://${location.host}/greet`);
    socket.onmessage = ({ data }) => resolve(data);
    socket.onerror = () => resolve(null);
  });
}
const sent = async () => (await fetch("/cookies")).json();
async function all() {
  const seen = { at_first: await open(), greeted_at_first: await greeted() };
  by("name").querySelector("input").value = "Ada";
  by("enter").click();
  await until(() => by("who").textContent);
  seen.logged_in = by("who").textContent;
  seen.greeted = await greeted();
  seen.sent = await sent();
  seen.script_sees = document.cookie;
  seen.after_reload = await open();
  by("leave").click();
  await until(() => !by("who").textContent);
  seen.logged_out = by("who").textContent;
  seen.greeted_in_the_end = await greeted();
  seen.sent_in_the_end = await sent();
  seen.after_all = await open();
  return seen;
}
all()
  .catch((error) => ({ error: String(error) }))
  .then((seen) => fetch("/seen", { method: "PUT", body: JSON.stringify(seen) }));
</script>
</html>
"""


async def visit(request: Request) -> Response:
    return HTMLResponse(PAGE)


async def cookies(request: Request) -> Response:
    """Tell which cookies the browser sends: scripts do not see those that are HttpOnly."""
    return JSONResponse(request.cookies)


_seen: list[bytes] = []
_is_seen = Event()


async def keep_seen(request: Request) -> Response:
    _seen.append(await request.body())
    _is_seen.set()
    return Response(status_code=204)


async def seen(request: Request) -> Response:
    """Wait for what the page has seen, and tell it."""
    with fail_after(60):
        await _is_seen.wait()
    return Response(_seen[0], media_type="application/json")


app = Sessions(
    Starlette(
        routes=[
            Route("/visit", visit),
            Route("/cookies", cookies),
            Route("/seen", keep_seen, methods=["PUT"]),
            Route("/seen", seen),
            Mount("/", shop),
        ],
        lifespan=lifespan,
    ),
    secret_key=secrets.token_urlsafe(32),
    store="memory://",
)
