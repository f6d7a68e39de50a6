"""Origins, policies and requests that the tests of CORS have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from middlewares.testing import request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from middlewares.asgi import ASGIApp, Receive, Scope, Send
    from middlewares.testing import Response

A = "https://a.example.com"
B = "https://b.example.com:8443"
EVIL = "https://evil.example"
ON_ALL = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
"""The ``Vary`` of a preflight's answer."""

REGEX = r"https://[a-z]+\.example\.com"
FIELDS = {
    "origin": "access-control-allow-origin",
    "credentials": "access-control-allow-credentials",
    "expose": "access-control-expose-headers",
    "methods": "access-control-allow-methods",
    "headers": "access-control-allow-headers",
    "age": "access-control-max-age",
    "network": "access-control-allow-private-network",
    "vary": "vary",
}


def assert_fields(response: Response, **wanted: str) -> None:
    """Compare every header that CORS may set; what is not named must be absent, and none may be doubled."""
    found = {name: response.values(field) for name, field in FIELDS.items() if name != "vary"}
    assert {name: values for name, values in found.items() if values} == {
        name: [value] for name, value in wanted.items() if name != "vary"
    }
    assert response.header("vary") == wanted.get("vary")


def answering(headers: list[tuple[bytes, bytes]] | None = None, status: int = 200) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers or []})
        await send({"type": "http.response.body", "body": b"from the app"})

    return app


async def get(app: ASGIApp, origin: str | None, method: str = "GET") -> Response:
    return await request(app, method, headers={} if origin is None else {"origin": origin})


async def preflight(
    app: ASGIApp, origin: str = A, method: str = "PUT", names: str | Sequence[str] = (), network: bool = False
) -> Response:
    lines = [names] if isinstance(names, str) else names
    headers = [("origin", origin), ("access-control-request-method", method)]
    headers += [("access-control-request-headers", line) for line in lines]
    headers += [("access-control-request-private-network", "true")] if network else []
    return await request(app, "OPTIONS", headers=headers)


def assert_refused(response: Response) -> None:
    """CORS 2, 11: a refusal fails the preflight by its status and its headers, and does not tell the policy."""
    assert response.status == 403
    assert_fields(response, vary=f"{ON_ALL}, Accept")
    assert response.json()["detail"] == "This cross-origin request is not permitted."


LISTED: dict[str, Any] = {"allow_origins": [A, B]}
ONE: dict[str, Any] = {"allow_origins": [A]}
ANY: dict[str, Any] = {"allow_origins": ["*"]}
MATCHED: dict[str, Any] = {"allow_origin_regex": REGEX}
FULL: dict[str, Any] = {"allow_credentials": True, "expose_headers": ["X-Total", "ETag"]}
