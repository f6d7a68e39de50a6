"""Register middlewares with FastAPI, which adds them one call at a time, the innermost first.

Install FastAPI (``pip install fastapi``), run ``python -m examples.fastapi_registration``, then try
``curl -si --compressed localhost:8000/products``.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Query, Request, Response

from examples.shop.answers import answer_document
from examples.shop.app import lifespan
from middlewares import CORS, GZip

app = FastAPI(title="The shop", lifespan=lifespan)


@app.get("/products")
async def list_products(
    request: Request, q: Annotated[str, Query(max_length=100)] = "", category: str = ""
) -> Response:
    """Return the products of a category whose name or description contains ``q``."""
    return answer_document(request, request.state.catalog.search_document(q, category))


# Each call puts its middleware around all that is there already, so the last one called is outermost. This is
# the reverse of a list or a file: CORS comes first here, and GZip ends up around it.
app.add_middleware(
    CORS,
    allow_origins=["http://localhost:3000", "http://127.0.0.1:3000"],
    allow_methods=["GET", "POST"],
    allow_headers=["content-type"],
    max_age=600,
)
app.add_middleware(GZip, minimum_size=500)

if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, proxy_headers=False)
