"""Stand-ins that tell who the client is, which host it means, and whether it may."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, ClassVar

from middlewares.core.exchange import hand_back
from middlewares.core.headers import find, set_header
from middlewares.core.refusals import Refusal, refuse

from .base import StandIn

if TYPE_CHECKING:
    from middlewares.asgi import Message, Receive, Scope, Send

__all__ = ("CSRF", "Auth", "HTTPSRedirect", "ProxyHeaders", "Signature", "TrustedHosts")


class ProxyHeaders(StandIn):
    """Believes every proxy."""

    order_role: ClassVar = "proxy_headers"

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = scope["headers"]
        forwarded = {**scope}
        if address := find(headers, b"x-forwarded-for"):
            forwarded["client"] = (address.decode(), 0)
        if scheme := find(headers, b"x-forwarded-proto"):
            forwarded["scheme"] = scheme.decode()
        if host := find(headers, b"x-forwarded-host"):
            forwarded["headers"] = set_header(headers, b"host", host)
        await self.app(forwarded, receive, send)


@dataclass(frozen=True, eq=False, kw_only=True)
class TrustedHosts(StandIn):
    """Refuses other hosts with 400."""

    order_role: ClassVar = "trusted_hosts"
    hosts: tuple[bytes, ...] = (b"shop.example",)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if find(scope["headers"], b"host") not in self.hosts:
            # Whatever it is, a request for another host is not for this application.
            refusal = Refusal(status=400, code="trusted_hosts.host")
            return await refuse(scope, receive, send, refusal, inner=self.cors, also_preflights=True)
        await self.app(scope, receive, send)


class HTTPSRedirect(StandIn):
    """Redirects plain HTTP with 307."""

    order_role: ClassVar = "https_redirect"

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("scheme") == "https":
            return await self.app(scope, receive, send)
        location = b"https://" + (find(scope["headers"], b"host") or b"") + scope["raw_path"]
        refusal = Refusal(status=307, code="https_redirect.scheme", headers=((b"location", location),))
        await refuse(scope, receive, send, refusal, inner=self.cors)


@dataclass(frozen=True, eq=False, kw_only=True)
class Auth(StandIn):
    """Knows the user from the ``Authorization`` header or the session, and refuses strangers with 401."""

    types: ClassVar = ("http", "websocket")
    order_role: ClassVar = "auth"
    admitted: list[bytes] = field(default_factory=list[bytes])

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        user = find(scope["headers"], b"authorization") or str(scope.get("session", {}).get("user", "")).encode()
        if not user:
            refusal = Refusal(status=401, code="auth.missing", headers=((b"www-authenticate", b"Bearer"),))
            return await refuse(scope, receive, send, refusal, inner=self.cors)
        self.admitted.append(user)
        inner = {**scope, "user": user}
        try:
            await self.app(inner, receive, send)
        finally:
            hand_back(inner, scope)

    def hands_on_send(self) -> bool:
        return True


class CSRF(StandIn):
    """Refuses a POST with 403 unless its ``X-CSRF`` header is the token of the session."""

    order_role: ClassVar = "csrf"

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        token = str(scope.get("session", {}).get("csrf", "")).encode()
        if scope["method"] == "POST" and (not token or find(scope["headers"], b"x-csrf") != token):
            return await refuse(scope, receive, send, Refusal(status=403, code="csrf.token"), inner=self.cors)
        await self.app(scope, receive, send)


class Signature(StandIn):
    """Reads the request body, and refuses it with 401 unless a header has its digest, standing for a signature."""

    order_role: ClassVar = "signature"

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        read = [await receive()]
        while read[-1].get("more_body", False):
            read.append(await receive())
        digest = sha256(b"".join(message.get("body", b"") for message in read)).hexdigest().encode()
        if find(scope["headers"], b"x-signature") != digest:
            return await refuse(scope, receive, send, Refusal(status=401, code="signature.wrong"), inner=self.cors)

        async def replay() -> Message:
            return read.pop(0) if read else await receive()

        await self.app(scope, replay, send)
