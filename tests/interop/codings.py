"""An application with a layer for each coding, and a page on which a browser fetches a text in all of them.

The first segment of a path is the coding, ``any`` for whichever the client likes best, or ``padded-`` and a coding for
one with padding; the second is how the body is sent.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from middlewares import Brotli, Compress, GZip, Zstd
from tests.interop.wiretap import Wiretap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

    from middlewares.asgi import ASGIApp

__all__ = ("LAYERS", "SHAPES", "TEXT", "app")

TEXT: Final = json.dumps([{"id": number, "name": f"Chair nº {number * 7919 % 10_000}"} for number in range(3000)])
"""130 KB, which are encoded in a worker thread at most levels."""
SHAPES: Final = ("whole", "streamed", "events")

PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>One text in all codings</title>
<pre id="verdicts"></pre>
<script>
async function all() {
  const verdicts = {};
  for (const path of PATHS) {
    const response = await fetch(path);
    verdicts[path] = [response.status, response.headers.get("content-encoding"), await response.text()];
  }
  const wire = await (await fetch("/wire")).json();
  document.getElementById("verdicts").textContent = JSON.stringify({ verdicts, wire });
}
all().catch((error) => { document.getElementById("verdicts").textContent = String(error); });
</script>
</html>
"""


def _pieces() -> Iterator[str]:
    for start in range(0, len(TEXT), 10_000):
        yield TEXT[start : start + 10_000]


async def whole(request: Request) -> Response:
    return Response(TEXT, media_type="application/json")


async def streamed(request: Request) -> Response:
    return StreamingResponse(_pieces(), media_type="application/json")


async def events(request: Request) -> Response:
    """Events only by their type: what is in them is of no account to who encodes them."""
    return StreamingResponse(_pieces(), media_type="text/event-stream")


_texts = Starlette(routes=[Route("/whole", whole), Route("/streamed", streamed), Route("/events", events)])

LAYERS: Final[dict[str, ASGIApp]] = {
    "any": Compress(_texts),
    "gzip": GZip(_texts),
    "br": Brotli(_texts),
    "zstd": Zstd(_texts),
    "padded-gzip": GZip(_texts, breach="pad"),
    "padded-br": Brotli(_texts, breach="pad"),
    "padded-zstd": Zstd(_texts, breach="pad"),
}


async def page(request: Request) -> Response:
    paths = [f"/{layer}/{shape}" for layer in LAYERS for shape in SHAPES]
    return HTMLResponse(PAGE.replace("PATHS", json.dumps(paths)))


async def wire(request: Request) -> Response:
    return JSONResponse(app.seen)


app = Wiretap(
    Starlette(
        routes=[
            Route("/page", page),
            Route("/wire", wire),
            *(Mount(f"/{name}", layer) for name, layer in LAYERS.items()),
        ]
    )
)
