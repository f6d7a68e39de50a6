"""What went wrong, in full, for whoever develops the application: never to be shown to anybody else."""

from __future__ import annotations

import re
from html import escape
from traceback import TracebackException
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from middlewares.asgi import Scope

__all__ = ("debug_page", "lines_of")

_FRAMES: Final = 50
_LONGEST: Final = 100_000
_SECRET: Final = re.compile(
    r"auth|cookie|token|secret|session|password|key|csrf|xsrf|signature|credential", re.IGNORECASE
)

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font-family: system-ui, sans-serif; margin: 2rem; }}
pre {{ background: #f4f4f4; color: #111; overflow-x: auto; padding: 1rem; }}
td, th {{ padding: 0 1rem 0 0; text-align: left; vertical-align: top; }}
</style>
<h1>{title}</h1>
<p><code>{request}</code></p>
<p><small>{reference}</small></p>
<pre>{trace}</pre>
<table>{fields}</table>
<p>You see this page because <code>debug</code> is on.</p>
</html>
"""


def lines_of(error: BaseException) -> list[str]:
    """Return the lines of a traceback, the outermost frames left out of one that is very long."""
    try:
        told = TracebackException.from_exception(error, limit=-_FRAMES, compact=True)
        text = "".join(told.format())
    except Exception as failure:  # noqa: BLE001 - exceptions may define how they look, and fail at it
        text = f"{type(error).__name__} (not shown, for that raises {type(failure).__name__})"
    return text[-_LONGEST:].splitlines()


def debug_page(title: str, lines: list[str], scope: Scope, reference: str) -> str:
    """Return an HTML page that shows a traceback and the request, without its query and what may be secret."""
    path = f"{scope.get('method', 'GET')} {scope['path']}"
    fields = "".join(f"<tr><th>{escape(name)}<td>{escape(value)}" for name, value in _shown(scope))
    return _PAGE.format(
        title=escape(title),
        request=escape(path),
        reference=escape(reference),
        trace=escape("\n".join(lines)),
        fields=fields,
    )


def _shown(scope: Scope) -> Iterator[tuple[str, str]]:
    for name, value in scope["headers"]:
        text = name.decode("latin-1")
        yield text, "[hidden]" if _SECRET.search(text) else value.decode("latin-1")
