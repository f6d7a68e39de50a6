"""An application with thousands of policies, and pages that make a browser judge each of them.

``/page`` holds a frame for every origin below ``localhost``, and a sandboxed one; each makes its own calls of
``/case/SEED/NUMBER`` on other hosts, and tells the page what its script could read.
"""

from __future__ import annotations

import json
from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING, Any

import anyio
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute

from middlewares import CORS, Decompress, Middleware, RateLimit, Stack
from tests.cors.local import HOSTS, hosts_of, local_case
from tests.stand_ins import Auth, BodyLimit, HTTPSRedirect

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.websockets import WebSocket

    from middlewares.asgi import ASGIApp, Receive, Scope, Send
    from tests.cors.declared import Case

__all__ = ("ANSWERERS", "app")

PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Calls from many origins</title>
<body>
<script>
const hosts = %s;
const verdicts = {};
addEventListener("message", async ({ data: { host, found } }) => {
  verdicts[host] = found;
  if (Object.keys(verdicts).length < hosts.length) return;
  fetch("/verdicts" + location.search, { method: "POST", body: JSON.stringify(verdicts) });
});
for (const host of hosts) {
  const frame = document.createElement("iframe");
  if (host === "null") frame.sandbox = "allow-scripts";
  const name = host === "null" ? location.hostname : `${host}.localhost`;
  frame.src = `http://${name}:${location.port}/frame${location.search}&host=${host}`;
  document.body.append(frame);
}
</script>
</html>
"""

FRAME = """\
<!doctype html>
<meta charset="utf-8">
<script>
const host = %s, calls = %s, names = ["etag", "x-total", "x-hidden", "ratelimit-policy"];
async function made([path, options], index) {
  try {
    const url = `http://api${index %% 6}.localhost:${location.port}${path}`;
    const { headers, status } = await fetch(url, { cache: "no-store", redirect: "manual", ...options });
    return [status, names.filter((name) => headers.has(name))];
  } catch (error) {
    return null;
  }
}
function opened() {
  return new Promise((resolve) => {
    const socket = new WebSocket(`ws://api.localhost:${location.port}/socket`);
    socket.onmessage = ({ data }) => resolve(data);
    socket.onerror = () => resolve(null);
  });
}
async function all() {
  const found = { socket: await opened() };
  const left = Object.keys(calls);
  async function work() {
    while (left.length) {
      const name = left.shift();
      found[name] = await made(calls[name], left.length);
    }
  }
  await Promise.all(Array.from({ length: 12 }, work));
  parent.postMessage({ host, found }, "*");
}
all();
</script>
"""

POLICY = Middleware(
    CORS,
    allow_origins=["http://app.localhost:*"],
    allow_headers=["authorization", "content-encoding", "x-any"],
    allow_methods=["PUT"],
    expose_headers="auto",
)
PUT = {"method": "PUT", "headers": {"X-Any": "1"}}
POST = {"method": "POST", "body": "x" * 100}


async def fine(request: Request) -> PlainTextResponse:
    await request.body()
    return PlainTextResponse("fine")


async def broken(request: Request) -> PlainTextResponse:
    raise ZeroDivisionError


def registered(*layers: Any) -> ASGIApp:
    """Return an application of a framework, with layers in the order in which they are registered, outermost first."""
    routes = [
        Route("/", fine, methods=["GET", "POST", "PUT"]),
        Route("/broken", broken, methods=["GET", "POST", "PUT"]),
    ]
    return Starlette(routes=routes, middleware=layers)


OVER_QUOTA = Middleware(RateLimit, limit="1/minute", cost=2)

ANSWERERS: dict[str, tuple[ASGIApp, str, dict[str, Any], int]] = {
    "status 429": (registered(OVER_QUOTA, POLICY), "/", {}, 429),
    "status 429, asked first": (Stack(OVER_QUOTA, POLICY)(registered()), "/", PUT, 429),
    "status 413": (registered(Middleware(BodyLimit, limit=10), POLICY), "/", POST, 413),
    "status 401": (registered(Middleware(Auth), POLICY), "/", {}, 401),
    "status 401, asked first": (registered(Middleware(Auth), POLICY), "/", PUT, 401),
    "let in": (registered(Middleware(Auth), POLICY), "/", {"headers": {"Authorization": "ada"}}, 200),
    "status 415": (
        registered(Middleware(Decompress), POLICY),
        "/",
        {**POST, "headers": {"Content-Encoding": "zz"}},
        415,
    ),
    "status 500": (registered(POLICY), "/broken", {}, 500),
    "status 500, asked first": (registered(POLICY), "/broken", PUT, 500),
    "status 500, limited": (registered(Middleware(RateLimit, limit="1000/minute"), POLICY), "/broken", POST, 500),
    "redirect": (registered(Middleware(HTTPSRedirect), POLICY), "/", {}, 0),
}
"""By name: an application, a path of it, how it is called, and the status that a page reads; 0: of a redirect, none."""


@cache
def case_of(seed: int, number: int, port: int) -> tuple[Case, CORS]:
    case = local_case(seed, number, port)
    return case, CORS(case.app, **case.policy.options())


class Cases:
    """Hands ``/SEED/NUMBER`` to the application of that case."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        seed, number = map(int, scope["path"].rsplit("/", 2)[1:])
        await case_of(seed, number, scope["server"][1])[1](scope, receive, send)


def asked(request: Request) -> list[tuple[int, Case]]:
    """Return the cases that the address of a page asks for."""
    seed, start, stop = (int(request.query_params[name]) for name in ("seed", "start", "stop"))
    port = request.scope["server"][1]
    return [(number, case_of(seed, number, port)[0]) for number in range(start, stop)]


async def page(request: Request) -> HTMLResponse:
    return HTMLResponse(PAGE % json.dumps([*HOSTS, "null"]))


async def frame(request: Request) -> HTMLResponse:
    host = request.query_params["host"]
    calls: dict[str, Any] = {
        str(number): [f"/case/{request.query_params['seed']}/{number}", _options(case)]
        for number, case in asked(request)
        if hosts_of(case) == host
    }
    for number, (name, (_, path, options, _)) in enumerate(ANSWERERS.items()):
        calls[name] = [f"/answerer/{number}{path}", options]
    return HTMLResponse(FRAME % (json.dumps(host), json.dumps(calls)))


class Told:
    """What the browser found, by the address of its page, once it has told."""

    def __init__(self) -> None:
        self.verdicts: Any = None
        self.is_there = anyio.Event()


_told: defaultdict[str, Told] = defaultdict(Told)


async def verdicts(request: Request) -> JSONResponse:
    """Take what the page found; or wait for that, and tell it with what has reached the application of each case."""
    told = _told[str(request.query_params)]
    if request.method == "POST":
        told.verdicts = await request.json()
        told.is_there.set()
    await told.is_there.wait()
    return JSONResponse([told.verdicts, {number: case.app.reached for number, case in asked(request)}])


async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("secret")
    await websocket.close()


def _options(case: Case) -> dict[str, Any]:
    credentials = "include" if case.page.credentials else "omit"
    return {"method": case.page.method, "headers": dict(case.page.headers), "credentials": credentials}


app = Starlette(
    routes=[
        Route("/page", page),
        Route("/frame", frame),
        Route("/verdicts", verdicts, methods=["GET", "POST"]),
        Mount("/case", Cases()),
        *(Mount(f"/answerer/{number}", app) for number, (app, *_) in enumerate(ANSWERERS.values())),
        WebSocketRoute("/socket", socket, middleware=[POLICY]),
    ]
)
