"""Register middlewares with Starlette: it puts them between its error handling and its routes.

Run it with ``python -m examples.starlette_registration``, then try
``curl -si --compressed localhost:8000/products``.
"""

from __future__ import annotations

from starlette.applications import Starlette

from examples.shop.app import lifespan, routes
from middlewares import CORS, GZip, Middleware

app = Starlette(
    routes=routes,
    lifespan=lifespan,
    # The first one is outermost. `middlewares.Middleware` is Starlette's record that checks the options right
    # here; with Starlette's own, a mistake shows up when the server starts.
    middleware=[
        Middleware(GZip, minimum_size=500),
        Middleware(
            CORS,
            allow_origins=["http://localhost:3000", "http://127.0.0.1:3000"],
            allow_methods=["GET", "POST"],
            allow_headers=["content-type"],
            max_age=600,
        ),
    ],
)

if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, proxy_headers=False)
