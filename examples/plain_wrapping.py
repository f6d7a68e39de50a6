"""Put middlewares around an application by calling them: each takes the application behind it.

Run it with ``python -m examples.plain_wrapping``, then try ``curl -si --compressed localhost:8000/products``.
"""

from __future__ import annotations

from examples.shop.app import app as shop
from middlewares import CORS, GZip

# Read it from the outside in: a request meets GZip, then CORS, then the shop.
app = GZip(
    CORS(
        shop,
        allow_origins=["http://localhost:3000", "http://127.0.0.1:3000"],
        allow_methods=["GET", "POST"],
        allow_headers=["content-type"],
        max_age=600,
    ),
    minimum_size=500,
)

if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, proxy_headers=False)
