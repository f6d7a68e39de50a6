"""``python -m middlewares`` is the command ``middlewares``."""

from __future__ import annotations

from middlewares.cli import main

if __name__ == "__main__":
    main()
