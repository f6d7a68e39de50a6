"""Read the middlewares from a configuration file, so that an operator can change them without touching code.

Run it with ``python -m examples.from_file``, then try ``curl -si --compressed localhost:8000/products``.
``middlewares run examples.shop.app:app --config examples/middlewares.toml`` does the same without a program.
"""

from __future__ import annotations

from pathlib import Path

from examples.shop.app import app as shop
from middlewares import from_config

stack = from_config(Path(__file__).with_name("middlewares.toml"))
app = stack(shop)

if __name__ == "__main__":
    import uvicorn

    print(stack)  # noqa: T201 - shows the operator what the file turned on
    uvicorn.run(app, proxy_headers=False)
