"""Stand-ins for layers that do not exist yet: each is the smallest that shows how such a layer meets others.

Whoever builds the layer takes its stand-in out of here, and puts the layer in its place wherever it is used. What
they keep, a test hands in and looks at afterwards; nothing here is fit for production.
"""

from __future__ import annotations

from .bodies import BodyLimit, BodyRewrite, Cache, ETag, SecurityHeaders, Trailers, Upload
from .clients import CSRF, Auth, HTTPSRedirect, ProxyHeaders, Signature, TrustedHosts

__all__ = (
    "CSRF",
    "Auth",
    "BodyLimit",
    "BodyRewrite",
    "Cache",
    "ETag",
    "HTTPSRedirect",
    "ProxyHeaders",
    "SecurityHeaders",
    "Signature",
    "Trailers",
    "TrustedHosts",
    "Upload",
)
